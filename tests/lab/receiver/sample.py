# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An alert as the notifier sends it, for the picture and for the receiver's own tests."""

from __future__ import annotations

import json
import time

from .blocks import MAX_HEADER
from .mrkdwn import escape

FIELDS = {
    "Person": "Ada Lovelace",
    "User": "deploy",
    "Server": "web-3",
    "Type": "SSH (interactive)",
    "From": "203.0.113.50 port 45006",
    "Time": "2026-11-23 06:41:07 UTC",
    "Key": "publickey ED25519 SHA256:8s1J9Qh0pTzV4mJdY2kW6xNcR3bLfUoEaGi5tHvKyZw",
}
# A value in the headline is not repeated as a field.
HEADLINE = "{Person} as {User} on {Server}"
ID = "1795416067.482913-4242"


def alert(identifier: str = ID, **changed: str) -> dict:
    """Return the message (to be sent as JSON) for FIELDS with some of them `changed`. The texts are escaped."""
    fields = {**FIELDS, **changed}
    headline = HEADLINE.format(**{label: _name(value) for label, value in fields.items()})
    fits = len(escape(headline)) <= MAX_HEADER
    shown = {label: value for label, value in fields.items() if not fits or f"{{{label}}}" not in HEADLINE}
    labels = [{"type": "mrkdwn", "text": f"*{label}*"} for label in shown]
    cells = [cell for pair in zip(labels, map(_plain, shown.values())) for cell in pair]
    return {
        "text": escape("{}: {Type} · from {From} · {Time} · {Key}".format(headline, **fields)),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain(headline if fits else "A login with longer names than a headline takes")},
            *({"type": "section", "fields": cells[start : start + 10]} for start in range(0, len(cells), 10)),
            {"type": "context", "elements": [_plain(f"id {identifier}")]},
        ],
    }


def alert_of_now() -> dict:
    """Return the alert of a login that happens now."""
    now = time.time()
    return alert(f"{now:.6f}-4242", Time=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _name(text: str) -> str:
    """Return a name as the notifier shows it: quoted as JSON if its end would be unclear."""
    return text if text.replace(" ", "").replace("-", "").isalnum() else json.dumps(text)


def _plain(text: str) -> dict:
    return {"type": "plain_text", "text": escape(text), "emoji": False}
