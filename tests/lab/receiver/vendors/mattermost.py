# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mattermost's incoming webhooks (`/hooks/KEY`), and Rocket.Chat's (`/hooks/ID/TOKEN`).

Source: "Message attachments" and "Incoming webhooks" (developers.mattermost.com); Mattermost's
server/channels/app/webhook.go and slack.go (which turns Slack's `<!channel>` into `@channel` everywhere, also in code);
Rocket.Chat's apps/meteor/app/integrations; CommonMark 0.31, 6.1 (code spans).
"""

from __future__ import annotations

import json
import re
from typing import Mapping

from ..looks import BUTTON, FIELD, NOTE, TITLE, Part, conform, inspect, line_or_note, one_of, shown, text
from ..mrkdwn import Findings
from ..verdict import JSON_ANSWER, Answer, Verdict, check_encoding, json_object

PATH = re.compile(r"/hooks/[A-Za-z0-9_-]+(?P<rocket>/[A-Za-z0-9_-]+)?")
MOST = 7900
FIELDS = [{"title": text(), "value": text(), "short?": one_of(True, False)}]
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
ATTACHMENT = {
    "fallback": text(), "text": text(), "fields?": FIELDS,
    "color?": lambda value: None if COLOUR.fullmatch(str(value)) else "must be #RRGGBB",
}  # fmt: skip
MESSAGE = {"attachments": [ATTACHMENT]}
CODE = r"(?<!`)(?P<fence>`+)(?!`)(?P<code>.+?)(?<!`)(?P=fence)(?!`)"
LABELLED = r"\[(?P<label>[^\]]+)\]\((?P<url>https?://[^)\s]+)\)"
MARKDOWN = re.compile(
    rf"{CODE}|{LABELLED}|(?P<link>https?://\S+|www\.\S+)|(?P<mention>@\w+)|(?P<markup>[\\*_~`#|<>\[\]:])"
)
SLACKS = re.compile(r"<[!@][^>]+>")
# Invisible in a text.
JOINER = "\u2060"
SAYS = {
    "refused": (400, "web.incoming_webhook.parse.app_error", "Unable to parse incoming data."),
    "closed": (400, "web.incoming_webhook.invalid.app_error", "Invalid webhook."),
    "limited": (429, "", "limit exceeded"),
    "broken": (500, "store.sql_post.save.app_error", "Unable to save the Post."),
}
EMPTY = ("web.incoming_webhook.text.app_error", "No text specified.")


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Mattermost or Rocket.Chat does."""
    found = PATH.fullmatch(path)
    is_rocket = bool(found and found["rocket"])
    verdict = Verdict(200, '{"success":true}', JSON_ANSWER) if is_rocket else Verdict(200, "ok")
    if method != "POST" or not found:
        verdict.findings.add("request", "must be POST to /hooks/KEY")
        verdict.refuse(404, _error(404, "api.context.404.app_error", "Sorry, we could not find the page."), JSON_ANSWER)
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if verdict.payload == {}:
        verdict.refuse(400, _error(400, *EMPTY), JSON_ANSWER)
    if verdict.payload is not None and conform(verdict.payload, MESSAGE, "", verdict.findings):
        _show(verdict, body.decode())
    if verdict.findings.problems:
        verdict.refuse(400, _error(400, *SAYS["refused"][1:]), JSON_ANSWER)
    return verdict


def _show(verdict: Verdict, body: str) -> None:
    findings, parts, colour = verdict.findings, [], None
    if len(body) > MOST:
        findings.add("attachments", f"{len(body)} characters: some versions take {MOST}")
    findings.mentions += SLACKS.findall(body)
    for attachment in verdict.payload["attachments"]:
        colour = attachment.get("color")
        for number, paragraph in enumerate(attachment["text"].split("\n\n")):
            bold = re.fullmatch(r"\*\*(.*)\*\*", paragraph) if number == 0 else None
            seen, links = visible(bold[1] if bold else paragraph, findings)
            parts += [Part(BUTTON, label, url=url) for label, url in links]
            if not links:
                parts.append(Part(TITLE, seen) if bold else line_or_note(seen))
        for field in attachment.get("fields", []):
            seen = visible(field["value"], findings)[0]
            is_id = field["title"] == "id"
            parts.append(Part(NOTE, f"id {seen}") if is_id else Part(FIELD, seen, visible(field["title"], findings)[0]))
        inspect(attachment["fallback"], "fallback", findings)
    verdict.shown = shown(parts, text=verdict.payload["attachments"][0]["fallback"], colour=colour)


def visible(markdown: str, findings: Findings) -> tuple[str, list[tuple[str, str]]]:
    """Return what a person sees of a text, and its labelled links."""
    links: list[tuple[str, str]] = []

    def of(match: re.Match[str]) -> str:
        if match["code"]:
            return _code(match["code"])
        if match["url"]:
            links.append((match["label"], match["url"]))
            findings.links.append(match["url"])
            return match["label"]
        if match["mention"]:
            findings.mentions.append(match.group())
        elif match["link"]:
            findings.links.append(match.group())
        else:
            findings.add("text", f"{match.group()!r} is markup in {markdown[:80]!r}")
        return match.group()

    seen = MARKDOWN.sub(of, markdown).replace(JOINER, "")
    inspect(seen, "text", findings)
    return seen, links


def _code(content: str) -> str:
    is_padded = content[0] == content[-1] == " " and content.strip(" ")
    return content[1:-1] if is_padded else content


def _error(status: int, identifier: str, message: str) -> str:
    return json.dumps({"id": identifier, "message": message, "status_code": status})


def answer(how: str, seconds: int) -> Answer:
    """Return Mattermost's answer. A limit is plain text with headers (throttled/throttled)."""
    status, *words = SAYS[how]
    if how == "limited":
        return Answer(status, words[1], (("Retry-After", str(seconds)), ("X-RateLimit-Remaining", "0")))
    return Answer(status, _error(status, *words), JSON_ANSWER)
