# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mattermost's and Rocket.Chat's incoming webhook: an alert as a message attachment, and what their answers mean.

Both accept the same attachment ("Message attachments", developers.mattermost.com; "Create a new incoming webhook",
docs.rocket.chat). Mattermost accepts 16,383 characters ("Incoming webhooks"), and some versions only 7,900 in
attachments, so the limit here is lower. The answers are those of the sources: Mattermost's
server/channels/app/webhook.go and server/channels/web/webhook.go, and those in Rocket.Chat's
apps/meteor/app/integrations/server/api.

All texts of an attachment are Markdown, in which an escaped `@channel` still notifies. Nothing in a code span is
interpreted, so every text of a message except the labels is a code span. Before it reads Markdown, Mattermost treats
`<!channel>` and `<@name>` as Slack's mentions (server/channels/app/slack.go), so an invisible U+2060 (word joiner)
follows each such `<`. There is no `text` beside the attachment, because Rocket.Chat looks for mentions only there.
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

# In characters of the message's JSON.
MESSAGE_LIMIT = 7500
# The shares of all values of one alert, of one value, of a headline and of the fallback.
VALUES_CHARACTERS = 4000
VALUE_CHARACTERS = 1500
HEADLINE_CHARACTERS = 600
FALLBACK_CHARACTERS = 800
# The share of the headline, the fallback and the sentence about dropped alerts in a digest.
BESIDE_CHARACTERS = 2200
# A value of at most this many characters shares its row with another.
SHORT_CHARACTERS = 40
# The beginning of what Mattermost treats as Slack's mentions, up to the place where the joiner is inserted.
SLACKS = re.compile(r"<(?=[!@])")
JOINER = "\u2060"
TICKS = re.compile("`+")
NEW_WEBHOOK = "create a new incoming webhook (Integrations) and run the role again with its URL"
# The server's permanent answers about the webhook, and what to do.
CLOSING = {
    "web.incoming_webhook.invalid.app_error": "the webhook was deleted, or its URL is wrong; " + NEW_WEBHOOK,
    "web.incoming_webhook.disabled.app_error": "incoming webhooks are switched off; ask the administrators",
    "web.incoming_webhook.channel.app_error": "the webhook's channel is gone; " + NEW_WEBHOOK,
    "web.incoming_webhook.user.app_error": "the webhook's owner is gone; " + NEW_WEBHOOK,
    "web.incoming_webhook.permissions.app_error": "the webhook's owner may not post to the channel; " + NEW_WEBHOOK,
    "web.incoming_webhook.channel_locked.app_error": "the webhook is for another channel; " + NEW_WEBHOOK,
    "api.post.create_post.can_not_post_to_deleted.error": "the webhook's channel is archived; " + NEW_WEBHOOK,
    # Rocket.Chat
    "Invalid integration id or token provided.": "the webhook was deleted, or its URL is wrong; " + NEW_WEBHOOK,
    "integration disabled": "the webhook is switched off; enable it in Rocket.Chat (Integrations)",
    "error-invalid-integration": "the webhook was deleted or is switched off; " + NEW_WEBHOOK,
    "invalid-channel": "the webhook's channel is gone; " + NEW_WEBHOOK,
    "error-invalid-channel": "the webhook's channel is gone; " + NEW_WEBHOOK,
}
# The server's answers about a message.
REFUSING = (
    "web.incoming_webhook.parse.app_error", "web.incoming_webhook.text.app_error",
    "web.incoming_webhook.text.length.app_error", "web.incoming_webhook.split_props_length.app_error",
    "web.incoming_webhook.attachment.app_error", "web.incoming_webhook.decode.app_error",
    "model.incoming_hook.parse_data.app_error",
)  # fmt: skip


class Channel(WebChannel):
    """An incoming webhook. settings: `url`."""

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a message."""
        room = MESSAGE_LIMIT - BESIDE_CHARACTERS
        return layout.fitting(alerts[: self.DIGEST_LIMIT], room, lambda alert: size(self._line(alert, now)) + 4)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in the format of Mattermost and Rocket.Chat."""
        attachment: Dict[str, Any] = {"color": f"#{layout.COLOURS[layout.gravity(alerts)]:06X}"}
        texts = [code(wording.dropped(dropped, self.configuration.say))] if dropped else []
        if len(alerts) > 1:
            headline = fallback = wording.digest_headline(alerts, self.configuration)
            texts += [code(self._line(alert, now)) for alert in alerts]
        else:
            alert = alerts[0]
            headline, fields = wording.single(
                alert, self.configuration, now, lambda text: size(text) <= HEADLINE_CHARACTERS
            )
            fallback = wording.text(alert, self.configuration, now)
            values = layout.cut_all([field.value for field in fields], VALUES_CHARACTERS, VALUE_CHARACTERS, size)
            attachment["fields"] = [_field(field.label, value) for field, value in zip(fields, values)]
            attachment["fields"].append(_field("id", alert["id"]))
            links = [f"[{title}]({_address(url)})" for title, url in wording.links(alert, self.configuration)]
            texts += [" \xb7 ".join(links)] if links else []
        attachment["text"] = "\n\n".join([f"**{code(self._cut(headline))}**", *texts])
        attachment["fallback"] = layout.cut(unmentioned(fallback), FALLBACK_CHARACTERS, _plain_size)
        return json.dumps({"attachments": [attachment]}, ensure_ascii=False).encode("utf-8", "replace")

    def _cut(self, headline: str) -> str:
        return layout.cut(headline, HEADLINE_CHARACTERS, size)

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, layout.LINE_LIMIT, size)

    def read(self, answer: "Answer") -> Verdict:
        """Return what the server's answer means."""
        found = parsed(answer)
        if answer.status == 200 and (answer.text == "ok" or found.get("success") is True):
            return Verdict(DELIVERED, "", None)
        said = [layout.word(found, key) for key in ("id", "error", "errorType")]
        return layout.settled(answer, said, CLOSING, REFUSING, "the chat server")


def unmentioned(text: str) -> str:
    """Return a plain text in which Mattermost finds none of Slack's mentions."""
    return SLACKS.sub("<" + JOINER, text)


def code(text: str) -> str:
    """Return a plain text as a code span that shows it (CommonMark 0.31, 6.1)."""
    shown = unmentioned(text) or "-"
    fence = "`" * (max([0, *map(len, TICKS.findall(shown))]) + 1)
    # One space at each edge is not shown (6.1), so an edge that is a backtick or a space gets one.
    edge = " " if "`" in (shown[0], shown[-1]) or shown[0] == " " == shown[-1] else ""
    return fence + edge + shown + edge + fence


def size(text: str) -> int:
    """Return how many characters a plain text takes in the message's JSON."""
    return _plain_size(code(text))


def _plain_size(text: str) -> int:
    return layout.units(json.dumps(text, ensure_ascii=False))


def _field(label: str, value: str) -> "Dict[str, Any]":
    return {"title": label, "value": code(value), "short": len(value) <= SHORT_CHARACTERS}


def _address(url: str) -> str:
    """Return a URL in a form that can stand in the parentheses of a link."""
    return url.replace("(", "%28").replace(")", "%29")
