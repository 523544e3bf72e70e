# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telegram's bots: an alert by `sendMessage`, and what Telegram's answers mean.

The method, its limits and the answers are those of core.telegram.org/bots/api ("sendMessage", "MessageEntity",
"ResponseParameters", "Making requests"). A message has no `parse_mode`, so no character in it is markup. `entities`
lists which parts are bold or a link, by offset and length in UTF-16 code units.

Telegram searches text without an entity for links, mentions, hashtags, commands and numbers, and notifies whoever is
mentioned. It does not search `code`, which no other entity can overlap. So every text of a message except the labels is
`code`. Links have no preview.
"""

import json

from .. import wording
from ..transport import Answer
from . import DELIVERED, Verdict, WebChannel, layout, parsed
from .layout import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..alert import Alert

# In UTF-16 code units, which are never fewer than Telegram's characters.
TEXT_LIMIT = 4096
HEADLINE_UNITS = 600
# The shares of all values of one alert, and of one value.
VALUES_UNITS = 2600
VALUE_UNITS = 1200
# The share of the headline and the sentence about dropped alerts in a digest.
BESIDE_UNITS = 900
# The most entities in a message. Telegram ignores the rest.
ENTITIES_LIMIT = 100
API = "https://api.telegram.org"
# The beginnings of Telegram's permanent answers about the bot or the chat, in lower case, and what to do.
CLOSING = {
    "unauthorized": "the token is wrong or was revoked; get one from @BotFather and run the role again with it",
    "not found": "the token is wrong; copy it from @BotFather again and run the role again with it",
    "bad request: chat not found": "the chat does not exist for the bot; add the bot to it, and check its number",
    "bad request: message thread not found": "the topic was deleted; set another one, or none",
    "bad request: topic_closed": "the topic is closed; open it again, or set another one",
    "bad request: topic_deleted": "the topic was deleted; set another one, or none",
    "bad request: not enough rights": "the bot may not write in the chat; let it post there",
    "bad request: have no rights": "the bot may not write in the chat; let it post there",
    "bad request: need administrator rights": "the bot may not write in the channel; make it an administrator there",
    "bad request: chat_write_forbidden": "the bot may not write in the chat; let it post there",
    "bad request: peer_id_invalid": "the chat does not exist for the bot; add the bot to it, and check its number",
    "bad request: group chat was upgraded": "the group has a new number; set it as the chat",
    "forbidden": "the bot was removed or blocked, or never started; add it to the chat again, or write /start to it",
}
REFUSING = "bad request"


class Channel(WebChannel):
    """A bot that writes to one chat. settings: `token`, `chat`, `topic`, `api_url`."""

    WAY = "check the connection to Telegram's API: DNS, firewall, proxy, CA file"
    # Telegram's answer contains the message.
    LARGEST_ANSWER_BYTES = 65536

    @property
    def url(self) -> str:
        """Return the URL of the method sendMessage, which contains the token."""
        server = str(self.settings.get("api_url") or API).rstrip("/")
        return "{}/bot{}/sendMessage".format(server, self.settings["token"])

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a text."""
        room = TEXT_LIMIT - BESIDE_UNITS
        return layout.fitting(alerts[: self.DIGEST_LIMIT], room, lambda alert: units(self._line(alert, now)) + 2)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in Telegram's format."""
        text = _Text()
        if len(alerts) > 1:
            text.add(self._cut(wording.digest_headline(alerts, self.configuration)), "code")
            self._add_dropped(text, dropped)
            for alert in alerts:
                text.add("\n\n")
                text.add(self._line(alert, now), "code")
        else:
            headline, fields = wording.single(
                alerts[0], self.configuration, now, lambda text: units(text) <= HEADLINE_UNITS
            )
            text.add(self._cut(headline), "code")
            self._add_dropped(text, dropped)
            values = layout.cut_all([field.value for field in fields], VALUES_UNITS, VALUE_UNITS, units)
            for field, value in zip(fields, values):
                text.add("\n")
                text.add(field.label, "bold")
                text.add("\n")
                text.add(value or "-", "code")
            text.add("\n")
            text.add("id " + alerts[0]["id"], "code")
            for title, url in wording.links(alerts[0], self.configuration):
                if units(text.text + title) + 1 <= TEXT_LIMIT:
                    text.add("\n")
                    text.add(title, "text_link", url=url)
        message = {
            "chat_id": self.settings["chat"],
            "text": text.text,
            "entities": text.entities[:ENTITIES_LIMIT],
            "link_preview_options": {"is_disabled": True},
        }
        if self.settings.get("topic"):
            message["message_thread_id"] = int(self.settings["topic"])
        return json.dumps(message).encode("ascii")

    def _cut(self, headline: str) -> str:
        return layout.cut(headline, HEADLINE_UNITS, units)

    def _add_dropped(self, text: "_Text", dropped: int) -> None:
        if dropped:
            text.add("\n")
            text.add(wording.dropped(dropped, self.configuration.say), "italic")

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, layout.LINE_LIMIT, units)

    def send(self, message: bytes, alerts: "List[Alert]") -> Answer:
        """Send a message. If the group has become a supergroup, send it again to the new chat."""
        answer = super().send(message, alerts)
        chat = layout.inner(parsed(answer), "parameters").get("migrate_to_chat_id")
        if isinstance(chat, int) and answer.status == 400:
            self.settings = dict(self.settings, chat=chat)
            again = dict(json.loads(message.decode("ascii")), chat_id=chat)
            answer = super().send(json.dumps(again).encode("ascii"), alerts)
        return answer

    def read(self, answer: Answer) -> Verdict:
        """Return what Telegram's answer means."""
        found = parsed(answer)
        if answer.status == 200 and found.get("ok") is True:
            return Verdict(DELIVERED, "", None)
        seconds = layout.inner(found, "parameters").get("retry_after")
        if answer.status == 429 and isinstance(seconds, (int, float)):
            return layout.limited(seconds)
        said = layout.word(found, "description").lower() if found.get("ok") is False else ""
        start = next((start for start in (*CLOSING, REFUSING) if said.startswith(start)), "")
        return layout.settled(answer, [start], CLOSING, (REFUSING,), "Telegram")


class _Text:
    """A text that grows, and its entities."""

    def __init__(self) -> None:
        self.text = ""
        self.entities: List[Dict[str, Any]] = []

    def add(self, text: str, kind: str = "", **more: str) -> None:
        """Append a text. kind: the type of its entity (MessageEntity.type), "" for none"""
        if kind:
            self.entities.append(dict(more, type=kind, offset=units(self.text), length=units(text)))
        self.text += text
