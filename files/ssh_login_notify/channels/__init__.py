# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where alerts go: one module for each kind of channel, named as the kind, with one class `Channel`.

A channel makes a message of alerts, sends it, and says what the answer means (BaseChannel). It knows nothing of the
queue, of retries or of other channels: that is delivery.py. What a message says is in wording.py; a channel lays it out
and escapes it.
"""

import importlib
import time
from abc import ABC, abstractmethod
from collections import namedtuple
from email.utils import parsedate_to_datetime
from json import loads  # the name json belongs to the kind, once that is loaded

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

# What an answer means. DELIVERED: the message is there. REFUSED: this very message, for good, by the channel's own
# words. CLOSED: nothing is taken from this host, by the channel's own words, until a person changes something. LIMITED:
# too much right now. UNSURE: the answer is not the channel's, and yet the message may be there. FAILED: anything else;
# it is tried again.
DELIVERED, REFUSED, CLOSED, LIMITED, UNSURE, FAILED = "delivered", "refused", "closed", "limited", "unsure", "failed"
# The answers that only the channel itself gives.
OWN_WORDS = (DELIVERED, REFUSED, CLOSED)
# No longer pause is obeyed. No channel asks for as much.
LONGEST_ASKED_SECONDS = 3600
# How a page begins, in lower case: it comes from a portal or a filter, which took nothing.
HTML = ("<!doctype", "<html", "<head", "<body", "<?xml")

# kind: one of the above. mend: what an operator can do about it, "" for DELIVERED. asked: the seconds of the pause that
# the channel asks for, None if it asks for none.
Verdict = namedtuple("Verdict", ("kind", "mend", "asked"))


class BaseChannel(ABC):
    """A channel. Its module has one class of this kind, named `Channel`."""

    # Whose channel it is, in messages to the operator.
    TITLE = "the channel"
    # How many alerts one message tells of at most.
    DIGEST_LIMIT = 40
    # Whether a message that is sent twice is there once, since the channel keeps one of each id.
    IS_REPEATABLE = False
    # What to check when no answer comes.
    WAY = "check the way to the channel"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """Read all that takes root to read. Raise ConfigurationError if it can't be used.

        settings: the channel's entry of `channels`. spool: where the channel may keep a state file of its own; None for
        a trial, which keeps nothing
        """
        self.settings = settings
        self.configuration = configuration
        self.spool = spool

    def wants(self, alert: "Alert", before: "Sequence[Alert]" = ()) -> bool:
        """Tell whether an alert gets a message here. The end of a connection gets none, unless a kind says otherwise.

        before: earlier alerts that are told in the same message
        """
        return bool(alert["about"] != LOGOUT)

    @abstractmethod
    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as one message can tell of: at least one."""

    @abstractmethod
    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message about one alert, or about several that fit.

        now: seconds since the epoch. dropped: how many older alerts a limit has dropped, which the message says
        """

    @abstractmethod
    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Send a message about these alerts, and return the answer; raise TransportError if none comes."""

    @abstractmethod
    def read(self, answer: "Answer") -> Verdict:
        """Return what an answer means."""

    def delivered(self, alerts: "List[Alert]", answer: "Answer") -> None:
        """Take note that a message was delivered, for a channel that remembers."""
        return

    def knock(self) -> "Optional[Answer]":
        """Ask for an answer in the channel's own words, and post nothing; raise TransportError if none comes.

        None: this channel has no way to ask
        """
        return None

    def close(self) -> None:
        """Close the connection, if there is one."""
        return


class WebChannel(BaseChannel):
    """A channel that takes JSON over HTTPS."""

    # An answer is read no further, in bytes.
    LARGEST_ANSWER_BYTES = 4096
    WAY = "check the way to the webhook's host: DNS, firewall, proxy, CA file"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self.transport = Transport(configuration, self.url, largest_answer=self.LARGEST_ANSWER_BYTES)

    @property
    def url(self) -> str:
        """Return the address of the requests, a secret."""
        return str(self.settings["url"])

    def headers(self, message: bytes) -> "Dict[str, str]":
        """Return the headers of a request beside those of every JSON request."""
        return {}

    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Post a message, and return the answer; raise TransportError if none comes."""
        return self.transport.post(message, self.headers(message))

    def knock(self) -> "Optional[Answer]":
        """Post an empty object, which is no message."""
        return self.transport.post(b"{}", self.headers(b"{}"))

    def close(self) -> None:
        """Close the kept connection, if there is one."""
        self.transport.close()


def load(settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> BaseChannel:
    """Return the channel of an entry of `channels`; only its kind's module is loaded. Raise ConfigurationError."""
    try:
        module = importlib.import_module("." + settings["kind"], __name__)
    except ImportError as error:  # only what every channel needs is asked of a host's Python in advance
        why = f"the channel {settings['name']} can't be used, since Python can't import {error.name}"
        raise ConfigurationError(f"{why}: install the distribution's whole python3, and run the role again") from None
    channel: BaseChannel = module.Channel(settings, configuration, spool)
    return channel


def verdict(kind: str, mend: str, answer: "Answer") -> Verdict:
    """Return a verdict with the pause that the answer's header Retry-After asks for."""
    is_there = kind == DELIVERED
    return Verdict(kind, "" if is_there else mend, None if is_there else retry_after(answer.retry_after))


def parsed(answer: "Answer") -> "Dict[str, Any]":
    """Return the JSON object of an answer, an empty one if it is something else."""
    try:
        found = loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_page(text: str) -> bool:
    """Tell whether an answer is a page of HTML."""
    return text.lower().startswith(HTML)


def retry_after(header: "Optional[str]") -> "Optional[float]":
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number or a date), None for none."""
    text = (header or "").strip()
    if text.isdecimal():
        return float(min(int(text[:9]), LONGEST_ASKED_SECONDS))  # Python refuses to read thousands of digits
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0), LONGEST_ASKED_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return None
