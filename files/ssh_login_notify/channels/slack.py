# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack's incoming webhook: an alert as a message of Block Kit, and what to do about Slack's answers.

Block Kit's limits and the answers are those of Slack's documentation ("Reference: blocks", "Sending messages using
incoming webhooks", "Rate limits"). Labels come from the notifier or the administrator, and are bold. Every value is a
plain_text object, in which Slack renders no formatting, mentions, links or emoji. Only `&`, `<` and `>` are escaped.
Only the notifier itself writes text that is not plain: links, whose URLs are percent-encoded, and the time in the
reader's zone ("Formatting text for app surfaces", date formatting).

A desktop notification reads the blocks in their order. Phones and screen readers use only `text`
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

# Limits in characters. Slack truncates the text at 40,000; a notification shows far less.
HEADER_LIMIT = 150
FIELD_LIMIT = 2000
SECTION_LIMIT = 3000
TEXT_LIMIT = 3000
# The most fields in a section: five pairs of a label and a value.
FIELDS_LIMIT = 10
# The limit for one login in the text of a digest, so that the text has several.
TEXT_LINE_LIMIT = 700
# The most logins in one message, well within Slack's 50 blocks.
DIGEST_LIMIT = 40
# The limit for all blocks of a digest, as JSON. Slack answered msg_blocks_too_long above 13,200.
DIGEST_CHARACTERS = 12800
# The size of a block without its text.
BLOCK_CHARACTERS = 80
# Slack's placeholders for the reader's date and time.
READERS_TIME = "{date_num} {time_secs}"
NEW_WEBHOOK = "create a new one in Slack (Apps, Incoming Webhooks) and run the role again with it"
DEFECT = "Slack refuses the message itself; that is a defect of this program, please report it"
# What to do about each answer.
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
    "rate_limited": "too many messages for this workspace right now; it is tried again when Slack allows it",
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
        """Return the first of these alerts, as many as fit into a message."""
        return fitting(alerts, self.configuration, now)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in Slack's format."""
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
    """Return whether Slack has delivered the message."""
    return status == 200 and answer == "ok"


def is_refused(status: int, answer: str) -> bool:
    """Return whether Slack refuses this message for good. Only its own words count: other hosts answer 400 too."""
    return 400 <= status < 500 and MENDS.get(answer) == DEFECT


def is_closed(status: int, answer: str) -> bool:
    """Return whether Slack accepts nothing from this webhook, in its own words. Somebody may open it again."""
    return 400 <= status < 500 and answer in MENDS and MENDS[answer] not in (DEFECT, RATE_LIMITED)


def may_be_taken(status: int, answer: str) -> bool:
    """Return whether the message may be in the channel although the answer is not Slack's.

    A workflow's webhook or a relay answers like that. An HTML page comes from a portal or a filter, which has not
    forwarded the message.
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
            "Slack's incoming webhooks do not answer like that, but the message may be in the channel; "
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
    """Return a block that notifies those whom the rules name for these alerts, each once; none if they name nobody.

    Slack notifies only by mrkdwn (docs.slack.dev, "Formatting message text"). The text comes only from the settings,
    and settings.py accepts nothing but one mention.
    """
    found = list(dict.fromkeys(mention for alert in alerts for mention in alert.get("mentions", ())))
    return [{"type": "section", "text": {"type": "mrkdwn", "text": " ".join(found)}}] if found else []


def _links(alert: "Alert", configuration: "Configuration") -> "List[Dict[str, Any]]":
    found = [f"<{escape(url)}|{escape(title)}>" for title, url in wording.links(alert, configuration)]
    elements = [{"type": "mrkdwn", "text": link, "verbatim": True} for link in found]
    return [{"type": "context", "elements": elements}] if elements else []


def _date(alert: "Alert", configuration: "Configuration") -> "Dict[str, Any]":
    """Return the time in the reader's zone, and in UTC for clients that can't show that."""
    shown = configuration.say("reader", time=READERS_TIME)
    instead = datetime.fromtimestamp(alert["time"], timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = f"<!date^{int(alert['time'])}^{escape(shown)}|{instead}>"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def add_dropped(message: "Dict[str, Any]", dropped: int, say: "Language") -> None:
    """Add to a message, below its headline, how many older alerts a limit has dropped."""
    sentence = wording.dropped(dropped, say)
    message["blocks"].insert(1, {"type": "context", "elements": [_plain(sentence, FIELD_LIMIT)]})
    message["text"] += "\n" + escape(sentence)


def fitting(alerts: "List[Alert]", configuration: "Configuration", now: float) -> "List[Alert]":
    """Return the first of these alerts, as many as fit into a digest: at least one, at most DIGEST_LIMIT."""
    characters = _characters([_header("x" * HEADER_LIMIT), *_mentions(alerts[:DIGEST_LIMIT])])
    for number, alert in enumerate(alerts[:DIGEST_LIMIT]):
        characters += _characters(_digest_line(alert, configuration, now)) + BLOCK_CHARACTERS
        if number and characters > DIGEST_CHARACTERS:
            return alerts[:number]
    return alerts[:DIGEST_LIMIT]


def _characters(part: "Any") -> int:
    """Return how many characters a part takes in the JSON of a message, without escapes for non-ASCII characters."""
    return len(json.dumps(part, ensure_ascii=False))


def digest(alerts: "List[Alert]", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return one message for a backlog that fits: a line for each login, without merging any."""
    headline = wording.digest_headline(alerts, configuration)
    blocks: List[Dict[str, Any]] = [_header(headline), *_mentions(alerts)]
    for alert in alerts:
        text = {"type": "plain_text", "text": _digest_line(alert, configuration, now), "emoji": False}
        blocks.append({"type": "section", "text": text})
    return _message("\n".join(_first_lines(headline, alerts, configuration, now)), blocks)


def _first_lines(headline: str, alerts: "List[Alert]", configuration: "Configuration", now: float) -> "List[str]":
    """Return a digest's headline and its first lines without ids, escaped, and how many more there are."""
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
    # Slack refuses a message that contains an empty text (Block Kit, text object: at least one character).
    return {"type": "plain_text", "text": _cut(escape(text), limit) or "-", "emoji": False}


def _cut(escaped: str, limit: int) -> str:
    """Truncate an escaped text, but never within an escape."""
    if len(escaped) <= limit:
        return escaped
    kept = escaped[: limit - 1]
    start = kept.rfind("&", max(len(kept) - 4, 0))
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + CUT
