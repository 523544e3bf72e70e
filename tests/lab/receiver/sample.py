# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An alert of the shape that the notifier sends, for the picture and for the receiver's own tests."""

from __future__ import annotations

import time

from .mrkdwn import escape

FIELDS = {
    "Server": "web-3",
    "User": "deploy",
    "From": "203.0.113.50 port 45006",
    "Type": "SSH (interactive)",
    "Time": "2026-11-23 06:41:07 UTC (+0000)",
    "Key": "publickey ED25519 SHA256:8s1J9Qh0pTzV4mJdY2kW6xNcR3bLfUoEaGi5tHvKyZw",
    "Person": "Ada Lovelace",
}
ID = "1795416067.482913-4242"


def alert(identifier: str = ID, **changed: str) -> dict:
    """Return the message (what is sent as JSON) for FIELDS, of which some may be `changed`. The texts are escaped."""
    fields = {**FIELDS, **changed}
    pairs = [[{"type": "mrkdwn", "text": f"*{label}*"}, _plain(value)] for label, value in fields.items()]
    return {
        "text": escape("{Type} login on {Server}: {User} from {From}".format(**fields)),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain("{User} logged in on {Server}".format(**fields))},
            {"type": "section", "fields": [item for pair in pairs[:5] for item in pair]},
            {"type": "section", "fields": [item for pair in pairs[5:] for item in pair]},
            {"type": "context", "elements": [_plain(f"id {identifier}")]},
        ],
    }


def alert_of_now() -> dict:
    """Return the alert of a login at this moment."""
    now = time.time()
    return alert(f"{now:.6f}-4242", Time=time.strftime("%Y-%m-%d %H:%M:%S UTC (+0000)", time.gmtime(now)))


def _plain(text: str) -> dict:
    return {"type": "plain_text", "text": escape(text), "emoji": False}
