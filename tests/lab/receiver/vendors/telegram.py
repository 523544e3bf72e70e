# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Telegram's Bot API, reduced to `sendMessage`.

Source: core.telegram.org/bots/api: "Making requests", "sendMessage", "MessageEntity", "ResponseParameters". Clients
turn parts of a text into links by TDLib's td/telegram/MessageEntity.cpp (find_entities), but nothing within `code`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from ..looks import (
    BUTTON,
    FIELD,
    NOTE,
    TITLE,
    Part,
    conform,
    https,
    inspect,
    line_or_note,
    one_of,
    shown,
    text,
    utf16,
    whole,
)
from ..mrkdwn import Findings
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

PATH = re.compile(r"/bot\d+:[A-Za-z0-9_-]+/sendMessage")
MOST = 4096
MOST_ENTITIES = 100
ENTITY = {
    "type": one_of("bold", "italic", "code", "text_link"), "offset": whole(0, MOST), "length": whole(1, MOST),
    "url?": https,
}  # fmt: skip
MESSAGE = {
    "chat_id": lambda value: None if type(value) is int or re.fullmatch(r"@\w{4,32}|-?\d+", str(value)) else "no chat",
    "text": text(), "entities": [ENTITY], "link_preview_options": {"is_disabled": one_of(True)},
    "message_thread_id?": whole(1, 2**31),
}  # fmt: skip
MENTION = re.compile(r"@\w{3,}|#\w+|(?<!\w)/[A-Za-z]\w*|\$[A-Z]{3,}")
LINK = re.compile(r"[a-z]+://\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:[A-Za-z]{2,})\b|\b\S+@\S+\.\w+|\+?\d{9,}", re.IGNORECASE)
SAYS = {
    "refused": (400, "Bad Request: can't parse entities"),
    "closed": (400, "Bad Request: chat not found"),
    "limited": (429, "Too Many Requests: retry after {}"),
    "broken": (502, "Bad Gateway"),
}


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Telegram does."""
    verdict = Verdict(200, json.dumps({"ok": True, "result": {"message_id": 1}}), JSON_ANSWER)
    if method != "POST" or not PATH.fullmatch(path):
        verdict.findings.add("request", "must be POST to /botTOKEN/sendMessage")
        verdict.refuse(404, _error(404, "Not Found"), JSON_ANSWER)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload is not None and not verdict.payload.get("text"):
        verdict.refuse(400, _error(400, "Bad Request: message text is empty"), JSON_ANSWER)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict)
    if verdict.findings.problems:
        verdict.refuse(400, _error(400, SAYS["refused"][1]), JSON_ANSWER)
    return verdict


def _show(verdict: Verdict) -> None:
    whole_text, entities, findings = verdict.payload["text"], verdict.payload["entities"], verdict.findings
    if utf16(whole_text) > MOST or len(entities) > MOST_ENTITIES:
        findings.add("text", f"{utf16(whole_text)} characters, {len(entities)} entities: too many")
    inspect(whole_text, "text", findings)
    raw = whole_text.encode("utf-16-le", "surrogatepass")
    parts: list[Part] = []
    end, label = 0, ""
    for entity in entities:
        start, stop = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        if start < end or stop > len(raw):
            findings.add("entities", "overlap, or are beyond the text")
        _find(raw[end:start].decode("utf-16-le", "replace"), findings)
        seen, end = raw[start:stop].decode("utf-16-le", "replace"), stop
        if entity["type"] == "bold":
            label = seen
            _find(seen, findings)
        elif entity["type"] == "text_link":
            parts.append(Part(BUTTON, seen, url=entity["url"]))
            findings.links.append(entity["url"])
        elif entity["type"] == "italic":
            parts.append(Part(NOTE, seen))
            _find(seen, findings)
        elif label:
            parts.append(Part(FIELD, seen, label))
            label = ""
        else:
            parts.append(line_or_note(seen) if parts else Part(TITLE, seen))
    _find(raw[end:].decode("utf-16-le", "replace"), findings)
    verdict.shown = shown(parts, text=whole_text)


def _find(uncovered: str, findings: Findings) -> None:
    """Add the mentions and links that clients find in a text outside `code`."""
    findings.mentions += MENTION.findall(uncovered)
    findings.links += LINK.findall(uncovered)


def _error(code: int, description: str, **parameters: Any) -> str:
    more = {"parameters": parameters} if parameters else {}
    return json.dumps({"ok": False, "error_code": code, "description": description, **more})


def answer(how: str, seconds: int) -> Answer:
    """Return Telegram's answer, with the pause in its body."""
    status, description = SAYS[how]
    parameters = {"retry_after": seconds} if how == "limited" else {}
    return Answer(status, _error(status, description.format(seconds), **parameters), JSON_ANSWER)
