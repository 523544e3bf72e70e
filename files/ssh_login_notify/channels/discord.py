# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discord's webhook: an alert as an embed, and what Discord's answers mean.

The limits are those of Discord's documentation ("Message Resource", section "Embed Limits"; "Webhook Resource", section
"Execute Webhook"), and so are the answers ("Opcodes and Status Codes", JSON error codes; "Rate Limits": the seconds are
in the body's `retry_after` as well as in the header). With `wait=true`, the answer says whether the message was stored.

Titles, descriptions and fields are Discord's Markdown ("Reference: Message Formatting" and the support page "Markdown
Text 101"), in which a backslash escapes a character. Nobody is mentioned: `allowed_mentions` permits none, and embeds
never notify. A footer is plain text. `<t:…>` is a time in the reader's own zone.
"""

import json
import re
from datetime import datetime, timezone

from .. import wording
from . import DELIVERED, Verdict, WebChannel, layout, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..alert import Alert
    from ..transport import Answer

# Limits in characters: of an embed's parts, and of all its parts together.
TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 4096
FIELD_NAME_LIMIT = 256
FIELD_LIMIT = 1024
EMBED_LIMIT = 6000
# The most fields in an embed.
FIELDS_LIMIT = 25
# Reserved for the title, the labels, the id, links and the sentence about dropped alerts.
BESIDE_CHARACTERS = 1500
# A value of at most this many characters shares its row with others.
INLINE_CHARACTERS = 40
# Characters of Discord's Markdown that have a meaning anywhere: formatting, spoilers, links, mentions, emoji, times.
MARKS = re.compile(r"([\\*_~`|\[\]<>@:#])")
# Those that have a meaning only at the beginning of a line: lists.
LIST = re.compile(r"^(\d*)([-+.)])")
NEW_WEBHOOK = "create a new webhook in Discord (channel settings, Integrations) and run the role again with its URL"
# Discord's permanent answers about the webhook, and what to do.
CLOSING = {
    "10003": "the webhook's channel was deleted; " + NEW_WEBHOOK,
    "10015": "the webhook was deleted; " + NEW_WEBHOOK,
    "50027": "the webhook's URL is wrong; copy it from Discord again and run the role again with it",
    "50001": "the webhook may no longer post to its channel; " + NEW_WEBHOOK,
    "50013": "the webhook may no longer post to its channel; " + NEW_WEBHOOK,
}
# Discord's answers about a message: a field is wrong, the message is empty, it is not JSON.
REFUSING = ("50035", "50006", "50109")


class Channel(WebChannel):
    """A webhook. settings: `url`."""

    # Discord's answer contains the message.
    LARGEST_ANSWER_BYTES = 65536

    @property
    def url(self) -> str:
        """Return the webhook's URL, with the parameter that makes Discord wait until the message is stored."""
        address = str(self.settings["url"])
        return address + ("&" if "?" in address else "?") + "wait=true"

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a description."""
        room = DESCRIPTION_LIMIT - len(escape(wording.dropped(1000, self.configuration.say))) - 1
        return layout.fitting(alerts[: self.DIGEST_LIMIT], room, lambda alert: size(self._line(alert, now)) + 1)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in Discord's format."""
        embed = self._digest(alerts, now) if len(alerts) > 1 else self._single(alerts[0], now)
        embed["color"] = layout.COLOURS[layout.gravity(alerts)]
        if dropped:
            parts = [escape(wording.dropped(dropped, self.configuration.say)), embed.get("description", "")]
            embed["description"] = "\n".join(filter(None, parts))
        message = {"embeds": [embed], "allowed_mentions": {"parse": []}}
        return json.dumps(message).encode("ascii")

    def _single(self, alert: "Alert", now: float) -> "Dict[str, Any]":
        headline, fields = wording.single(alert, self.configuration, now, lambda text: size(text) <= TITLE_LIMIT)
        fields = fields[:FIELDS_LIMIT]
        local = f" \xb7 <t:{int(alert['time'])}:F>"
        values = [field.value or "-" for field in fields]
        room, each = EMBED_LIMIT - BESIDE_CHARACTERS, FIELD_LIMIT - len(local)
        shown = [escape(value) for value in layout.cut_all(values, room, each, size)]
        embed: Dict[str, Any] = {
            "title": escape(layout.cut(headline, TITLE_LIMIT, size)),
            "fields": [
                {
                    "name": escape(field.label),
                    "value": value + (local if field.name == "Time" else ""),
                    "inline": len(value) <= INLINE_CHARACTERS,
                }
                for field, value in zip(fields, shown)
            ],
            "footer": {"text": "id " + alert["id"]},
            "timestamp": datetime.fromtimestamp(int(alert["time"]), timezone.utc).isoformat(),
        }
        links = [f"[{escape(title)}]({_address(url)})" for title, url in wording.links(alert, self.configuration)]
        if links:
            embed["description"] = " \xb7 ".join(links)
        return embed

    def _digest(self, alerts: "List[Alert]", now: float) -> "Dict[str, Any]":
        headline = wording.digest_headline(alerts, self.configuration)
        return {
            "title": escape(layout.cut(headline, TITLE_LIMIT, size)),
            "description": "\n".join(escape(self._line(alert, now)) for alert in alerts),
        }

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, layout.LINE_LIMIT, size)

    def read(self, answer: "Answer") -> Verdict:
        """Return what Discord's answer means."""
        found = parsed(answer)
        if answer.status == 204 or (answer.status == 200 and "id" in found):
            return Verdict(DELIVERED, "", None)
        seconds = found.get("retry_after")
        if answer.status == 429 and isinstance(seconds, (int, float)):
            return layout.limited(seconds)
        return layout.settled(answer, [layout.word(found, "code")], CLOSING, REFUSING, "Discord")


def escape(text: str) -> str:
    """Return a plain text, in one line, escaped for Discord's Markdown."""
    return LIST.sub(r"\1\\\2", MARKS.sub(r"\\\1", text))


def size(text: str) -> int:
    """Return how many characters a plain text takes. Those beyond the Basic Multilingual Plane count twice."""
    return layout.units(escape(text))


def _address(url: str) -> str:
    """Return a URL in a form that can stand in the parentheses of a link."""
    return url.replace("(", "%28").replace(")", "%29")
