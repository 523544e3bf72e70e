# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Microsoft Teams' workflows with the trigger "When a Teams webhook request is received".

Source: Adaptive Cards' schema (adaptivecards.io/explorer) and "Text features" (learn.microsoft.com/adaptive-cards), of
which only the elements that an alert can need are accepted; "Limits and specifications for Microsoft Teams" (28 KB);
Azure Logic Apps' answers to a request trigger.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Mapping
from urllib.parse import parse_qs, urlsplit

from ..looks import BUTTON, FIELD, NOTE, TITLE, Part, conform, https, inspect, line_or_note, one_of, shown, text
from ..mrkdwn import Findings
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

PATH = re.compile(r"/.*(?:triggers|workflows)/.+/(?:invoke|run)")
MOST_BYTES = 28 * 1024
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
COLOURS = {"Default": "#242424", "Warning": "#9a6a00", "Attention": "#c4314b", "Good": "#237b4b", "Accent": "#6264a7"}
CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
SPACING = one_of("None", "Small", "Default", "Medium", "Large", "ExtraLarge", "Padding")
RUN = {
    "type": one_of("TextRun"), "text": text(), "weight?": one_of("Lighter", "Default", "Bolder"),
    "size?": one_of("Small", "Default", "Medium", "Large", "ExtraLarge"), "color?": one_of(*COLOURS),
    "isSubtle?": one_of(True, False),
}  # fmt: skip
COMMON = {"separator?": one_of(True, False), "spacing?": SPACING}
RICH_TEXT = {"type": one_of("RichTextBlock"), "inlines": [RUN], **COMMON}
COLUMN = {"type": one_of("Column"), "width": text(), "items": [RICH_TEXT]}
COLUMN_SET = {"type": one_of("ColumnSet"), "columns": [COLUMN], **COMMON}
ELEMENTS = {"RichTextBlock": RICH_TEXT, "ColumnSet": COLUMN_SET}
ACTION = {"type": one_of("Action.OpenUrl"), "title": text(), "url": https}
CARD = {
    "$schema?": text(), "type": one_of("AdaptiveCard"), "version": one_of(*VERSIONS), "fallbackText?": text(),
    "body": lambda body: None if isinstance(body, list) and body else "must be a list of at least one element",
    "actions?": [ACTION], "msteams?": {"width?": one_of("Full")},
}  # fmt: skip
MESSAGE = {"type": one_of("message"), "attachments": [{"contentType": one_of(CONTENT_TYPE), "content": CARD}]}
DATE = re.compile(
    r"\{\{(?:DATE|TIME)\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))(?:, ?(?:COMPACT|LONG|SHORT))?\)\}\}"
)
MENTION = re.compile(r"<at>.*?</at>")
SAYS = {
    "refused": (400, "TriggerInputSchemaMismatch", "The input body for trigger 'manual' does not match its schema."),
    "closed": (400, "WorkflowTriggerIsNotEnabled", "Could not execute workflow trigger 'manual': state 'Disabled'."),
    "limited": (429, "TooManyRequests", "Rate limit is exceeded."),
    "broken": (502, "NoResponse", "The server did not receive a response from an upstream server."),
}
UNSIGNED = ("DirectApiAuthorizationRequired", "The request must be authenticated only by OAuth scheme.")


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as the service and the flow that it starts do."""
    verdict = Verdict(202, "")
    url = urlsplit(path)
    if method != "POST" or not PATH.fullmatch(url.path):
        verdict.findings.add("request", "must be POST to /…/triggers/…/invoke")
        verdict.refuse(404, _error("WorkflowNotFound", "The workflow could not be found."), JSON_ANSWER)
    elif not parse_qs(url.query).get("sig"):
        verdict.findings.add("request", "no signature")
        verdict.refuse(401, _error(*UNSIGNED), JSON_ANSWER)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict, body)
    if verdict.findings.problems:
        _status, *words = SAYS["refused"]
        verdict.refuse(400, _error(*words), JSON_ANSWER)
    return verdict


def _show(verdict: Verdict, body: bytes) -> None:
    findings, parts, colour = verdict.findings, [], None
    if len(body) > MOST_BYTES:
        findings.add("payload", f"{len(body)} bytes: the flow fails above {MOST_BYTES}")
    for attachment in verdict.payload["attachments"]:
        card = attachment["content"]
        for number, element in enumerate(card["body"]):
            kind = element.get("type") if isinstance(element, dict) else None
            if kind not in ELEMENTS:
                findings.add(f"body[{number}]", f"{kind} is read as Markdown, or is unknown here")
            elif conform(element, ELEMENTS[kind], f"body[{number}]", findings):
                parts.append(_part(element, number, findings))
                colour = colour or COLOURS.get(element.get("inlines", [{}])[0].get("color"))
        parts += [Part(BUTTON, action["title"], url=action["url"]) for action in card.get("actions", [])]
        findings.links += [action["url"] for action in card.get("actions", [])]
    if verdict.payload["attachments"] and not any(part.role == TITLE for part in parts):
        findings.add("body", "has no title")
    fallback = next((found["content"].get("fallbackText") for found in verdict.payload["attachments"]), None)
    verdict.shown = shown(parts, text=fallback, colour=colour)


def _part(element: dict[str, Any], number: int, findings: Findings) -> Part:
    if element["type"] == "ColumnSet":
        label, value = (visible(column["items"][0], findings) for column in element["columns"])
        return Part(FIELD, value[0], label[0], local=value[1])
    seen = visible(element, findings)[0]
    is_title = number == 0 and element["inlines"][0].get("weight") == "Bolder"
    if is_title:
        return Part(TITLE, seen)
    return Part(NOTE, seen) if element["inlines"][0].get("isSubtle") else line_or_note(seen)


def visible(block: dict[str, Any], findings: Findings) -> tuple[str, float | None]:
    """Return what a person sees of a RichTextBlock, and the time that each reader sees in their own zone."""
    seen, local = "", None
    for run in block["inlines"]:
        times = DATE.findall(run["text"])
        if times and run.get("isSubtle") and not DATE.sub("", run["text"]).strip(" ·"):
            local = datetime.fromisoformat(times[0].replace("Z", "+00:00")).timestamp()
            continue
        if times:
            findings.add("TextRun", f"{run['text'][:80]!r}: Teams replaces the time in it")
        seen += run["text"]
    inspect(seen, "TextRun", findings)
    return seen, local


def _error(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


def answer(how: str, seconds: int) -> Answer:
    """Return the service's answer."""
    status, *words = SAYS[how]
    pause = (("Retry-After", str(seconds)),) if how == "limited" else ()
    return Answer(status, _error(*words), (*JSON_ANSWER, *pause))
