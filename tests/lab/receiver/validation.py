# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for one request to an incoming webhook, and what Slack answers to it.

Source: Slack's "Sending messages using incoming webhooks", section "Handling errors", and "Changes to errors for
incoming webhooks" (2016): 400 `invalid_payload` is a request that cannot be understood or whose text is not escaped.
That refused blocks are answered by `invalid_blocks` and an empty message by `no_text` is what Slack does in practice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from .blocks import check_blocks
from .mrkdwn import Findings, inspect

WEBHOOK_PATH = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9_-]+")

MAX_TEXT = 40_000
RECOMMENDED_TEXT = 4_000
# Not documented; chat.postMessage refuses about this much with msg_blocks_too_long (slackapi/bolt-js, issue 2509).
RISKY_BLOCKS = 13_000

FLAGS = ("mrkdwn", "unfurl_links", "unfurl_media")
KNOWN_KEYS = {"text", "blocks", "thread_ts", *FLAGS}


@dataclass
class Verdict:
    """What Slack would say to a request.

    status, answer: the HTTP status and body. payload: the JSON that was sent, None where there is none.
    warnings: what Slack takes but a good client avoids. findings: see `mrkdwn.Findings`.
    """

    status: int = 200
    answer: str = "ok"
    payload: Any = None
    warnings: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    @property
    def accepted(self) -> bool:
        return self.status == 200

    def refuse(self, status: int, answer: str) -> None:
        """Keep the first reason: Slack tells only one."""
        if self.accepted:
            self.status, self.answer = status, answer


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request. `headers` is a mapping that takes lower-case names."""
    verdict = Verdict()
    if method != "POST":
        verdict.findings.add("request", f"{method}: a webhook takes POST")
        verdict.refuse(405, "method_not_allowed")
    if not WEBHOOK_PATH.fullmatch(path):
        verdict.findings.add("request", "the path is not of the form /services/T…/B…/secret")
        verdict.refuse(404, "no_service")
    if not headers.get("user-agent"):
        verdict.warnings.append("no User-Agent: nobody at Slack could tell who sends this")
    _check_encoding(headers, verdict.findings)
    verdict.payload = _parse(body, verdict.findings)
    if isinstance(verdict.payload, dict):
        _check_message(verdict.payload, verdict)
    if verdict.findings.problems:
        verdict.refuse(400, "invalid_payload")
    return verdict


def _check_encoding(headers: Mapping[str, str], findings: Findings) -> None:
    kind = re.split(r"\s*;\s*", headers.get("content-type", "").lower())
    if kind[0] != "application/json" or any(part != "charset=utf-8" for part in kind[1:]):
        findings.add("request", f"Content-Type {headers.get('content-type')!r}: must be application/json in UTF-8")
    if headers.get("content-encoding", "identity") != "identity":
        findings.add("request", "Content-Encoding: a webhook takes no compressed body")


def _parse(body: bytes, findings: Findings) -> Any:
    """Return the JSON object of the body, strictly read; None where it is not one."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict:
        keys = [key for key, _ in pairs]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            findings.add("payload", f"the key {key[:40]!r} occurs twice")
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        payload = json.loads(body.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        findings.add("payload", f"not JSON in UTF-8: {error}")
        return None
    if not isinstance(payload, dict):
        findings.add("payload", "must be a JSON object")
        return None
    return payload


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
        # Slack itself enforces the rules for blocks, but lets a forgotten escape through: that is our own strictness.
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
    """Check the top-level `text`: notifications and screen readers use it, so we require it beside blocks too."""
    text, findings = payload.get("text"), verdict.findings
    if not isinstance(text, str) or not text.strip():
        findings.add("text", "must be a text that is not empty, also beside blocks")
        return
    if len(text) > MAX_TEXT:
        findings.add("text", f"{len(text)} characters: Slack cuts it off after {MAX_TEXT}")
    elif len(text) > RECOMMENDED_TEXT:
        verdict.warnings.append(f"text of {len(text)} characters: Slack recommends at most {RECOMMENDED_TEXT}")
    inspect(text, "text", findings, parsed="blocks" not in payload and payload.get("mrkdwn", True) is True)
