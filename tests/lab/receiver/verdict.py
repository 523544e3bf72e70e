# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A vendor's answer to a request, and the checks that all vendors share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from .mrkdwn import Findings

# The header of a JSON answer. Other answers are plain text.
JSON_ANSWER = (("Content-Type", "application/json"),)


@dataclass(frozen=True)
class Answer:
    """An answer in a vendor's own words."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Verdict:
    """A vendor's judgement of a request.

    status, answer, headers: the HTTP status, the body, and the headers besides those of every answer
    payload: the parsed body, or None if it can't be read
    warnings: what the vendor accepts but a good client avoids
    findings: see `mrkdwn.Findings`
    shown: see `view.view`; the vendor sets it for a message that it accepts
    """

    status: int = 200
    answer: str = "ok"
    headers: tuple[tuple[str, str], ...] = ()
    payload: Any = None
    warnings: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    shown: dict[str, Any] = field(default_factory=dict)
    accepted: bool = True

    def refuse(self, status: int, answer: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse the request. Only the first reason is kept, because a vendor reports only one."""
        if self.accepted:
            self.status, self.answer, self.headers, self.accepted = status, answer, headers, False


def check_encoding(headers: Mapping[str, str], findings: Findings) -> None:
    """Add every problem with the type and the encoding of a JSON request to `findings`."""
    kind = re.split(r"\s*;\s*", headers.get("content-type", "").lower())
    if kind[0] != "application/json" or any(part != "charset=utf-8" for part in kind[1:]):
        findings.add("request", f"Content-Type {headers.get('content-type')!r}: must be application/json in UTF-8")
    if headers.get("content-encoding", "identity") != "identity":
        findings.add("request", "Content-Encoding: a webhook takes no compressed body")


def json_object(body: bytes, findings: Findings) -> dict[str, Any] | None:
    """Return the JSON object of the body, read strictly, or None if it is not one."""

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
