# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack's incoming webhook: an alert as a message of Block Kit, and what to do about Slack's answers.

Block Kit's limits and the answers are those of Slack's documentation ("Reference: blocks", "Sending messages using
incoming webhooks", "Rate limits"). Labels are the notifier's or the administrator's, in bold. Every value is a
plain_text object, in which Slack renders no formatting, mentions, links or emoji. `&`, `<` and `>` are escaped, and
nothing else is. The notifier alone writes what is not plain text: links, whose addresses are percent-encoded, and the
time as the reader's clock has it ("Formatting text for app surfaces", date formatting).

A desktop notification reads the blocks in their order, and phones and screen readers have `text` alone
(docs.slack.dev/changelog/2026/07/13/notification-changes).
"""

import json
from datetime import datetime, timezone

from .. import wording
from ..text import CUT, SEPARATOR, escape
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, UNSURE, Verdict, WebChannel, is_page, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..alert import Alert
    from ..config import Configuration
    from ..languages import Language
    from ..transport import Answer

# Limits in characters. Slack cuts the text at 40,000; a notification shows far less.
HEADER_LIMIT = 150
FIELD_LIMIT = 2000
SECTION_LIMIT = 3000
TEXT_LIMIT = 3000
# Fields in a section: five pairs of a label and a value.
FIELDS_LIMIT = 10
# One login's part of a digest's text, so that the text has several.
TEXT_LINE_LIMIT = 700
# Logins in one message, well within Slack's 50 blocks.
DIGEST_LIMIT = 40
# In all its blocks, as JSON; above 13,200 Slack has answered msg_blocks_too_long.
DIGEST_CHARACTERS = 12800
# What a block takes beside its text.
BLOCK_CHARACTERS = 80
# Slack's words for the reader's date and time.
READERS_TIME = "{date_num} {time_secs}"
NEW_WEBHOOK = "create a new one in Slack (Apps, Incoming Webhooks) and run the role again with it"
DEFECT = "Slack refuses the message itself; that is a defect of this program, please report it"
# What an answer means, and what to do.
MENDS = {
    "no_service": "the webhook was removed or switched off; " + NEW_WEBHOOK,
    "no_active_hooks": "the webhook was switched off; " + NEW_WEBHOOK,
    "no_service_id": "the webhook's address is incomplete; copy it from Slack again and run the role again with it",
    "no_team": "the webhook's workspace is gone; " + NEW_WEBHOOK,
    "team_disabled": "the webhook's workspace is switched off; " + NEW_WEBHOOK,
    "invalid_token": "the webhook's address is wrong; copy it from Slack again and run the role again with it",
    "channel_not_found": "the webhook's channel was deleted; " + NEW_WEBHOOK,
    "channel_is_archived": "the webhook's channel is archived; unarchive it in Slack, or " + NEW_WEBHOOK,
    "action_prohibited": "the workspace's administrators do not let this webhook post; ask them, or " + NEW_WEBHOOK,
    "posting_to_general_channel_denied": "only some people may post to that channel; choose another: " + NEW_WEBHOOK,
    "user_not_found": "the person that the webhook posts to is gone; " + NEW_WEBHOOK,
    "rate_limited": "too many messages for this workspace right now; it is tried again when Slack allows",
    "invalid_payload": DEFECT,
    "invalid_blocks": DEFECT,
    "msg_blocks_too_long": DEFECT,
    "no_text": DEFECT,
}
RATE_LIMITED = MENDS["rate_limited"]


class Channel(WebChannel):
    """An incoming webhook. settings: `url`."""

    TITLE = "Slack"
    DIGEST_LIMIT = DIGEST_LIMIT

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as a message has room for."""
        return fitting(alerts, self.configuration, now)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message as Slack takes it."""
        if len(alerts) > 1:
            message = digest(alerts, self.configuration, now)
        else:
            message = single(alerts[0], self.configuration, now)
        if dropped:
            add_dropped(message, dropped, self.configuration.say)
        return json.dumps(message).encode("ascii")

    def read(self, answer: "Answer") -> Verdict:
        """Return what Slack's answer means."""
        return verdict(_meaning(answer.status, answer.text), mend(answer.status, answer.text), answer)


def _meaning(status: int, answer: str) -> str:
    if is_delivered(status, answer):
        return DELIVERED
    if status == 429:
        return LIMITED
    if is_refused(status, answer):
        return REFUSED
    if is_closed(status, answer):
        return CLOSED
    return UNSURE if may_be_taken(status, answer) else FAILED


def is_delivered(status: int, answer: str) -> bool:
    """Tell whether Slack has delivered the message."""
    return status == 200 and answer == "ok"


def is_refused(status: int, answer: str) -> bool:
    """Tell whether Slack refuses this very message for good. Only by its own words: other hosts answer 400 as well."""
    return 400 <= status < 500 and MENDS.get(answer) == DEFECT


def is_closed(status: int, answer: str) -> bool:
    """Tell whether Slack takes nothing from this webhook, in its own words; somebody may open it again."""
    return 400 <= status < 500 and answer in MENDS and MENDS[answer] not in (DEFECT, RATE_LIMITED)


def may_be_taken(status: int, answer: str) -> bool:
    """Tell whether the message may stand in the channel although the answer is not Slack's.

    A workflow's webhook or a relay answers so. A page of HTML comes from a portal or a filter, which took nothing.
    """
    return 200 <= status < 300 and not is_delivered(status, answer) and not is_page(answer)


def mend(status: int, answer: str) -> str:
    """Return what an operator can do about an answer other than `200 ok`."""
    if answer in MENDS:
        return MENDS[answer]
    if 300 <= status < 400:
        return "redirects are not followed; set the webhook's final address"
    if status == 429:
        return RATE_LIMITED
    if may_be_taken(status, answer):
        return (
            "Slack's incoming webhooks do not answer like that, but the message may stand in the channel; "
            "look for a proxy or a portal on the way, and check that the address is an incoming webhook's"
        )
    if status >= 500 and not is_page(answer):
        return "Slack has a problem (status.slack.com); it is tried again"
    return (
        "something other than Slack answered; look for a proxy, a filter or a portal on the way to the webhook's host, "
        "and check that the address is a webhook's; it is tried again"
    )


def single(alert: "Alert", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return the message for one login."""
    headline, fields = wording.single(alert, configuration, now, lambda text: len(escape(text)) <= HEADER_LIMIT)
    rows = [cell for field in fields for cell in (_label(field.label), _plain(field.value, FIELD_LIMIT))]
    sections = [rows[start : start + FIELDS_LIMIT] for start in range(0, len(rows), FIELDS_LIMIT)]
    blocks: List[Dict[str, Any]] = [_header(headline), *_mentions([alert])]
    blocks.extend({"type": "section", "fields": section} for section in sections)
    blocks.extend(_links(alert, configuration))
    last = [_plain("id " + alert["id"], FIELD_LIMIT), _date(alert, configuration)]
    blocks.append({"type": "context", "elements": last})
    return _message(escape(wording.text(alert, configuration, now)), blocks)


def _mentions(alerts: "List[Alert]") -> "List[Dict[str, Any]]":
    """Return a block that notifies whom the rules name for these alerts, each once; none if they name nobody.

    Slack notifies only by mrkdwn (docs.slack.dev, "Formatting message text"). Only the settings write it: settings.py
    takes nothing else than one mention.
    """
    found = list(dict.fromkeys(mention for alert in alerts for mention in alert.get("mentions", ())))
    return [{"type": "section", "text": {"type": "mrkdwn", "text": " ".join(found)}}] if found else []


def _links(alert: "Alert", configuration: "Configuration") -> "List[Dict[str, Any]]":
    found = [f"<{escape(url)}|{escape(title)}>" for title, url in wording.links(alert, configuration)]
    elements = [{"type": "mrkdwn", "text": link, "verbatim": True} for link in found]
    return [{"type": "context", "elements": elements}] if elements else []


def _date(alert: "Alert", configuration: "Configuration") -> "Dict[str, Any]":
    """Return the time in the reader's zone; in UTC where a client can't show that."""
    shown = configuration.say("reader", time=READERS_TIME)
    instead = datetime.fromtimestamp(alert["time"], timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = f"<!date^{int(alert['time'])}^{escape(shown)}|{instead}>"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def add_dropped(message: "Dict[str, Any]", dropped: int, say: "Language") -> None:
    """Have a message say, below its headline, how many older alerts a limit has dropped."""
    sentence = wording.dropped(dropped, say)
    message["blocks"].insert(1, {"type": "context", "elements": [_plain(sentence, FIELD_LIMIT)]})
    message["text"] += "\n" + escape(sentence)


def fitting(alerts: "List[Alert]", configuration: "Configuration", now: float) -> "List[Alert]":
    """Return the first of these alerts, as many as a digest can hold: at least one, at most DIGEST_LIMIT."""
    characters = _characters([_header("x" * HEADER_LIMIT), *_mentions(alerts[:DIGEST_LIMIT])])
    for number, alert in enumerate(alerts[:DIGEST_LIMIT]):
        characters += _characters(_digest_line(alert, configuration, now)) + BLOCK_CHARACTERS
        if number and characters > DIGEST_CHARACTERS:
            return alerts[:number]
    return alerts[:DIGEST_LIMIT]


def _characters(part: "Any") -> int:
    """Return how many characters of the JSON of a message a part takes, with each character as itself."""
    return len(json.dumps(part, ensure_ascii=False))


def digest(alerts: "List[Alert]", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return one message for a backlog that fits: a line for each login, none merged with another."""
    headline = wording.digest_headline(alerts, configuration)
    blocks: List[Dict[str, Any]] = [_header(headline), *_mentions(alerts)]
    for alert in alerts:
        text = {"type": "plain_text", "text": _digest_line(alert, configuration, now), "emoji": False}
        blocks.append({"type": "section", "text": text})
    return _message("\n".join(_first_lines(headline, alerts, configuration, now)), blocks)


def _first_lines(headline: str, alerts: "List[Alert]", configuration: "Configuration", now: float) -> "List[str]":
    """Return a digest's headline and its first lines without their ids, escaped, and how many more there are."""
    lines = [_cut(escape(headline), TEXT_LINE_LIMIT)]
    left = TEXT_LIMIT - len(lines[0]) - len(escape(wording.more(DIGEST_LIMIT, configuration))) - 1
    for number, alert in enumerate(alerts):
        shown = _cut(escape(wording.login(alert, configuration, now)), TEXT_LINE_LIMIT)
        left -= len(shown) + 1
        if left < 0:
            return [*lines, escape(wording.more(len(alerts) - number, configuration))]
        lines.append(shown)
    return lines


def _digest_line(alert: "Alert", configuration: "Configuration", now: float) -> str:
    end = escape(f"{SEPARATOR}id {alert['id']}")
    return _cut(escape(wording.login(alert, configuration, now)), SECTION_LIMIT - len(end)) + end


def _message(escaped: str, blocks: "List[Dict[str, Any]]") -> "Dict[str, Any]":
    # Notifications and screen readers show `text`. With `mrkdwn` false, Slack renders no formatting in it.
    return {
        "text": _cut(escaped, TEXT_LIMIT),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def _header(text: str) -> "Dict[str, Any]":
    return {"type": "header", "text": _plain(text, HEADER_LIMIT)}


def _label(text: str) -> "Dict[str, Any]":
    return {"type": "mrkdwn", "text": f"*{escape(text)}*"}


def _plain(text: str, limit: int) -> "Dict[str, Any]":
    # Slack refuses a message with an empty text in it (Block Kit, text object: at least one character).
    return {"type": "plain_text", "text": _cut(escape(text), limit) or "-", "emoji": False}


def _cut(escaped: str, limit: int) -> str:
    """Cut an escaped text to a limit, but never within an escape."""
    if len(escaped) <= limit:
        return escaped
    kept = escaped[: limit - 1]
    start = kept.rfind("&", max(len(kept) - 4, 0))
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + CUT
