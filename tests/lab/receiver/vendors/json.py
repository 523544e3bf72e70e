# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A custom receiver by the rules of Standard Webhooks 1.0.0, for documents of docs/schema/ and lists of events.

A path that begins with /signed accepts only requests that KEY has signed in the last five minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from base64 import b64decode, b64encode
from typing import Any, Mapping

from ..looks import FIELD, LINE, NOTE, TITLE, Part, inspect, shown
from ..verdict import Answer, Verdict, check_encoding

# A false secret.
KEY = "whsec_" + b64encode(b"not-a-real-secret, 32 bytes long").decode()
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
OLDEST_SECONDS = 300
SAYS = {"refused": 422, "closed": 410, "limited": 429, "broken": 503}


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as a careful receiver does."""
    verdict = Verdict(204, "")
    if method != "POST":
        verdict.findings.add("request", "must be POST")
        verdict.refuse(405, "")
    check_encoding(headers, verdict.findings)
    if not ID.fullmatch(headers.get("webhook-id", "")):
        verdict.findings.add("webhook-id", "is missing, or holds a full stop")
    if path.startswith("/signed") and not is_genuine(headers, body):
        verdict.refuse(401, "not signed by the key")
    try:
        verdict.payload = json.loads(body.decode("utf-8"))
        _show(verdict, [_entry(one) for one in _alerts(verdict.payload)])
    except (ValueError, LookupError, TypeError) as error:
        verdict.findings.add("payload", f"is no document: {error!r}")
    if verdict.findings.problems:
        verdict.refuse(422, "")
    return verdict


def is_genuine(headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether KEY has signed a request in the last five minutes."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > OLDEST_SECONDS:
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    digest = hmac.new(b64decode(KEY.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    expected = "v1," + b64encode(digest).decode()
    return any(hmac.compare_digest(found, expected) for found in headers.get("webhook-signature", "").split())


def _alerts(payload: Any) -> list[Any]:
    alerts = payload["alerts"] if isinstance(payload, dict) else payload
    if not isinstance(alerts, list) or not alerts:
        raise ValueError("no list of alerts")
    return alerts


def _entry(alert: dict[str, Any]) -> dict[str, Any]:
    """Return the notifier's own entry: the alert, or the part of an ECS or OCSF event that holds it."""
    if "ecs" in alert:
        return alert["loginwatch"]
    return alert["unmapped"] if "class_uid" in alert else alert


def _show(verdict: Verdict, entries: list[dict[str, Any]]) -> None:
    first = entries[0]
    if len(entries) > 1:
        title = f"{len(entries)} alerts of {first['host']['name']}"
        parts = [Part(TITLE, title), *(Part(LINE, f"{entry['text']} · id {entry['id']}") for entry in entries)]
    else:
        source = first["source"]
        origin = f"{source['address']} port {source['port']}" if source["port"] else source["address"]
        fields = {"Note": "; ".join(first["notes"]), "Type": first["type"], "Time": first["time"]}
        if first["about"] in ("login", "repeats"):
            fields["From"] = origin
        parts = [Part(TITLE, first["headline"]), Part(NOTE, f"id {first['id']}")]
        parts += [Part(FIELD, value, label) for label, value in fields.items() if value]
    for part in parts:
        inspect(part.text, part.label or part.role, verdict.findings)
    verdict.shown = shown(parts, text=first["text"])


def answer(how: str, seconds: int) -> Answer:
    """Return a status without words."""
    return Answer(SAYS[how], "", (("Retry-After", str(seconds)),) if how == "limited" else ())
