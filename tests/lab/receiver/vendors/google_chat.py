# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Google Chat's incoming webhooks.

Source: "Cards v2" and "Format messages" (developers.google.com/workspace/chat), "Build a Google Chat app as a webhook",
and Google's "Errors" (cloud.google.com/apis/design).
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping
from urllib.parse import parse_qs, urlsplit

from ..looks import BUTTON, FIELD, TITLE, Part, conform, https, inspect, line_or_note, one_of, shown, text
from ..mrkdwn import Findings
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

PATH = re.compile(r"/v1/spaces/[A-Za-z0-9_-]+/messages")
MOST_BYTES = 32_000
MOST_WIDGETS = 100
WIDGETS: dict[str, Any] = {
    "textParagraph": {"text": text()},
    "decoratedText": {"topLabel?": text(), "text": text(), "wrapText?": one_of(True, False)},
    "buttonList": {"buttons": [{"text": text(), "onClick": {"openLink": {"url": https}}}]},
}
WIDGET = {f"{name}?": shape for name, shape in WIDGETS.items()}
MESSAGE = {"fallbackText?": text(), "cardsV2": [{"cardId": text(), "card": {"sections": [{"widgets": [WIDGET]}]}}]}
# The HTML of a card. Google Chat renders or drops everything else.
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
HTML = re.compile(
    r"(?P<entity>&(?:amp|lt|gt);)|(?P<mention><users/[^>]+>)|<a href=\"(?P<link>[^\"]*)\">|(?P<tag><[^>]*>?|[&>])"
)
SAYS = {
    "refused": (400, "INVALID_ARGUMENT", "Invalid JSON payload received."),
    "closed": (404, "NOT_FOUND", "Space not found."),
    "limited": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "broken": (503, "UNAVAILABLE", "The service is currently unavailable."),
}
UNSIGNED = (401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
EMPTY = (400, "INVALID_ARGUMENT", "Message cannot be empty.")


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Google Chat would."""
    verdict = Verdict(200, json.dumps({"name": "spaces/AAAA/messages/BBBB.BBBB"}), JSON_ANSWER)
    url = urlsplit(path)
    query = parse_qs(url.query)
    if method != "POST" or not PATH.fullmatch(url.path):
        verdict.findings.add("request", "must be POST to /v1/spaces/…/messages")
        _refuse(verdict, *SAYS["closed"])
    elif not (query.get("key") and query.get("token")):
        verdict.findings.add("request", "no key or no token")
        _refuse(verdict, *UNSIGNED)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload == {}:
        _refuse(verdict, *EMPTY)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict)
    if verdict.findings.problems:
        _refuse(verdict, *SAYS["refused"])
    return verdict


def _show(verdict: Verdict) -> None:
    findings, parts = verdict.findings, []
    for entry in verdict.payload["cardsV2"]:
        size = len(json.dumps(entry["card"]))
        widgets = [widget for section in entry["card"]["sections"] for widget in section["widgets"]]
        if size > MOST_BYTES or len(widgets) > MOST_WIDGETS:
            findings.add("card", f"{size} bytes, {len(widgets)} widgets: at most {MOST_BYTES} and {MOST_WIDGETS}")
        for widget in widgets:
            if len(widget) != 1:
                findings.add("widget", "must be of one kind")
                continue
            ((kind, content),) = widget.items()
            parts += _parts(kind, content, findings)
    inspect(verdict.payload.get("fallbackText", ""), "fallbackText", findings)
    verdict.shown = shown(parts, text=verdict.payload.get("fallbackText"))


def _parts(kind: str, content: dict[str, Any], findings: Findings) -> list[Part]:
    if kind == "buttonList":
        links = [(button["text"], button["onClick"]["openLink"]["url"]) for button in content["buttons"]]
        findings.links += [url for _, url in links]
        return [Part(BUTTON, label, url=url) for label, url in links]
    if kind == "decoratedText":
        return [Part(FIELD, visible(content["text"], findings), content.get("topLabel", ""))]
    bold = re.fullmatch(r"<b>(.*)</b>", content["text"])
    return [Part(TITLE, visible(bold[1], findings)) if bold else line_or_note(visible(content["text"], findings))]


def visible(html: str, findings: Findings) -> str:
    """Return what a person sees of a card's text."""

    def of(match: re.Match[str]) -> str:
        if match["entity"]:
            return ENTITIES[match["entity"]]
        if match["mention"]:
            findings.mentions.append(match["mention"])
        elif match["link"]:
            findings.links.append(match["link"])
        else:
            findings.add("text", f"{match.group()!r} is not escaped in {html[:80]!r}")
        return match.group()

    seen = HTML.sub(of, html)
    inspect(seen, "text", findings)
    return seen


def _refuse(verdict: Verdict, code: int, status: str, message: str) -> None:
    verdict.refuse(code, _error(code, status, message), JSON_ANSWER)


def _error(code: int, status: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message, "status": status}})


def answer(how: str, seconds: int) -> Answer:
    """Return Google's answer, which requests no pause."""
    code, status, message = SAYS[how]
    return Answer(code, _error(code, status, message), JSON_ANSWER)
