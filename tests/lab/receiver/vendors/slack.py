# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack's incoming webhook. Its rules are in validation.py, blocks.py and mrkdwn.py."""

from __future__ import annotations

from typing import Mapping

from .. import validation
from ..verdict import Answer, Verdict
from ..view import view

ANSWERS = {
    "refused": (400, "invalid_payload"), "closed": (404, "no_service"), "limited": (429, "rate_limited"),
    "broken": (500, "rollup_error"),
}  # fmt: skip


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one request as Slack does."""
    verdict = validation.judge(method, path, headers, body)
    verdict.shown = view(verdict.payload)
    return verdict


def answer(how: str, seconds: int) -> Answer:
    """Return Slack's answer."""
    status, words = ANSWERS[how]
    return Answer(status, words, (("Retry-After", str(seconds)),) if how == "limited" else ())
