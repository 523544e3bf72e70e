# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The behaviour of the webhooks: a list of rules that a test sets, each for some requests or for all that follow."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable

STAGES = ("accept", "request", "answer")


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any(character in value for character in "\r\n")


def _count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < math.inf


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(value == known and type(value) is type(known) for known in values)


# mode: {option: (check, default)}; a default of ... means that the option must be given.
MODES: dict[str, dict[str, tuple[Callable[[Any], bool], Any]]] = {
    "ok": {},
    "status": {"status": (lambda value: type(value) is int and 200 <= value <= 599, ...), "answer": (_text, ""),
               "retry_after": (_text, None)},
    # In the vendor's own words. `limited` requests a pause.
    "refused": {},
    "closed": {},
    "limited": {"seconds": (_count, 1)},
    "broken": {},
    "rate_limit": {"per_second": (_positive, 1.0), "burst": (_count, 1)},
    "hang": {"at": (_one_of("accept", "request"), "request")},
    "reset": {"at": (_one_of(*STAGES), "request")},
    "close": {"at": (_one_of(*STAGES), "request")},
    "garbage": {},
    "slow": {"interval": (_positive, 1.0)},
    "endless": {"part": (_one_of("headers", "line", "continue", "body"), "headers")},
    "huge": {"bytes": (_count, 10**10), "gzip": (_one_of(True, False), False)},
    "redirect": {"location": (_text, ...), "status": (_one_of(301, 302, 303, 307, 308), 302)},
    "certificate": {"kind": (_one_of("expired", "wrong-name", "unknown-ca"), ...)},
}  # fmt: skip
COMMON: dict[str, tuple[Callable[[Any], bool], Any]] = {
    "times": (_count, None),
    "containing": (_text, None),
    "channel": (_text, None),
    "delivered": (_one_of(True, False), None),
}

# Slack's words, for a rule that gives a status without an answer.
ANSWERS = {
    200: "ok", 400: "invalid_payload", 403: "action_prohibited", 404: "no_service", 410: "channel_is_archived",
    429: "rate_limited", 500: "rollup_error",
}  # fmt: skip


@dataclass
class Rule:
    """One rule.

    times: how many more requests it applies to (None: no limit)
    containing: only requests whose body contains this text
    channel: only channels of this kind, or only this channel, `discord/ops` (None: all)
    delivered: whether a message that meets this rule is in the channel afterwards
    """

    mode: str = "ok"
    options: dict[str, Any] = field(default_factory=dict)
    times: int | None = None
    containing: str | None = None
    channel: str | None = None
    delivered: bool = True
    served: int = 0

    @property
    def stage(self) -> str:
        """When the rule applies: as a connection is accepted, or after a request was read."""
        return "accept" if self.mode == "certificate" or self.options.get("at") == "accept" else "request"

    def as_json(self) -> dict[str, Any]:
        return {
            "mode": self.mode, **self.options, "times": self.times, "containing": self.containing,
            "channel": self.channel, "delivered": self.delivered, "served": self.served,
        }  # fmt: skip

    def fits(self, channel: str, body: bytes) -> bool:
        """Return whether the rule applies to this request to a channel (vendors.channel)."""
        is_there = self.channel in (None, channel, channel.partition("/")[0])
        return is_there and (self.containing is None or self.containing.encode() in body)


def parse_rule(wanted: Any) -> Rule:
    """Parse a rule from JSON. Raises ValueError with the reason."""
    if not isinstance(wanted, dict) or wanted.get("mode") not in MODES:
        raise ValueError(f"a rule is an object with a mode, one of {', '.join(MODES)}")
    known = {**MODES[wanted["mode"]], **COMMON}
    options = {}
    for key in sorted(set(wanted) - set(known) - {"mode"}):
        raise ValueError(f"{wanted['mode']}: unknown option {key!r}, known are {', '.join(known)}")
    for key, (check, default) in known.items():
        value = wanted.get(key, default)
        if value is ... or (value is not default and value is not None and not check(value)):
            raise ValueError(f"{wanted['mode']}: {key} is {'missing' if value is ... else 'wrong'}")
        options[key] = value
    times, containing, channel, delivered = (options.pop(key) for key in COMMON)
    rule = Rule(wanted["mode"], options, times, containing, channel)
    if rule.stage == "accept" and (containing, channel) != (None, None):
        raise ValueError(f"{rule.mode}: a rule that takes hold before the request cannot look at what it contains")
    rule.delivered = _usually_delivered(rule) if delivered is None else delivered
    return rule


def _usually_delivered(rule: Rule) -> bool:
    if rule.mode == "status":
        return rule.options["status"] < 300
    if rule.mode in ("reset", "close"):
        return rule.options["at"] == "answer"
    if rule.mode == "endless":
        return rule.options["part"] == "body"
    return rule.mode in ("ok", "rate_limit", "slow", "huge")


class Behaviour:
    """The rules in force. The first one that fits a request applies. Without any, the webhook behaves normally."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._tokens = 0.0
        self._filled_at = 0.0

    def set(self, wanted: Any) -> list[dict[str, Any]]:
        """Replace all rules by one rule or a list of rules (JSON), and return the rules in force."""
        rules = [parse_rule(rule) for rule in (wanted if isinstance(wanted, list) else [wanted])]
        with self._lock:
            self._rules = rules
            self._tokens, self._filled_at = math.inf, time.monotonic()
        return self.as_json()

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [rule.as_json() for rule in self._rules]

    def at_accept(self) -> Rule:
        """Return the rule for a new connection. Only the first rule in force counts."""
        with self._lock:
            if self._rules and self._rules[0].stage == "accept":
                return self._use(self._rules[0])
        return Rule()

    def at_request(self, channel: str, body: bytes) -> Rule:
        """Return the rule for a request. A connection from before an "accept" rule was set meets it here."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(channel, body):
                    if rule.mode == "rate_limit":
                        return self._limit(rule)
                    return self._use(rule)
        return Rule()

    def _use(self, rule: Rule) -> Rule:
        rule.served += 1
        if rule.times is not None:
            rule.times -= 1
            if not rule.times:
                self._rules.remove(rule)
        return rule

    def _limit(self, rule: Rule) -> Rule:
        """Apply a token bucket: `per_second` tokens flow in, at most `burst` are kept, each message takes one."""
        now, rate, burst = time.monotonic(), rule.options["per_second"], rule.options["burst"]
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        used = self._use(rule)
        if self._tokens >= 1:
            self._tokens -= 1
            return Rule(served=used.served)
        wait = max(1, math.ceil((1 - self._tokens) / rate))
        return Rule("limited", {"seconds": wait}, delivered=False)
