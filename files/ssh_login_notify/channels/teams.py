# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Microsoft Teams workflow with the trigger "When a Teams webhook request is received": an alert as an Adaptive Card.

The envelope is that of "Create Incoming Webhooks with Workflows for Microsoft Teams" (support.microsoft.com): a message
whose attachments are cards. The card uses version 1.4 of the schema (adaptivecards.io/explorer), which Teams shows on
every client. Its size is limited to about 28 KB ("Limits and specifications for Microsoft Teams", and the Teams
connector's known issues). Above that, the flow accepts the request and fails later, so the limit here is well below.

Every text of a message is in a TextRun: "Markdown is not supported" there (the schema), so nothing in it is markup.
Only `{{DATE(…)}}` and `{{TIME(…)}}` are replaced even there ("Text features", learn.microsoft.com), so a text that
contains them is split. A mention needs an entry in `msteams.entities`, and there is none.

The answers are those of Azure Logic Apps, on which workflows run: 202 for a request that starts a run; error codes are
in `error.code`.
"""

import json
import re
from datetime import datetime, timezone

from .. import wording
from ..text import SEPARATOR
from ..transport import Answer
from . import DELIVERED, Verdict, WebChannel, is_page, layout, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..alert import Alert

    Element = Dict[str, Any]

# In bytes of JSON. Teams documents 28 KB, but has refused less (the Ruby gem msteams_hermes uses 21,000).
CARD_LIMIT = 20000
# The share of all values of one alert.
VALUES_BYTES = 14000
# The share of one value.
VALUE_BYTES = 4000
HEADLINE_BYTES = 3000
# The share of the headline, the id and the sentence about dropped alerts in a digest.
BESIDE_BYTES = 5000
# The size of an element without its text.
ELEMENT_BYTES = 150
LABEL_WIDTH = "90px"
CARD = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
VERSION = "1.4"
# By layout.gravity.
COLOURS = ("Default", "Warning", "Attention")
# The beginning of what Adaptive Cards replace in a TextRun.
REPLACED = re.compile(r"\{(?=\{(?:DATE|TIME)\()")
NOTHING = {"type": "message", "attachments": []}
NEW_WORKFLOW = "make a new workflow in Teams (trigger: When a Teams webhook request is received) and run the role again"
COPY = "copy the whole URL from the workflow's trigger again and run the role again with it"
# The service's permanent answers about the workflow, and what to do.
CLOSING = {
    "WorkflowTriggerIsNotEnabled": "the workflow is turned off or was deleted; turn it on, or " + NEW_WORKFLOW,
    "WorkflowNotFound": "the workflow was deleted; " + NEW_WORKFLOW,
    "WorkflowTriggerNotFound": "the workflow has another trigger now; " + NEW_WORKFLOW,
    "DirectApiAuthorizationRequired": f"the URL has no signature, or the trigger does not let anyone post: {COPY}",
    "DirectApiInvalidAuthorizationScheme": f"the URL's signature is wrong: {COPY}",
    "AuthorizationFailed": f"the URL's signature is wrong: {COPY}",
    "AccessDenied": "the trigger does not let anyone post: set who can trigger the workflow to Anyone",
}
# The service's answers about a message.
REFUSING = ("TriggerInputSchemaMismatch", "InvalidRequestContent", "RequestEntityTooLarge")


class Channel(WebChannel):
    """A workflow's webhook. settings: `url`."""

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit into a card."""
        room = CARD_LIMIT - BESIDE_BYTES
        first = alerts[: self.DIGEST_LIMIT]
        return layout.fitting(first, room, lambda alert: size(self._line(alert, now)) + ELEMENT_BYTES)

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in the format of a workflow."""
        is_digest = len(alerts) > 1
        if is_digest:
            headline = wording.digest_headline(alerts, self.configuration)
            body = [dict(_text(self._line(alert, now)), separator=True) for alert in alerts]
            actions: List[Element] = []
        else:
            headline, fields = wording.single(alerts[0], self.configuration, now, lambda text: True)
            values = layout.cut_all([field.value for field in fields], VALUES_BYTES, VALUE_BYTES, size)
            local = _local(alerts[0]["time"])
            body = [
                _row(field.label, value, local if field.name == "Time" else "") for field, value in zip(fields, values)
            ]
            body.append(_text("id " + alerts[0]["id"], size="Small", isSubtle=True))
            links = wording.links(alerts[0], self.configuration)
            actions = [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links]
        headline = layout.cut(headline, HEADLINE_BYTES, size)
        if dropped:
            body.insert(0, _text(wording.dropped(dropped, self.configuration.say), isSubtle=True))
        colour = COLOURS[layout.gravity(alerts)]
        body.insert(0, _text(headline, size="Medium", weight="Bolder", color=colour))
        card: Element = {"$schema": SCHEMA, "type": "AdaptiveCard", "version": VERSION, "body": body}
        card.update({"fallbackText": headline, "msteams": {"width": "Full"}})
        if actions:
            card["actions"] = actions
        return json.dumps({"type": "message", "attachments": [{"contentType": CARD, "content": card}]}).encode("ascii")

    def _line(self, alert: "Alert", now: float) -> str:
        return layout.line(alert, self.configuration, now, 3 * layout.LINE_LIMIT, size)

    def knock(self) -> "Optional[Answer]":
        """Run the workflow for a message without a card, so that it posts nothing."""
        return self.transport.post(json.dumps(NOTHING).encode("ascii"))

    def read(self, answer: "Answer") -> Verdict:
        """Return what the service's answer means."""
        if answer.status == 202 and not is_page(answer.text):
            return Verdict(DELIVERED, "", None)
        code = layout.word(layout.inner(parsed(answer), "error"), "code")
        return layout.settled(answer, [code], CLOSING, REFUSING, "the workflow")


def runs(text: str, **style: "Any") -> "List[Element]":
    """Return a plain text as TextRuns that show it."""
    return [dict(style, type="TextRun", text=part) for part in REPLACED.sub("{\0", text).split("\0")]


def size(text: str) -> int:
    """Return how many bytes a plain text takes as TextRuns."""
    return len(json.dumps(runs(text)))


def _text(text: str, **style: "Any") -> "Element":
    return {"type": "RichTextBlock", "inlines": runs(text or "-", **style)}


def _row(label: str, value: str, local: str) -> "Element":
    """Return a row with a label and a value.

    local: placeholders that Teams replaces by the time in the reader's zone (_local), "" for none
    """
    shown = _text(value)
    if local:
        shown["inlines"] += [{"type": "TextRun", "text": SEPARATOR + local, "isSubtle": True}]
    columns = [
        {"type": "Column", "width": LABEL_WIDTH, "items": [_text(label, weight="Bolder")]},
        {"type": "Column", "width": "stretch", "items": [shown]},
    ]
    return {"type": "ColumnSet", "spacing": "Small", "columns": columns}


def _local(seconds: float) -> str:
    """Return what Adaptive Cards replace by date and time in the reader's zone (RFC 3339, whole seconds)."""
    when = datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{{{{DATE({when}, SHORT)}}}} {{{{TIME({when})}}}}"
