# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Chat's incoming webhook: an alert as a card, and what Google's answers mean.

The card is one of `cardsV2` ("Cards v2", developers.google.com/workspace/chat/api/reference/rest/v1/cards: at most 32
KB and 100 widgets). The webhook accepts one message per second in a space ("Build a Google Chat app as a webhook",
section "Limitations and considerations"). The answers are those of Google's APIs ("Errors",
cloud.google.com/apis/design).

The texts of a card are a small subset of HTML ("Format messages"), so `&`, `<` and `>` are escaped. Google Chat
interprets its own markup, and mentions such as `<users/all>`, only in a message's `text`. There is no escape for that
field, so the message has none. Notifications and other places without cards show `fallbackText`, which is plain text.
"""

import json

from .. import wording
from ..text import escape
from . import DELIVERED, Verdict, WebChannel, layout, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..alert import Alert
    from ..transport import Answer

    Widget = Dict[str, Any]

# In bytes of JSON; Google's limit is 32 KB.
CARD_LIMIT = 30000
# The shares of all values of one alert, of one value, and of a headline.
VALUES_BYTES = 20000
VALUE_BYTES = 6000
HEADLINE_BYTES = 3000
# The share of the headline, the fallback and the sentence about dropped alerts in a digest.
BESIDE_BYTES = 8000
FALLBACK_BYTES = 3000
# The size of a widget without its text.
WIDGET_BYTES = 60
NEW_WEBHOOK = "create a new webhook in Google Chat (Apps & integrations) and run the role again with its URL"
COPY = "the webhook's URL is wrong or incomplete; copy it from Google Chat again, or " + NEW_WEBHOOK
# Google's status for a wrong key in the URL is the same as for a wrong message. This reason distinguishes them.
WRONG_KEY = "API_KEY_INVALID"
# Google's permanent answers about the webhook, and what to do.
CLOSING = {
    "NOT_FOUND": "the space or the webhook was deleted; " + NEW_WEBHOOK,
    "PERMISSION_DENIED": "the webhook was deleted, or the organization does not let it post; " + NEW_WEBHOOK,
    "UNAUTHENTICATED": COPY,
    WRONG_KEY: COPY,
}
REFUSING = ("INVALID_ARGUMENT",)


class Channel(WebChannel):
    """An incoming webhook. settings: `url`."""

    # Google's answer contains the message.
    LARGEST_ANSWER_BYTES = 65536

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a card."""
        room = CARD_LIMIT - BESIDE_BYTES
        first = alerts[: self.DIGEST_LIMIT]
        return layout.fitting(first, room, lambda alert: size(self._line(alert, now)) + WIDGET_BYTES)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in Google Chat's format."""
        widgets: List[Widget]
        if len(alerts) > 1:
            headline = wording.digest_headline(alerts, self.configuration)
            fallback = headline
            widgets = [_paragraph(escape(self._line(alert, now))) for alert in alerts]
        else:
            alert = alerts[0]
            headline, fields = wording.single(alert, self.configuration, now, lambda text: True)
            fallback = wording.text(alert, self.configuration, now)
            values = layout.cut_all([field.value for field in fields], VALUES_BYTES, VALUE_BYTES, size)
            widgets = [_labelled(field.label, value) for field, value in zip(fields, values)]
            widgets.append(_paragraph(escape("id " + alert["id"])))
            buttons = [_button(*link) for link in wording.links(alert, self.configuration)]
            if buttons:
                widgets.append({"buttonList": {"buttons": buttons}})
        if dropped:
            widgets.insert(0, _paragraph(escape(wording.dropped(dropped, self.configuration.say))))
        widgets.insert(0, _paragraph(f"<b>{escape(layout.cut(headline, HEADLINE_BYTES, size))}</b>"))
        card = {"cardId": "loginwatch", "card": {"sections": [{"widgets": widgets}]}}
        message = {"fallbackText": layout.cut(fallback, FALLBACK_BYTES, _json_size), "cardsV2": [card]}
        return json.dumps(message).encode("ascii")

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, 3 * layout.LINE_LIMIT, size)

    def read(self, answer: "Answer") -> Verdict:
        """Return what Google's answer means."""
        found = parsed(answer)
        if answer.status == 200 and str(found.get("name", "")).startswith("spaces/"):
            return Verdict(DELIVERED, "", None)
        said = WRONG_KEY if WRONG_KEY in answer.text else layout.word(layout.inner(found, "error"), "status")
        return layout.settled(answer, [said], CLOSING, REFUSING, "Google Chat")


def size(text: str) -> int:
    """Return how many bytes a plain text takes in a card."""
    return _json_size(escape(text))


def _json_size(text: str) -> int:
    return len(json.dumps(text))


def _paragraph(html: str) -> "Widget":
    return {"textParagraph": {"text": html}}


def _labelled(label: str, value: str) -> "Widget":
    return {"decoratedText": {"topLabel": label, "text": escape(value) or "-", "wrapText": True}}


def _button(title: str, url: str) -> "Widget":
    return {"text": title, "onClick": {"openLink": {"url": url}}}
