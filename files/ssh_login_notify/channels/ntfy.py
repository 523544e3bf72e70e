# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""ntfy: an alert as a notification of a topic, and what the server's answers mean.

It is published as JSON to the server's root ("Publish as JSON", docs.ntfy.sh/publish), so that no header contains any
of its text. A message of more than 4,096 bytes would become an attached file ("Limitations"). The answers' codes are
those of ntfy's server/errors.go.

The text is plain: no Markdown, no mentions. The apps turn a URL in it into a link, and that can't be switched off. So
an invisible U+2060 (word joiner) follows the scheme of a URL in any text that strangers choose.
"""

import json
import re

from .. import wording
from . import DELIVERED, Verdict, WebChannel, layout, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..alert import Alert
    from ..transport import Answer

# In bytes of UTF-8.
MESSAGE_LIMIT = 4096
TITLE_LIMIT = 250
# The shares of all values of one alert, and of one value.
VALUES_BYTES = 3000
VALUE_BYTES = 1400
# The share of the sentence about dropped alerts.
BESIDE_BYTES = 300
# The most buttons of a notification.
ACTIONS_LIMIT = 3
# By layout.gravity: a priority from 1 to 5, of which 3 is the default, and a tag that the apps show as an icon.
PRIORITIES = (3, 4, 5)
TAGS: "List[List[str]]" = [[], ["warning"], ["rotating_light"]]
SCHEME = re.compile(r"(?<=[A-Za-z]:)(?=//)|(?<=mailto:)", re.IGNORECASE)
JOINER = "\u2060"
TOPIC = "check ssh_login_notify_channels: the end of the URL is the topic"
# The server's permanent answers about the topic or the token, and what to do.
CLOSING = {
    "40009": "the topic's name is wrong; " + TOPIC,
    "40010": "the server does not allow this topic; " + TOPIC,
    "40101": "the token is wrong or has expired; make a new one and run the role again with it",
    "40301": "nobody may publish to this topic without a token for it; set one, or correct the access list",
    "40401": "the server does not know this address; " + TOPIC,
}
# The server's answers about a message: not a JSON message, not UTF-8, a wrong part, too long.
REFUSING = ("40007", "40011", "40014", "40017", "40018", "40024", "41301", "41303")


class Channel(WebChannel):
    """A topic of an ntfy server. settings: `url`, with the topic at its end; `token`."""

    WAY = "check the connection to the ntfy server: DNS, firewall, proxy, CA file"

    @property
    def url(self) -> str:
        """Return the URL of the server's root."""
        return str(self.settings["url"]).rpartition("/")[0] + "/"

    @property
    def topic(self) -> str:
        """Return the topic, which is a secret if no token is needed."""
        return str(self.settings["url"]).rpartition("/")[2]

    def headers(self, message: bytes) -> "Dict[str, str]":
        """Return the header with the token, if there is one."""
        token = self.settings.get("token")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a message."""
        room = MESSAGE_LIMIT - BESIDE_BYTES
        return layout.fitting(alerts[: self.DIGEST_LIMIT], room, lambda alert: size(self._line(alert, now)) + 1)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in ntfy's format."""
        lines = [wording.dropped(dropped, self.configuration.say)] if dropped else []
        links: List[Any] = []
        if len(alerts) > 1:
            headline = wording.digest_headline(alerts, self.configuration)
            lines += [self._line(alert, now) for alert in alerts]
        else:
            headline, fields = wording.single(alerts[0], self.configuration, now, _is_title)
            values = layout.cut_all([field.value for field in fields], VALUES_BYTES, VALUE_BYTES, size)
            lines += [f"{field.label}: {value or '-'}" for field, value in zip(fields, values)]
            lines.append("id " + alerts[0]["id"])
            links = wording.links(alerts[0], self.configuration)
        gravity = layout.gravity(alerts)
        message: Dict[str, Any] = {
            "topic": self.topic,
            "title": unlinked(layout.cut(headline, TITLE_LIMIT, size)),
            "message": "\n".join(map(unlinked, lines)),
            "priority": PRIORITIES[gravity],
            "tags": TAGS[gravity],
        }
        if links:
            message["click"] = links[0][1]
            views = [{"action": "view", "label": title, "url": url} for title, url in links[:ACTIONS_LIMIT]]
            message["actions"] = views
        return json.dumps(message).encode("ascii")

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, layout.LINE_LIMIT, size)

    def read(self, answer: "Answer") -> Verdict:
        """Return what the server's answer means."""
        found = parsed(answer)
        if answer.status == 200 and "id" in found:
            return Verdict(DELIVERED, "", None)
        return layout.settled(answer, [layout.word(found, "code")], CLOSING, REFUSING, "ntfy")


def _is_title(text: str) -> bool:
    return size(text) <= TITLE_LIMIT


def unlinked(text: str) -> str:
    """Return a plain text in which no app finds the beginning of a URL."""
    return SCHEME.sub(JOINER, text)


def size(text: str) -> int:
    """Return how many bytes a plain text takes."""
    return len(unlinked(text).encode("utf-8", "replace"))
