# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed deliveries of each alert: how often it failed, whether it is stuck, and when the next attempt is due.

Only attempts count in which the message was transmitted. If one message fails while others are delivered, it is stuck:
the others go first, and it is retried at long intervals. If no answer comes, or an answer that is not Slack's, the
message may have reached the channel. So it is repeated only a few times.
"""

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

    Entry = Dict[str, Any]

# Attempts with one message before others are tried as well. If it may have been delivered: attempts before it is stuck.
FEW_TRIES = 4
# The first delay before a stuck alert is retried. It doubles each time, up to the longest. Up to a quarter of the delay
# is added at random.
STUCK_SECONDS = 600
LONGEST_STUCK_SECONDS = 3600
MOST_DOUBLINGS = 10
# Attempts with a message that may have been delivered each time. After that, it is sent again only by a person or after
# a change of the configuration.
MOST_UNSURE = 8
# The most alerts that are tracked.
MOST = 1000
# Seconds since the epoch, in the year 2242. It must be a time that localtime(3) can convert.
NEVER = float((1 << 33) - 1)
# An entry. tries: the failed attempts. unsure: how often the answer suggested that it was delivered. lost: how
# often no answer came. status: the HTTP status of the last answer, None without one. at: the time of the last attempt.
# again_at: when it is retried, 0 if it is not stuck.
FORM = {
    "tries": int,
    "unsure": int,
    "lost": int,
    "status": (int, type(None)),
    "at": (int, float),
    "again_at": (int, float),
}


class Retries:
    """entries: the record of each alert that has failed (FORM), by its id."""

    def __init__(self, entries: "Optional[Dict[str, Entry]]" = None) -> None:
        self.entries = entries or {}

    def failed(self, names: "Iterable[str]", status: "Optional[int]", unsure: bool) -> None:
        """Record that a message with these alerts was transmitted but not delivered.

        status: the HTTP status of the answer, None if no answer came. unsure: it may have been delivered all the same
        """
        for name in names:
            if name in self.entries or len(self.entries) < MOST:
                entry = self.entries.setdefault(name, {"tries": 0, "unsure": 0, "lost": 0, "again_at": 0.0})
                entry.update(tries=entry["tries"] + 1, unsure=entry["unsure"] + unsure, status=status, at=time.time())
                entry["lost"] += status is None

    def stick(self, name: str) -> None:
        """Let other alerts go before one that has failed, and retry it later, with a longer delay each time.

        This is a no-op for an alert that is not tracked.
        """
        entry = self.entries.get(name)
        if entry:
            doublings = min(max(entry["tries"] - FEW_TRIES - 1, 0), MOST_DOUBLINGS)
            seconds = min(STUCK_SECONDS * 2**doublings, LONGEST_STUCK_SECONDS) * random.uniform(1, 1.25)  # noqa: S311
            entry["again_at"] = NEVER if entry["unsure"] >= MOST_UNSURE else time.time() + seconds

    def is_stuck(self, name: str) -> bool:
        """Return whether other alerts go before this one."""
        return bool(self._of(name, "again_at"))

    def tries(self, name: str) -> int:
        """Return how often an alert has failed."""
        return int(self._of(name, "tries"))

    def lost(self, name: str) -> int:
        """Return how often an alert got no answer. Each time it may have been delivered."""
        return int(self._of(name, "lost"))

    def is_due(self, name: str, changed_at: float) -> bool:
        """Return whether an alert can be tried now. One that is not stuck is always due.

        changed_at: when the configuration was changed. An alert that failed before that is due.
        """
        if not self.is_stuck(name):
            return True
        at = self._of(name, "at")
        return not at < time.time() < self._of(name, "again_at") or at < changed_at

    def may_be_there(self, name: str, changed_at: float) -> bool:
        """Return whether an alert may be in the channel, and lost too many answers to be repeated without a check.

        This is False again an hour after the last attempt, and after a change of the configuration.
        """
        at = self._of(name, "at")
        is_new = time.time() - LONGEST_STUCK_SECONDS < at <= time.time() and at >= changed_at
        return is_new and self.lost(name) >= FEW_TRIES

    def fewest(self, names: "List[str]") -> "List[str]":
        """Return the alerts among these that have failed least often."""
        fewest = min(map(self.tries, names), default=0)
        return [name for name in names if self.tries(name) == fewest]

    def keep(self, names: "Iterable[str]") -> None:
        """Forget all alerts but these, because the others are gone."""
        there = set(names)
        self.entries = {name: entry for name, entry in self.entries.items() if name in there}

    def delivered(self, names: "Iterable[str]", forgive: bool) -> None:
        """Forget alerts that were delivered.

        forgive: also forget the others that failed, because the outage was the cause. Those that are stuck, or that may
        have been delivered, are kept.
        """
        for name in names:
            self.entries.pop(name, None)
        if forgive:
            kept = {name: entry for name, entry in self.entries.items() if entry["again_at"] or entry["unsure"]}
            self.entries = kept

    def _of(self, name: str, what: str) -> float:
        return self.entries[name][what] if name in self.entries else 0
