# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ntfy's server, reduced to publishing as JSON.

Source: docs.ntfy.sh/publish ("Publish as JSON", "Limitations", "Action buttons") and ntfy's server/errors.go.
"""

from __future__ import annotations

import json
import re
from typing import Mapping

from ..looks import BUTTON, FIELD, TITLE, Part, conform, https, inspect, line_or_note, one_of, shown, text, whole
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

MOST_BYTES = 4096
MOST_ACTIONS = 3
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
MESSAGE = {
    "topic": lambda value: None if TOPIC.fullmatch(str(value)) else "must be a topic",
    "title?": text(), "message": text(), "priority?": whole(1, 5), "tags?": [text()], "click?": https,
    "actions?": [{"action": one_of("view"), "label": text(), "url": https}],
}  # fmt: skip
LABELLED = re.compile(r"([^\W\d][\w ]*): (.*)")
LINK = re.compile(r"(?:https?|mailto):(?://)?[^\s\u2060]+", re.IGNORECASE)
# Invisible in a text.
JOINER = "\u2060"
COLOURS = {1: "#999999", 2: "#999999", 3: "#338574", 4: "#b76500", 5: "#c30000"}
SAYS = {
    "refused": (400, 40017, "invalid request: request body must be message JSON"),
    "closed": (403, 40301, "forbidden"),
    "limited": (429, 42901, "limit reached: too many requests, please be nice"),
    "broken": (500, 50001, "internal server error"),
}
WRONG_TOPIC = (400, 40009, "invalid request: topic invalid")
UNKNOWN_TOKEN = (401, 40101, "unauthorized")


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as ntfy does."""
    verdict = Verdict(200, json.dumps({"id": "hwQ2YpKdmg", "event": "message"}), JSON_ANSWER)
    if method != "POST" or path != "/":
        verdict.findings.add("request", "must be POST to the server's root")
        _refuse(verdict, 404, 40401, "page not found")
    if not re.fullmatch(r"Bearer [!-~]+", headers.get("authorization", "Bearer tk")):
        verdict.findings.add("request", "Authorization: must be Bearer and a token")
        _refuse(verdict, *UNKNOWN_TOKEN)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload is not None and not TOPIC.fullmatch(str(verdict.payload.get("topic", ""))):
        _refuse(verdict, *WRONG_TOPIC)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict)
    if verdict.findings.problems:
        _refuse(verdict, *SAYS["refused"])
    return verdict


def _show(verdict: Verdict) -> None:
    message, findings = verdict.payload, verdict.findings
    if len(message["message"].encode()) > MOST_BYTES:
        findings.add("message", f"{len(message['message'].encode())} bytes: above {MOST_BYTES} it is an attachment")
    if len(message.get("actions", [])) > MOST_ACTIONS:
        findings.add("actions", f"at most {MOST_ACTIONS}")
    for where in ("title", "message"):
        findings.links += LINK.findall(message.get(where, ""))
        inspect(message.get(where, ""), where, findings)
    parts = [Part(TITLE, _seen(message["title"]))] if "title" in message else []
    lines = [_seen(line) for line in message["message"].split("\n")]
    # A digest's lines have labels too, but only the message of a single alert ends in a bare id.
    is_single = lines[-1].startswith("id ")
    for line in lines:
        labelled = LABELLED.fullmatch(line) if is_single else None
        parts.append(Part(FIELD, labelled[2], labelled[1]) if labelled else line_or_note(line))
    for action in message.get("actions", []):
        findings.links.append(action["url"])
        parts.append(Part(BUTTON, action["label"], url=action["url"]))
    verdict.shown = shown(parts, text=_seen(message["message"]), colour=COLOURS[message.get("priority", 3)])


def _seen(line: str) -> str:
    return line.replace(JOINER, "")


def _refuse(verdict: Verdict, status: int, code: int, message: str) -> None:
    verdict.refuse(status, _error(status, code, message), JSON_ANSWER)


def _error(status: int, code: int, message: str) -> str:
    return json.dumps({"code": code, "http": status, "error": message})


def answer(how: str, seconds: int) -> Answer:
    """Return ntfy's answer, which requests no pause."""
    status, code, message = SAYS[how]
    return Answer(status, _error(status, code, message), JSON_ANSWER)
