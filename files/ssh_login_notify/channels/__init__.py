# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where alerts go: one module for each kind of channel, with the name of the kind and one class `Channel`.

A channel makes a message from alerts, sends it, and interprets the answer (BaseChannel). It knows nothing about the
queue, retries or other channels, which belong to delivery.py. wording.py has the words of a message; a channel lays
them out and escapes them.
"""

import importlib
import time
from abc import ABC, abstractmethod
from collections import namedtuple
from email.utils import parsedate_to_datetime
from json import loads  # `json` itself becomes the kind's module in this package once that is loaded

from ..alert import LOGOUT
from ..config import ConfigurationError
from ..transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence

    from ..alert import Alert
    from ..config import Configuration
    from ..spool import Spool
    from ..transport import Answer

# The meaning of an answer. DELIVERED: the message has arrived. REFUSED: in its own words, the service refuses this
# message for good. CLOSED: in its own words, the service accepts nothing from this host until a person changes
# something. LIMITED: too many messages at the moment. UNSURE: the answer is not the service's, and yet the message may
# have arrived. FAILED: anything else; the message is retried.
DELIVERED, REFUSED, CLOSED, LIMITED, UNSURE, FAILED = "delivered", "refused", "closed", "limited", "unsure", "failed"
# The answers that only the service itself gives.
OWN_WORDS = (DELIVERED, REFUSED, CLOSED)
# The longest pause that is obeyed. No service requests as much.
LONGEST_ASKED_SECONDS = 3600
# How a page begins, in lower case. It comes from a portal or a filter, which has not forwarded the message.
HTML = ("<!doctype", "<html", "<head", "<body", "<?xml")

# kind: one of the above. mend: what an operator can do about it, "" for DELIVERED. asked: the seconds of the pause that
# the service requests, None if it requests none.
Verdict = namedtuple("Verdict", ("kind", "mend", "asked"))


class BaseChannel(ABC):
    """A channel. The module of each kind has one subclass, named `Channel`."""

    # The name of the service in messages to the operator.
    TITLE = "the channel"
    # The most alerts in one message.
    DIGEST_LIMIT = 40
    # Whether a message can be sent twice without harm, because the service keeps only one message of each id.
    IS_REPEATABLE = False
    # What to check if no answer comes.
    WAY = "check the connection to the channel"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """Read everything that only root can read. Raise ConfigurationError if the channel can't be used.

        settings: the channel's entry of `channels`. spool: where the channel can keep a state file of its own; None for
        a trial, which keeps nothing
        """
        self.settings = settings
        self.configuration = configuration
        self.spool = spool

    def wants(self, alert: "Alert", before: "Sequence[Alert]" = ()) -> bool:
        """Return whether this channel sends a message about an alert. By default, the end of a connection gets none.

        before: earlier alerts in the same message
        """
        return bool(alert["about"] != LOGOUT)

    @abstractmethod
    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into one message: at least one."""

    @abstractmethod
    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message about one alert, or about several that fit.

        now: seconds since the epoch. dropped: how many older alerts a limit has dropped; the message reports it
        """

    @abstractmethod
    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Send a message about these alerts, and return the answer. Raise TransportError if none comes."""

    @abstractmethod
    def read(self, answer: "Answer") -> Verdict:
        """Return what an answer means."""

    def delivered(self, alerts: "List[Alert]", answer: "Answer") -> None:
        """Record that a message was delivered. Only some channels need it."""
        return

    def knock(self) -> "Optional[Answer]":
        """Ask for an answer in the service's own words, without posting anything. Raise TransportError if none comes.

        Return None if this channel has no way to ask.
        """
        return None

    def close(self) -> None:
        """Close the connection, if there is one."""
        return


class WebChannel(BaseChannel):
    """A channel that accepts JSON over HTTPS."""

    # How much of an answer is read.
    LARGEST_ANSWER_BYTES = 4096
    WAY = "check the connection to the webhook's host: DNS, firewall, proxy, CA file"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self.transport = Transport(configuration, self.url, largest_answer=self.LARGEST_ANSWER_BYTES)

    @property
    def url(self) -> str:
        """Return the URL of the requests, a secret."""
        return str(self.settings["url"])

    def headers(self, message: bytes) -> "Dict[str, str]":
        """Return the headers of a request, in addition to those of every JSON request."""
        return {}

    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Post a message, and return the answer. Raise TransportError if none comes."""
        return self.transport.post(message, self.headers(message))

    def knock(self) -> "Optional[Answer]":
        """Post an empty object, which is not a message."""
        return self.transport.post(b"{}", self.headers(b"{}"))

    def close(self) -> None:
        """Close the kept connection, if there is one."""
        self.transport.close()


def load(settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> BaseChannel:
    """Return the channel of an entry of `channels`, loading only the module of its kind. Raise ConfigurationError."""
    try:
        module = importlib.import_module("." + settings["kind"], __name__)
    except ImportError as error:  # the role checks only the modules that every channel needs
        why = f"the channel {settings['name']} can't be used, because Python can't import {error.name}"
        raise ConfigurationError(f"{why}: install the distribution's whole python3, and run the role again") from None
    channel: BaseChannel = module.Channel(settings, configuration, spool)
    return channel


def verdict(kind: str, mend: str, answer: "Answer") -> Verdict:
    """Return a verdict with the pause that the answer's Retry-After header requests."""
    is_there = kind == DELIVERED
    return Verdict(kind, "" if is_there else mend, None if is_there else retry_after(answer.retry_after))


def parsed(answer: "Answer") -> "Dict[str, Any]":
    """Return the JSON object of an answer, an empty one if it is anything else."""
    try:
        found = loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_page(text: str) -> bool:
    """Return whether an answer is an HTML page."""
    return text.lower().startswith(HTML)


def retry_after(header: "Optional[str]") -> "Optional[float]":
    """Return the seconds that a Retry-After header requests (RFC 9110, 10.2.3: a number or a date), None for none."""
    text = (header or "").strip()
    if text.isdecimal():
        return float(min(int(text[:9]), LONGEST_ASKED_SECONDS))  # int() refuses thousands of digits
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0), LONGEST_ASKED_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return None
