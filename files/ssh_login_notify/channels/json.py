# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain webhook: the alerts as JSON, signed by the rules of Standard Webhooks.

The headers are `webhook-id`, which is the same for each attempt to send a message, `webhook-timestamp`, and, with a
key, `webhook-signature`: HMAC-SHA256 of `id.timestamp.body`, which proves to a receiver who sent the message, and when
(github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, 1.0.0). A receiver keeps one message of each
id, so a message that is sent twice does no harm.

As the specification says, a status of 2xx is success, 410 closes the channel, 429 and `Retry-After` request a pause,
and after any other status the message is retried. The exceptions are 413 and 422: these are about the message itself,
which is set aside.
"""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode

from .. import document, ecs, ocsf
from ..config import ConfigurationError
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, Verdict, WebChannel, is_page, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..alert import Alert
    from ..config import Configuration
    from ..spool import Spool
    from ..transport import Answer

ECS, OCSF = "ecs", "ocsf"
# The function that makes an event from an alert, and the event's member for facts that its schema has no field for.
EVENTS = {ECS: (ecs.of, "loginwatch"), OCSF: (ocsf.of, "unmapped")}
KEY_PREFIX = "whsec_"
# A receiver may not accept more: many servers have a limit of one megabyte.
LARGEST_BYTES = 256 << 10
MENDS = {
    REFUSED: "the receiver refuses this message; check its log",
    CLOSED: "the receiver accepts no more messages (410 Gone); set another address and run the role again",
    LIMITED: "too many messages for the receiver right now; it is tried again when the receiver allows it",
    FAILED: "the receiver, or something on the way to it, has not accepted the message; it is tried again",
}
PAGE = "an HTML page answered, from a proxy or a portal instead of the receiver; check the address; it is tried again"
REDIRECT = "redirects are not followed; set the receiver's final address"


class Channel(WebChannel):
    """A webhook. settings: `url` (a secret), and optionally `key` (a secret), `format`, `headers` (secret values)."""

    IS_REPEATABLE = True
    WAY = "check the connection to the receiver: DNS, firewall, proxy, CA file"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self._key = _key(settings.get("key") or "")

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a message."""
        size = 0
        for number, alert in enumerate(alerts[: self.DIGEST_LIMIT]):
            size += len(self.message([alert], now))
            if number and size > LARGEST_BYTES:
                return alerts[:number]
        return alerts[: self.DIGEST_LIMIT]

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the body: the notifier's own document, or a list of events of another schema."""
        if self.settings.get("format") in EVENTS:
            event, extra = EVENTS[self.settings["format"]]
            body: Any = [event(alert, self.configuration, now) for alert in alerts]
            body[0][extra]["dropped"] = dropped
        else:
            body = document.of(alerts, self.configuration, now, dropped)
        return json.dumps(body).encode("ascii")

    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Send a message, with a signature that includes the current time."""
        identity, timestamp = document.id_of(alerts), str(int(time.time()))
        headers = dict(self.settings.get("headers") or {})
        headers.update({"webhook-id": identity, "webhook-timestamp": timestamp})
        if self._key:
            headers["webhook-signature"] = signature(self._key, identity, timestamp, message)
        return self.transport.post(message, headers)

    def read(self, answer: "Answer") -> Verdict:
        """Return what the status of an answer means."""
        kind, mend = _meaning(answer), ""
        if kind != DELIVERED:
            mend = REDIRECT if 300 <= answer.status < 400 else PAGE if is_page(answer.text) else MENDS[kind]
        return verdict(kind, mend, answer)

    def knock(self) -> None:
        """Return None: asking would mean sending a message. It is not needed: a repeated message does no harm."""
        return


def _meaning(answer: "Answer") -> str:
    if answer.status == 429:
        return LIMITED
    if is_page(answer.text):
        return FAILED
    if 200 <= answer.status < 300:
        return DELIVERED
    return {410: CLOSED, 413: REFUSED, 422: REFUSED}.get(answer.status, FAILED)


def signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    signed = f"{identity}.{timestamp}.".encode("ascii") + body
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def _key(text: str) -> bytes:
    """Return the bytes of a signing key, empty for "". Raise ConfigurationError for any other form."""
    if not text:
        return b""
    try:
        if not text.startswith(KEY_PREFIX):
            raise ValueError
        return b64decode(text[len(KEY_PREFIX) :], validate=True)
    except ValueError:
        raise ConfigurationError(
            "a signing key of ssh_login_notify_channels is not whsec_ and base64: correct it and run the role again"
        ) from None
