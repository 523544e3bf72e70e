# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Discord's webhooks.

Source: Discord's documentation, "Webhook Resource" (Execute Webhook), "Message Resource" (Embed Limits, Allowed
Mentions Object), "Opcodes and Status Codes", "Rate Limits", "Reference" (Message Formatting).
"""

from __future__ import annotations

import json
import re
from typing import Mapping
from urllib.parse import parse_qs, urlsplit

from ..looks import BUTTON, FIELD, NOTE, TITLE, Part, conform, inspect, line_or_note, one_of, shown, text, utf16, whole
from ..mrkdwn import Findings
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

PATH = re.compile(r"/api(?:/v\d+)?/webhooks/\d+/[A-Za-z0-9_-]+")
MOST_TOGETHER = 6000
MOST_FIELDS = 25
EMBED = {
    "title?": text(256, size=utf16), "description?": text(4096, size=utf16), "color?": whole(0, 0xFFFFFF),
    "fields?": [{"name": text(256, size=utf16), "value": text(1024, size=utf16), "inline?": one_of(True, False)}],
    "footer?": {"text": text(2048, size=utf16)}, "timestamp?": text(),
}  # fmt: skip
MESSAGE = {"embeds": [EMBED], "allowed_mentions": {"parse": one_of([])}, "flags?": whole(0, 1 << 16)}
# Discord's Markdown, in the order in which it is matched: first what is shown as itself, then what has an effect.
ESCAPED = r"\\(?P<escaped>[^0-9A-Za-z\s])"
LOCAL = r"<t:(?P<local>-?\d+)(?::[tTdDfFR])?>"
MENTION = r"(?P<mention><@[!&]?\d+>|<#\d+>|</[^>]+:\d+>|<id:\w+>|@everyone|@here)"
LABELLED = r"\[(?P<label>(?:\\.|[^\]\\])+)\]\((?P<url>https?://[^)\s]+)\)"
LINK = r"(?P<link><?(?:https?|steam)://[^\s<]+|mailto:\S+)"
MARKUP = r"(?P<markup>[*_~`|]|<a?:\w+:\d+>|:\w+:|^(?:#{1,3} |-# |>{1,3} |[-+*] |\d+\. ))"
MARKDOWN = re.compile("|".join((ESCAPED, LOCAL, MENTION, LABELLED, LINK, MARKUP)), re.MULTILINE)
SAYS = {
    "refused": (400, {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": ["0"]}}),
    "closed": (404, {"message": "Unknown Webhook", "code": 10015}),
    "limited": (429, {"message": "You are being rate limited.", "global": False}),
    "broken": (502, {"message": "502: Bad Gateway", "code": 0}),
}
EMPTY = (400, {"message": "Cannot send an empty message", "code": 50006})


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Discord would."""
    url = urlsplit(path)
    waits = parse_qs(url.query).get("wait") == ["true"]
    done = {"id": "1400000000000000000", "type": 0, "channel_id": "1", "content": "", "embeds": []}
    verdict = Verdict(200, json.dumps(done), JSON_ANSWER) if waits else Verdict(204, "")
    if method != "POST" or not PATH.fullmatch(url.path):
        verdict.findings.add("request", "must be POST to /api/webhooks/ID/TOKEN")
        verdict.refuse(404, json.dumps({"message": "404: Not Found", "code": 0}), JSON_ANSWER)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload == {}:
        verdict.refuse(EMPTY[0], json.dumps(EMPTY[1]), JSON_ANSWER)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict)
    if verdict.findings.problems:
        status, words = SAYS["refused"]
        verdict.refuse(status, json.dumps(words), JSON_ANSWER)
    return verdict


def _show(verdict: Verdict) -> None:
    parts: list[Part] = []
    findings = verdict.findings
    if len(verdict.payload["embeds"]) > 10:
        findings.add("embeds", "at most 10")
    together = 0
    for embed in verdict.payload["embeds"]:
        fields = embed.get("fields", [])
        if len(fields) > MOST_FIELDS:
            findings.add("embeds.fields", f"{len(fields)}, at most {MOST_FIELDS}")
        texts = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
        together += sum(map(utf16, texts + [field[key] for field in fields for key in ("name", "value")]))
        parts += [Part(TITLE, visible(embed["title"], "title", findings)[0])] if "title" in embed else []
        parts += _description(embed.get("description", ""), findings)
        for field in fields:
            value, local, _ = visible(field["value"], field["name"], findings)
            parts.append(Part(FIELD, value, visible(field["name"], "name", findings)[0], local=local))
        if "footer" in embed:
            parts.append(Part(NOTE, embed["footer"]["text"]))
            inspect(embed["footer"]["text"], "footer", findings)
    if together > MOST_TOGETHER:
        findings.add("embeds", f"{together} characters together, at most {MOST_TOGETHER}")
    colour = verdict.payload["embeds"][0].get("color", 0) if verdict.payload["embeds"] else 0
    verdict.shown = shown(parts, colour=f"#{colour:06x}")


def _description(description: str, findings: Findings) -> list[Part]:
    parts = []
    for line in description.split("\n") if description else []:
        found, _local, links = visible(line, "description", findings)
        parts += [Part(BUTTON, label, url=url) for label, url in links] if links else [line_or_note(found)]
    return parts


def visible(markdown: str, where: str, findings: Findings) -> tuple[str, float | None, list[tuple[str, str]]]:
    """Return what a person sees of a text, the time that each reader sees in their own zone, and the labelled links."""
    seen, end, local, links = "", 0, None, []
    for match in MARKDOWN.finditer(markdown):
        seen += markdown[end : match.start()]
        end = match.end()
        if match["escaped"]:
            seen += match["escaped"]
        elif match["local"]:
            local = float(match["local"])
            seen = seen.removesuffix(" · ")
        elif match["url"]:
            label = visible(match["label"], where, findings)[0]
            links.append((label, match["url"]))
            findings.links.append(match["url"])
            seen += label
        else:
            seen += match.group()
            if match["mention"]:
                findings.mentions.append(match.group())
            elif match["link"]:
                findings.links.append(match.group())
            else:
                findings.add(where, f"{match.group()!r} is markup in {markdown[:80]!r}")
    seen += markdown[end:]
    inspect(seen, where, findings)
    return seen, local, links


def answer(how: str, seconds: int) -> Answer:
    """Return Discord's answer."""
    status, words = SAYS[how]
    if how != "limited":
        return Answer(status, json.dumps(words), JSON_ANSWER)
    pause = (("Retry-After", str(seconds)), ("X-RateLimit-Scope", "shared"))
    return Answer(status, json.dumps({**words, "retry_after": seconds}), (*JSON_ANSWER, *pause))
