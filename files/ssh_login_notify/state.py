"""What the sender last did, for `status` and for its own next run: state/sender.json.

The service user may write it, so root believes nothing of it that it has not looked at.
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

RECENT = 200  # deliveries that are remembered: whoever waits for one must not lose it to those of other logins
LARGEST = 1 << 20  # bytes, more than they can take
LONGEST_AGREED = 3700  # seconds; what is longer was never agreed: the clock jumped
NUMBER = (int, float)  # of seconds since the epoch
LATEST = 1 << 33  # the year 2242; localtime(3) has an end too
DELIVERY = {"id": str, "user": str, "from": str, "login_time": NUMBER, "delivered_at": NUMBER, "status": int}
TROUBLE = {"since": NUMBER, "what": str, "mend": str}
PING = {"at": NUMBER, "well": bool, "answer": str}
# What was tried in vain although its contents were seen; unsure: how often something answered as if it was taken;
# lost: how often no answer came, so that it may have been taken, too.
TRIED = {"tries": int, "unsure": int, "lost": int, "status": (int, type(None)), "at": NUMBER, "again_at": NUMBER}
MOST_TRIED = 1000  # entries of these
NEVER = float(LATEST - 1)  # seconds since the epoch
ANSWER = {"id": str, "from": str, "status": (int, type(None)), "answer": str, "mend": str, "at": NUMBER}

# In state/sender.json, by their names here.
KEPT = (
    "recent", "trouble", "last_answer", "not_before", "agreed_at", "asked", "last_ping", "dropped", "untold",
    "failures", "tried",
)  # fmt: skip


class State:
    """recent: the last deliveries, the newest last. trouble: why alerts wait, and since when, None when they do not.
    last_answer: what was said to the last alert that was not delivered, None after a delivery.
    not_before: seconds since the epoch before which nothing is to be tried; agreed_at: when that was agreed; asked:
    whether Slack asked for it, so that it holds for everybody on this host.
    last_ping: what became of the last request to the dead man's switch, None before the first.
    dropped: alerts that a limit forced out, all in all; untold: those of them that no message has told of yet.
    failures: tries in vain since the last delivery. tried: what is known of alerts that were tried in vain (TRIED), by
    their ids; one with again_at is stuck: others go before it, and it is tried at that time.
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
        try:
            kept = json.loads(spool.read("state", "sender.json", LARGEST).decode("utf-8"))
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
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            pass  # none yet, or not ours: nothing is known then, and nothing depends on it

    def delivered(self, deliveries: "List[Entry]", forgive: bool = True) -> None:
        """Remember deliveries (DELIVERY); their message has told of all that was dropped.

        forgive: it was the way that was shut, so what was tried in vain is not to blame, unless it is stuck.
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
        """Remember what was said to an alert (ANSWER)."""
        self.last_answer = answer
        self._keep()

    def waiting(self, why: str, mend: str, seconds: float, asked: bool = False) -> None:
        """Remember why nothing can be delivered, for how long not to try, and whether Slack asked for that."""
        now = time.time()
        self.not_before, self.agreed_at, self.asked = now + seconds, now, asked
        self.troubled(why, mend)

    def in_vain(self, names: "List[str]", status: "Optional[int]", unsure: bool) -> None:
        """Remember that a message with these alerts was seen and not taken, or, if unsure, may have been.

        status: None if no answer came.
        """
        for name in names:
            if name in self.tried or len(self.tried) < MOST_TRIED:
                entry = self.tried.setdefault(name, {"tries": 0, "unsure": 0, "lost": 0, "again_at": 0.0})
                entry.update(tries=entry["tries"] + 1, unsure=entry["unsure"] + unsure, status=status, at=time.time())
                entry["lost"] += status is None
        self._keep()

    def tries(self, name: str) -> int:
        """Return how often an alert was tried in vain although its contents were seen."""
        return int(self.tried[name]["tries"]) if name in self.tried else 0

    def lost(self, name: str) -> int:
        """Return how often no answer came to an alert: each time it may have been taken."""
        return int(self.tried[name]["lost"]) if name in self.tried else 0

    def tried_at(self, name: str) -> float:
        """Return when an alert was last tried in vain, 0 if it was not."""
        return float(self.tried[name]["at"]) if name in self.tried else 0.0

    def stick(self, name: str, seconds: float) -> None:
        """Have others go before an alert, and have it tried again after so many seconds. It was tried in vain."""
        if name in self.tried:
            self.tried[name]["again_at"] = min(time.time() + seconds, NEVER)
            self._keep()

    def is_stuck(self, name: str) -> bool:
        """Tell whether others go before an alert."""
        return name in self.tried and bool(self.tried[name]["again_at"])

    def is_due(self, name: str, changed_at: float) -> bool:
        """Tell whether it is time to try an alert: at any time, one that is not stuck.

        changed_at: when the configuration was changed; what was tried before that is tried again.
        """
        if not self.is_stuck(name):
            return True
        entry = self.tried[name]
        return not entry["at"] < time.time() < entry["again_at"] or entry["at"] < changed_at

    def keep_tried(self, names: "List[str]") -> None:
        """Forget what is known of other alerts than these; they are gone."""
        there = set(names)
        self.tried = {name: entry for name, entry in self.tried.items() if name in there}

    def troubled(self, why: str, mend: str) -> None:
        """Remember why alerts wait; what was agreed for how long stands."""
        since = self.trouble["since"] if self.trouble else time.time()
        self.trouble = {"since": since, "what": why, "mend": mend}
        self._keep()

    def dropping(self, count: int) -> None:
        """Remember that this many alerts are about to be forced out by a limit."""
        self.dropped += count
        self.untold += count
        self._keep()

    def pinged(self, ping: "Entry") -> None:
        """Remember what became of a request to the dead man's switch (PING)."""
        self.last_ping = ping
        self._keep()

    def seconds_left(self, asked: bool = False) -> float:
        """Return the seconds that are left of the agreed wait.

        asked: count only what Slack asked for.
        """
        now = time.time()
        left = max(self.not_before - now, 0.0)
        if now < self.agreed_at or left > LONGEST_AGREED:
            return 0.0  # the clock was set since; the rest of that wait can't be known
        return left if self.asked or not asked else 0.0

    def _keep(self) -> None:
        kept = {name: getattr(self, name) for name in KEPT}
        try:
            self._spool.write("state", "sender.json", json.dumps(kept).encode("ascii"), 0o640)
        except FileNotFoundError:
            pass  # there is no spool, which whoever uses it has said
        except OSError as error:  # a full disk, say: what can be sent is sent all the same
            trouble(f"what the sender did could not be written down: {error}")


def _time(thing: object) -> float:
    return float(thing) if isinstance(thing, (int, float)) and 0 <= thing < LATEST else 0.0


def _count(thing: object) -> int:
    return int(thing) if isinstance(thing, int) and 0 <= thing < LATEST else 0


def _checked(thing: object, types: "Dict[str, Any]") -> "Optional[Entry]":
    """Return a dictionary with just these names and types, its texts made harmless; None for anything else."""
    if not isinstance(thing, dict) or not all(isinstance(thing.get(name), types[name]) for name in types):
        return None
    if not all(0 <= thing[name] < LATEST for name in types if types[name] is NUMBER):
        return None
    return {name: printable(thing[name]) if isinstance(thing[name], str) else thing[name] for name in types}
