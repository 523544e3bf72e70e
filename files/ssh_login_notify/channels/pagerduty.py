# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty's Events API v2: each alert is an event. Its severity depends on the heaviest weight.

PagerDuty accepts one event per request, and keeps one alert for each `dedup_key`, so a message that is sent twice
appears only once. The key is the alert's id, with two exceptions. Repeats join the alert of their login. All problems
of the notifier itself are one alert per host, which is resolved when all is well again.

Fields, limits and answers: developer.pagerduty.com, "Send an Alert Event", "Events API v2 Overview" (Response Codes &
Retry Logic), and PagerDuty/api-schema, reference/events-v2/openapiv3.json.
"""

import json
from datetime import datetime, timezone

from .. import wording
from ..alert import HEARTBEAT, REPEATS, SELF_CHECK, TEST
from ..text import CUT
from ..transport import TransportError
from ..weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, UNSURE, Verdict, WebChannel, is_page, parsed, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from ..alert import Alert
    from ..transport import Answer

URL = "https://events.pagerduty.com/v2/enqueue"
# Limits in characters. PagerDuty's limit for an event is 512 KB; with these limits an event has a tenth of that.
SUMMARY_LIMIT = 1024
DETAIL_LIMIT = 4000
DEDUP_KEY_LIMIT = 255
CRITICAL, ERROR, WARNING, INFO = "critical", "error", "warning", "info"
SEVERITIES = {
    ANOMALY: CRITICAL, FAILURES: CRITICAL, UNKNOWN_KEY: ERROR, PASSWORD: ERROR, ROOT: WARNING, FIRST: WARNING,
}  # fmt: skip
# The key for problems of the notifier itself, followed by the host.
PROBLEM_KEY = "ssh-login-notify on "
# The status in the body of PagerDuty's answer to a request that it refuses.
INVALID = "invalid event"
# An error of an invalid event is about the key if it contains one of these.
KEY_WORDS = ("routing_key", "routing key")
NEW_KEY = (
    "the integration key is wrong or its integration was removed; copy the key of an Events API v2 integration in"
    " PagerDuty (Service, Integrations) and run the role again with it"
)
MENDS = {
    REFUSED: "PagerDuty refuses the event itself; that is a defect of this program, please report it",
    CLOSED: NEW_KEY,
    LIMITED: "too many events for this integration right now; it is tried again",
    UNSURE: "this answer is not PagerDuty's; look for a proxy or a portal on the way, and check the address",
    FAILED: "PagerDuty, or something on the way to it, has a problem (status.pagerduty.com); it is tried again",
}


class Channel(WebChannel):
    """An integration of PagerDuty. settings: `key`, its routing key (a secret), and optionally `url`."""

    DIGEST_LIMIT = 1
    IS_REPEATABLE = True
    WAY = "check the connection to PagerDuty: DNS, firewall, proxy, CA file"

    @property
    def url(self) -> str:
        """Return the URL of the Events API. Europe has its own."""
        return str(self.settings.get("url") or URL)

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts."""
        return alerts[:1]

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the event."""
        alert = alerts[0]
        if _is_well(alert):
            return self._event("resolve", alert)
        # PagerDuty shows all fields as text.
        headline, fields = wording.single(alert, self.configuration, now, lambda text: len(text) <= SUMMARY_LIMIT)
        details = {field.label: _cut(field.value, DETAIL_LIMIT) for field in fields}
        details.update({"Message": headline, "id": alert["id"]})
        if dropped:
            details["Dropped"] = wording.dropped(dropped, self.configuration.say)
        payload = {
            "summary": _cut(wording.text(alert, self.configuration, now), SUMMARY_LIMIT),
            "source": wording.server_name(alert, self.configuration) or "unknown",
            "severity": severity(alert),
            "timestamp": datetime.fromtimestamp(alert["time"], timezone.utc).isoformat(timespec="milliseconds"),
            "component": alert["service"] or "ssh-login-notify",
            "class": alert["type"],
            "custom_details": details,
        }
        links = [{"href": url, "text": title} for title, url in wording.links(alert, self.configuration)]
        return self._event("trigger", alert, payload=payload, client="ssh-login-notify", links=links)

    def _event(self, action: str, alert: "Alert", **more: "Any") -> bytes:
        event = {"routing_key": self.settings["key"], "event_action": action, "dedup_key": dedup_key(alert)}
        return json.dumps(dict(event, **more)).encode("ascii")

    def send(self, message: bytes, alerts: "List[Alert]") -> "Answer":
        """Send an event. A test is resolved at once, so that it leaves no incident behind."""
        answer = super().send(message, alerts)
        if alerts[0]["about"] == TEST and self.read(answer).kind == DELIVERED:
            try:
                super().send(self._event("resolve", alerts[0]), alerts)
            except TransportError:
                pass  # the test was triggered, and that is its purpose
        return answer

    def read(self, answer: "Answer") -> Verdict:
        """Return what PagerDuty's answer means."""
        kind = _meaning(answer)
        return verdict(kind, MENDS.get(kind, ""), answer)


def _meaning(answer: "Answer") -> str:
    document = parsed(answer)
    if answer.status == 202 and document.get("status") == "success":
        return DELIVERED
    if answer.status == 429:
        return LIMITED
    if answer.status in (400, 403) and isinstance(document.get("status"), str):
        said = json.dumps([document.get("message"), document.get("errors")]).lower()
        if answer.status == 403 or any(words in said for words in KEY_WORDS):
            return CLOSED
        if document["status"] == INVALID:
            return REFUSED
    return UNSURE if 200 <= answer.status < 300 and not is_page(answer.text) else FAILED


def _is_well(alert: "Alert") -> bool:
    """Return whether an alert reports that nothing is wrong with the notifier itself any more."""
    return alert["about"] in (SELF_CHECK, HEARTBEAT) and not alert["notes"]


def severity(alert: "Alert") -> str:
    """Return the severity of an alert.

    It is that of the heaviest weight, `error` for problems of the notifier, and `info` for light logins and the rest.
    """
    if alert["about"] in (SELF_CHECK, HEARTBEAT):
        return ERROR
    found = {SEVERITIES[weight] for weight in alert.get("weights", ())}
    return next((level for level in (CRITICAL, ERROR, WARNING) if level in found), INFO)


def dedup_key(alert: "Alert") -> str:
    """Return the key of the PagerDuty alert that an alert belongs to."""
    if alert["about"] in (SELF_CHECK, HEARTBEAT):
        return _cut(PROBLEM_KEY + alert["host"], DEDUP_KEY_LIMIT)
    return str(alert["follows"] if alert["about"] == REPEATS and alert["follows"] else alert["id"])


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + CUT
