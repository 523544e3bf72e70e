# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sender last did, for `status` and for its own next run: state/sender.json.

The service user can write to it, so root uses nothing of it unchecked.
"""

import json
import time

from .journal import trouble
from .spool import Spool
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Entry = Dict[str, Any]

# How many deliveries are remembered: a caller who waits for one must not lose it to those of other logins.
RECENT = 200
# The file is read no further; it is always smaller.
LARGEST_BYTES = 1 << 20
# A pause is never longer. One that looks longer comes from a jump of the clock.
LONGEST_PAUSE_SECONDS = 3700
# Seconds since the epoch, up to the year 2242: localtime(3) has an end too.
NUMBER = (int, float)
LATEST = 1 << 33
NEVER = float(LATEST - 1)
DELIVERY = {"id": str, "user": str, "from": str, "login_time": NUMBER, "delivered_at": NUMBER, "status": int}
TROUBLE = {"since": NUMBER, "what": str, "mend": str}
PING = {"at": NUMBER, "well": bool, "answer": str}
# A login that needed no message. rule: the number of the rule in `ignore` that says so, from 1 on.
IGNORED = {"id": str, "from": str, "rule": int, "at": NUMBER}
# An alert that was not delivered although its contents were seen. unsure: how often something answered as if it was
# delivered. lost: how often no answer came, so that it may have been delivered.
TRIED = {"tries": int, "unsure": int, "lost": int, "status": (int, type(None)), "at": NUMBER, "again_at": NUMBER}
MOST_TRIED = 1000
ANSWER = {"id": str, "from": str, "status": (int, type(None)), "answer": str, "mend": str, "at": NUMBER}

# The attributes that state/sender.json holds, by their names.
KEPT = (
    "recent", "trouble", "last_answer", "not_before", "agreed_at", "asked", "last_ping", "dropped", "untold",
    "failures", "tried", "ignored",
)  # fmt: skip


class State:
    """recent: the last deliveries, the newest last. trouble: why alerts wait, and since when, None when none waits.
    last_answer: the answer to the last alert that was not delivered, None after a delivery.
    not_before: nothing is tried before that time (seconds since the epoch). agreed_at: when this pause began. asked:
    whether Slack asked for it, so that every sender on this host obeys it.
    last_ping: the result of the last ping of the dead man's switch, None before the first.
    dropped: how many alerts a limit has dropped, in total. untold: how many of them no message has reported yet.
    ignored: the last logins that needed no message (IGNORED), the newest last: whoever waits for one has an answer.
    failures: failed tries since the last delivery. tried: what is known of alerts that failed (TRIED), by their ids;
    one with again_at is stuck: others go before it, and it is tried at that time.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.recent: List[Entry] = []
        self.trouble: Optional[Entry] = None
        self.last_answer: Optional[Entry] = None
        self.not_before = 0.0
        self.agreed_at = 0.0
        self.asked = False
        self.last_ping: Optional[Entry] = None
        self.dropped = 0
        self.untold = 0
        self.failures = 0
        self.tried: Dict[str, Entry] = {}
        self.ignored: List[Entry] = []
        try:
            kept = json.loads(spool.read("state", "sender.json", LARGEST_BYTES).decode("utf-8"))
            recent = [_checked(entry, DELIVERY) for entry in kept["recent"][-RECENT:]]
            self.recent = [entry for entry in recent if entry]
            self.trouble = _checked(kept["trouble"], TROUBLE)
            self.last_answer = _checked(kept.get("last_answer"), ANSWER)
            self.not_before = _time(kept["not_before"])
            self.agreed_at = _time(kept.get("agreed_at"))
            self.asked = kept.get("asked") is True
            self.last_ping = _checked(kept.get("last_ping"), PING)
            self.dropped, self.untold = _count(kept.get("dropped")), _count(kept.get("untold"))
            self.failures = _count(kept.get("failures"))
            tried = {name: _checked(entry, TRIED) for name, entry in (kept.get("tried") or {}).items()}
            self.tried = {name: entry for name, entry in tried.items() if entry}
            ignored = [_checked(entry, IGNORED) for entry in (kept.get("ignored") or [])[-RECENT:]]
            self.ignored = [entry for entry in ignored if entry]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            pass  # none yet, or damaged: then nothing is known, and nothing depends on it

    def delivered(self, deliveries: "List[Entry]", forgive: bool = True) -> None:
        """Remember deliveries (DELIVERY); their message has reported all that was dropped.

        forgive: the way was closed, so the alerts that failed meanwhile are not to blame, unless they are stuck
        """
        self.recent = (self.recent + deliveries)[-RECENT:]
        self.trouble = self.last_answer = None
        self.not_before = self.agreed_at = 0.0
        self.asked = False
        self.untold = self.failures = 0
        for sent in deliveries:
            self.tried.pop(sent["id"], None)
        if forgive:
            kept = {name: entry for name, entry in self.tried.items() if entry["again_at"] or entry["unsure"]}
            self.tried = kept
        self._keep()

    def refused(self, answer: "Entry") -> None:
        """Remember the answer to an alert (ANSWER)."""
        self.last_answer = answer
        self._keep()

    def ignore(self, logins: "List[Entry]") -> None:
        """Remember logins that needed no message (IGNORED)."""
        self.ignored = (self.ignored + logins)[-RECENT:]
        self._keep()

    def waiting(self, why: str, mend: str, seconds: float, asked: bool = False) -> None:
        """Remember why nothing can be delivered, for how long to pause, and whether Slack asked for that."""
        now = time.time()
        self.not_before, self.agreed_at, self.asked = now + seconds, now, asked
        self.troubled(why, mend)

    def in_vain(self, names: "List[str]", status: "Optional[int]", unsure: bool) -> None:
        """Remember that a message with these alerts was seen and not delivered, or, if unsure, may have been.

        status: None if no answer came.
        """
        for name in names:
            if name in self.tried or len(self.tried) < MOST_TRIED:
                entry = self.tried.setdefault(name, {"tries": 0, "unsure": 0, "lost": 0, "again_at": 0.0})
                entry.update(tries=entry["tries"] + 1, unsure=entry["unsure"] + unsure, status=status, at=time.time())
                entry["lost"] += status is None
        self._keep()

    def tries(self, name: str) -> int:
        """Return how often an alert failed although its contents were seen."""
        return int(self.tried[name]["tries"]) if name in self.tried else 0

    def lost(self, name: str) -> int:
        """Return how often no answer came to an alert: each time it may have been delivered."""
        return int(self.tried[name]["lost"]) if name in self.tried else 0

    def tried_at(self, name: str) -> float:
        """Return when an alert last failed, 0 if it has not."""
        return float(self.tried[name]["at"]) if name in self.tried else 0.0

    def stick(self, name: str, seconds: float) -> None:
        """Let others go before an alert that has failed, and have it tried again after so many seconds."""
        if name in self.tried:
            self.tried[name]["again_at"] = min(time.time() + seconds, NEVER)
            self._keep()

    def is_stuck(self, name: str) -> bool:
        """Tell whether others go before an alert."""
        return name in self.tried and bool(self.tried[name]["again_at"])

    def is_due(self, name: str, changed_at: float) -> bool:
        """Tell whether an alert may be tried now: one that is not stuck, always.

        changed_at: when the configuration was changed; what failed before that is tried again
        """
        if not self.is_stuck(name):
            return True
        entry = self.tried[name]
        return not entry["at"] < time.time() < entry["again_at"] or entry["at"] < changed_at

    def keep_tried(self, names: "List[str]") -> None:
        """Forget what is known of alerts other than these; they are gone."""
        there = set(names)
        self.tried = {name: entry for name, entry in self.tried.items() if name in there}

    def troubled(self, why: str, mend: str) -> None:
        """Remember why alerts wait; a pause that was agreed stays."""
        since = self.trouble["since"] if self.trouble else time.time()
        self.trouble = {"since": since, "what": why, "mend": mend}
        self._keep()

    def dropping(self, count: int) -> None:
        """Remember that a limit is about to drop this many alerts."""
        self.dropped += count
        self.untold += count
        self._keep()

    def pinged(self, ping: "Entry") -> None:
        """Remember the result of a ping of the dead man's switch (PING)."""
        self.last_ping = ping
        self._keep()

    def seconds_left(self, asked: bool = False) -> float:
        """Return the seconds that are left of the pause.

        asked: count only a pause that Slack asked for
        """
        now = time.time()
        left = max(self.not_before - now, 0.0)
        if now < self.agreed_at or left > LONGEST_PAUSE_SECONDS:
            return 0.0  # the clock was set since then: what is left of the pause is unknown
        return left if self.asked or not asked else 0.0

    def _keep(self) -> None:
        kept = {name: getattr(self, name) for name in KEPT}
        try:
            self._spool.write("state", "sender.json", json.dumps(kept).encode("ascii"), 0o640)
        except FileNotFoundError:
            pass  # there is no spool, which its user reports
        except OSError as error:  # such as a full disk: what can be sent is sent all the same
            trouble(f"The sender's state could not be saved: {error}.")


def _time(thing: object) -> float:
    return float(thing) if isinstance(thing, (int, float)) and 0 <= thing < LATEST else 0.0


def _count(thing: object) -> int:
    return int(thing) if isinstance(thing, int) and 0 <= thing < LATEST else 0


def _checked(thing: object, types: "Dict[str, Any]") -> "Optional[Entry]":
    """Return a dictionary with only these names and types, its texts made printable; None for anything else."""
    if not isinstance(thing, dict) or not all(isinstance(thing.get(name), types[name]) for name in types):
        return None
    if not all(0 <= thing[name] < LATEST for name in types if types[name] is NUMBER):
        return None
    return {name: printable(thing[name]) if isinstance(thing[name], str) else thing[name] for name in types}
