# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for one request to an incoming webhook, and Slack's answer to it.

Source: Slack's "Sending messages using incoming webhooks", section "Handling errors", and "Changes to errors for
incoming webhooks" (2016): 400 `invalid_payload` is a request that can't be understood or whose text is not escaped.
In practice Slack answers `invalid_blocks` to bad blocks and `no_text` to an empty message. Both are undocumented.
"""

from __future__ import annotations

import json
import re
from typing import Mapping

from .blocks import check_blocks
from .mrkdwn import inspect
from .verdict import Verdict, check_encoding, json_object

WEBHOOK_PATH = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9_-]+")

MAX_TEXT = 40_000
RECOMMENDED_TEXT = 4_000
# Undocumented. chat.postMessage refuses about this much with msg_blocks_too_long (slackapi/bolt-js, issue 2509).
RISKY_BLOCKS = 13_000

FLAGS = ("mrkdwn", "unfurl_links", "unfurl_media")
KNOWN_KEYS = {"text", "blocks", "thread_ts", *FLAGS}


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request. `headers` is a mapping with lower-case names."""
    verdict = Verdict()
    if method != "POST":
        verdict.findings.add("request", f"{method}: a webhook takes POST")
        verdict.refuse(405, "method_not_allowed")
    if not WEBHOOK_PATH.fullmatch(path):
        verdict.findings.add("request", "the path is not of the form /services/T…/B…/secret")
        verdict.refuse(404, "no_service")
    if not headers.get("user-agent"):
        verdict.warnings.append("no User-Agent: nobody at Slack could tell who sends this")
    check_encoding(headers, verdict.findings)
    verdict.payload = json_object(body, verdict.findings)
    if isinstance(verdict.payload, dict):
        _check_message(verdict.payload, verdict)
    if verdict.findings.problems:
        verdict.refuse(400, "invalid_payload")
    return verdict


def _check_message(payload: dict, verdict: Verdict) -> None:
    findings = verdict.findings
    for key in sorted(set(payload) - KNOWN_KEYS):
        findings.add("payload", _why_not(key))
    for key in FLAGS:
        if not isinstance(payload.get(key, False), bool):
            findings.add(key, "must be true or false")
    if "text" not in payload and "blocks" not in payload:
        findings.add("payload", "neither text nor blocks")
        verdict.refuse(400, "no_text")
        return
    _check_fallback(payload, verdict)
    if "blocks" in payload:
        earlier = len(findings.problems)
        check_blocks(payload["blocks"], findings)
        # Slack enforces the rules for blocks, but accepts a missing escape. We are stricter there.
        if not earlier and any("unescaped" not in problem for problem in findings.problems):
            verdict.refuse(400, "invalid_blocks")
        size = len(json.dumps(payload["blocks"], ensure_ascii=False, separators=(",", ":")))
        if size > RISKY_BLOCKS:
            verdict.warnings.append(f"blocks of {size} characters: Slack refuses messages from about {RISKY_BLOCKS} on")


def _why_not(key: str) -> str:
    if key in ("channel", "username") or key.startswith("icon_"):
        return f"{key}: a webhook's channel, name and icon are fixed when it is made"
    return f"unknown key {key[:40]!r}"


def _check_fallback(payload: dict, verdict: Verdict) -> None:
    """Check the top-level `text`. Notifications and screen readers use it, so it is required with blocks too."""
    text, findings = payload.get("text"), verdict.findings
    if not isinstance(text, str) or not text.strip():
        findings.add("text", "must be a text that is not empty, also beside blocks")
        return
    if len(text) > MAX_TEXT:
        findings.add("text", f"{len(text)} characters: Slack cuts it off after {MAX_TEXT}")
    elif len(text) > RECOMMENDED_TEXT:
        verdict.warnings.append(f"text of {len(text)} characters: Slack recommends at most {RECOMMENDED_TEXT}")
    inspect(text, "text", findings, parsed="blocks" not in payload and payload.get("mrkdwn", True) is True)
