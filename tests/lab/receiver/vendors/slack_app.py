# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack's Web API, reduced to `chat.postMessage` and `auth.test`. A message is judged as that of a webhook.

Source: docs.slack.dev, "Using the Slack Web API", "chat.postMessage" (Arguments, Errors), "Rate limits". Nearly every
answer has the status 200. A thread exists until this process ends; on Slack, until its first message is deleted.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any, Mapping

from .. import validation
from ..verdict import JSON_ANSWER, Answer, Verdict
from ..view import view

TOKEN = re.compile(r"Bearer xoxb-[A-Za-z0-9-]{8,}")
CHANNEL = re.compile(r"[CGD][A-Z0-9]{5,20}|#[^\s#@<>&]{1,80}")
OWN_KEYS = ("channel", "reply_broadcast", "thread_ts")
WEBHOOK_PATH = "/services/T0/B0/x"
SAYS = {
    "refused": (200, "invalid_blocks"), "closed": (200, "channel_not_found"), "limited": (429, "ratelimited"),
    "broken": (503, "service_unavailable"),
}  # fmt: skip
# The messages of this process, by their timestamps.
numbers = itertools.count(1)
timestamps: set[str] = set()


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Slack does."""
    if path == "/api/auth.test":
        verdict = Verdict(answer=json.dumps({"ok": True, "team": "loginwatch"}), headers=JSON_ANSWER)
    else:
        verdict = _message(method, path, headers, body)
    if not TOKEN.fullmatch(headers.get("authorization", "")):
        verdict.findings.add("request", "no bot token in Authorization")
        verdict.refuse(200, _error("not_authed"), JSON_ANSWER)
    if path == "/api/auth.test":
        verdict.accepted = False  # not a message
    elif verdict.accepted:
        verdict.answer = json.dumps(_posted(verdict.payload))
    return verdict


def _message(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    try:
        sent = json.loads(body)
    except ValueError:
        sent = None
    sent = sent if isinstance(sent, dict) else {}
    own = {name: sent[name] for name in OWN_KEYS if name in sent}
    message = json.dumps({name: part for name, part in sent.items() if name not in own}).encode()
    verdict = validation.judge(method, WEBHOOK_PATH, headers, message)
    verdict.shown = view(verdict.payload)
    if verdict.findings.problems:
        verdict.status, verdict.answer = 200, _error("invalid_blocks")
    verdict.headers = JSON_ANSWER
    verdict.payload = sent
    if path != "/api/chat.postMessage":
        verdict.findings.add("request", "the path is not /api/chat.postMessage")
        verdict.refuse(200, _error("unknown_method"), JSON_ANSWER)
    if not CHANNEL.fullmatch(str(own.get("channel"))):
        verdict.findings.add("channel", "is neither an id nor a name")
        verdict.refuse(200, _error("channel_not_found"), JSON_ANSWER)
    if "thread_ts" in own and own["thread_ts"] not in timestamps:
        verdict.refuse(200, _error("thread_not_found"), JSON_ANSWER)
    if "reply_broadcast" in own and ("thread_ts" not in own or not isinstance(own["reply_broadcast"], bool)):
        verdict.findings.add("reply_broadcast", "must be true or false, and is for replies")
    return verdict


def _posted(payload: dict[str, Any]) -> dict[str, Any]:
    timestamp = f"{int(time.time())}.{next(numbers):06d}"
    timestamps.add(timestamp)
    return {"ok": True, "channel": payload["channel"], "ts": timestamp, "message": dict(payload, type="message")}


def _error(words: str) -> str:
    return json.dumps({"ok": False, "error": words})


def answer(how: str, seconds: int) -> Answer:
    """Return Slack's answer."""
    status, words = SAYS[how]
    pause = (("Retry-After", str(seconds)),) if how == "limited" else ()
    return Answer(status, _error(words), (*JSON_ANSWER, *pause))
