# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts that were not delivered although their contents were seen: how often, which are stuck, when each is due.

When one message does not pass although the way is open, the others overtake it: it is stuck, and tried now and then.
When no answer comes, or one that is not Slack's, the message may be in the channel. So it is repeated only a few times.
"""

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

    Entry = Dict[str, Any]

# Tries of one message before others are tried, too; or, when it may have been taken, before it is stuck.
FEW_TRIES = 4
# The first delay of a stuck alert; the next ones double, up to the longest.
STUCK_SECONDS = 600
LONGEST_STUCK_SECONDS = 3600
MOST_DOUBLINGS = 10
# How often a message is repeated that may have been taken each time. After that only a person, or another
# configuration, has it sent again.
MOST_UNSURE = 8
# No more alerts are kept track of.
MOST = 1000
# Seconds since the epoch, in the year 2242: localtime(3) has an end, too.
NEVER = float((1 << 33) - 1)
# What is known of one. tries: how often it failed. unsure: how often something answered as if it was delivered. lost:
# how often no answer came. status: of the last answer, None for none. at: when that was. again_at: when it is tried
# again, 0 if it is not stuck.
FORM = {
    "tries": int,
    "unsure": int,
    "lost": int,
    "status": (int, type(None)),
    "at": (int, float),
    "again_at": (int, float),
}


class Retries:
    """entries: what is known of each alert that has failed (FORM), by its id."""

    def __init__(self, entries: "Optional[Dict[str, Entry]]" = None) -> None:
        self.entries = entries or {}

    def failed(self, names: "Iterable[str]", status: "Optional[int]", unsure: bool) -> None:
        """Note that a message with these alerts was seen and not delivered, or, if unsure, may have been.

        status: None if no answer came
        """
        for name in names:
            if name in self.entries or len(self.entries) < MOST:
                entry = self.entries.setdefault(name, {"tries": 0, "unsure": 0, "lost": 0, "again_at": 0.0})
                entry.update(tries=entry["tries"] + 1, unsure=entry["unsure"] + unsure, status=status, at=time.time())
                entry["lost"] += status is None

    def stick(self, name: str) -> None:
        """Let others go before an alert that has failed, and have it tried again after a while, each time a longer one.

        There may be too many alerts to keep track of it; then nothing happens.
        """
        entry = self.entries.get(name)
        if entry:
            doublings = min(max(entry["tries"] - FEW_TRIES - 1, 0), MOST_DOUBLINGS)
            seconds = min(STUCK_SECONDS * 2**doublings, LONGEST_STUCK_SECONDS) * random.uniform(1, 1.25)  # noqa: S311
            entry["again_at"] = NEVER if entry["unsure"] >= MOST_UNSURE else time.time() + seconds

    def is_stuck(self, name: str) -> bool:
        """Tell whether others go before an alert."""
        return bool(self._of(name, "again_at"))

    def tries(self, name: str) -> int:
        """Return how often an alert has failed."""
        return int(self._of(name, "tries"))

    def lost(self, name: str) -> int:
        """Return how often no answer came to an alert: each time it may have been delivered."""
        return int(self._of(name, "lost"))

    def is_due(self, name: str, changed_at: float) -> bool:
        """Tell whether an alert may be tried now: one that is not stuck, always.

        changed_at: when the configuration was changed; what failed before that is tried again
        """
        if not self.is_stuck(name):
            return True
        at = self._of(name, "at")
        return not at < time.time() < self._of(name, "again_at") or at < changed_at

    def may_be_there(self, name: str, changed_at: float) -> bool:
        """Tell whether an alert may be in the channel after too many lost answers to repeat it as it is.

        Once an hour it is repeated all the same, and with another configuration.
        """
        at = self._of(name, "at")
        is_new = time.time() - LONGEST_STUCK_SECONDS < at <= time.time() and at >= changed_at
        return is_new and self.lost(name) >= FEW_TRIES

    def fewest(self, names: "List[str]") -> "List[str]":
        """Return those of these alerts that have failed least often."""
        fewest = min(map(self.tries, names), default=0)
        return [name for name in names if self.tries(name) == fewest]

    def keep(self, names: "Iterable[str]") -> None:
        """Forget what is known of alerts other than these; they are gone."""
        there = set(names)
        self.entries = {name: entry for name, entry in self.entries.items() if name in there}

    def delivered(self, names: "Iterable[str]", forgive: bool) -> None:
        """Forget alerts that were delivered.

        forgive: the way was closed, so the others that failed meanwhile are not to blame, unless they are stuck
        """
        for name in names:
            self.entries.pop(name, None)
        if forgive:
            kept = {name: entry for name, entry in self.entries.items() if entry["again_at"] or entry["unsure"]}
            self.entries = kept

    def _of(self, name: str, what: str) -> float:
        return self.entries[name][what] if name in self.entries else 0
