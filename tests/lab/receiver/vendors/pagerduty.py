# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PagerDuty's Events API v2, reduced to `enqueue`.

Source: developer.pagerduty.com, "Send an Alert Event"; PagerDuty/api-schema, reference/events-v2/openapiv3.json.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from ..looks import FIELD, NOTE, TITLE, Part, conform, https, inspect, one_of, shown, text
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

LARGEST = 512_000
KEY = re.compile(r"[A-Za-z0-9]{32}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


def _details(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


EVENT = {
    "routing_key": text(32, least=32), "event_action": one_of("trigger", "acknowledge", "resolve"),
    "dedup_key": text(255), "client?": text(), "client_url?": https, "links?": [{"href": https, "text?": text()}],
    "payload?": {
        "summary": text(1024), "source": text(), "severity": one_of("critical", "error", "warning", "info"),
        "timestamp?": lambda value: None if TIME.fullmatch(str(value)) else "is no time", "component?": text(),
        "group?": text(), "class?": text(), "custom_details?": _details,
    },
}  # fmt: skip
SAYS = {
    "refused": (400, "invalid event", ["'payload.severity' is invalid"]),
    "closed": (400, "invalid event", ["Invalid routing key"]),
    "broken": (500, "internal error", []),
}


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as PagerDuty does."""
    verdict = Verdict(202, headers=JSON_ANSWER)
    if method != "POST" or path != "/v2/enqueue":
        verdict.findings.add("request", "must be POST to /v2/enqueue")
        verdict.refuse(404, "")
    if len(body) > LARGEST:
        verdict.findings.add("request", f"{len(body)} bytes: at most {LARGEST}")
        verdict.refuse(413, "")
    check_encoding(headers, verdict.findings)
    event = verdict.payload = json_object(body, verdict.findings)
    if event is not None and conform(event, EVENT, "", verdict.findings):
        if not KEY.fullmatch(event["routing_key"]):
            verdict.findings.add("routing_key", "cannot contain non-alphanumeric characters")
        if event["event_action"] == "trigger" and "payload" not in event:
            verdict.findings.add("payload", "is missing")
        verdict.answer = json.dumps(
            {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        )
        _show(verdict)
    if verdict.findings.problems:
        verdict.refuse(400, _error("invalid event", verdict.findings.problems), JSON_ANSWER)
    return verdict


def _show(verdict: Verdict) -> None:
    event = verdict.payload
    payload = event.get("payload", {"summary": f"{event['event_action']} {event['dedup_key']}"})
    details = dict(payload.get("custom_details", {}))
    parts = [Part(TITLE, details.pop("Message", payload["summary"]))]
    if "id" in details:
        parts.append(Part(NOTE, f"id {details.pop('id')}"))
    parts += [Part(FIELD, str(value), label) for label, value in details.items()]
    for part in parts:
        inspect(part.text, part.label or part.role, verdict.findings)
    verdict.findings.links += [link["href"] for link in event.get("links", [])]
    verdict.shown = shown(parts, text=payload["summary"])


def _error(status: str, errors: list[str]) -> str:
    return json.dumps({"status": status, "message": "Event object is invalid", "errors": errors})


def answer(how: str, seconds: int) -> Answer:
    """Return PagerDuty's answer."""
    if how == "limited":
        return Answer(429, "", (("Retry-After", str(seconds)),))
    status, words, errors = SAYS[how]
    return Answer(status, _error(words, errors), JSON_ANSWER)
