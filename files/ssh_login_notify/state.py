# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the sender, for `status` and for the sender's next run: state/sender.json.

The service user can write to this file, so root checks everything that it reads from it.
"""

import json
import time

from . import ledger, retries
from .journal import trouble
from .retries import Retries
from .spool import Spool
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Entry = Dict[str, Any]

# How many deliveries are kept. A command that waits for one must find it even after many other logins.
RECENT = 200
# The part of the file that is read. The file is always smaller.
LARGEST_BYTES = 4 << 20
# No pause is longer. A longer one shows that the clock was set.
LONGEST_PAUSE_SECONDS = 3700
# Seconds since the epoch, up to the year 2242: a time that localtime(3) can convert.
NUMBER = (int, float)
LATEST = 1 << 33
DELIVERY = {
    "id": str, "user": str, "from": str, "login_time": NUMBER, "delivered_at": NUMBER, "status": int,
    "address": str, "key": str, "type": str,
}  # fmt: skip
# Earlier versions did not keep these; see identity.py.
ADDED = {"address": "", "key": "", "type": ""}
TROUBLE = {"since": NUMBER, "what": str, "mend": str}
PING = {"at": NUMBER, "well": bool, "answer": str}
# A login that needed no message. rule: the number of the rule in `ignore`, counted from 1.
IGNORED = {"id": str, "from": str, "rule": int, "at": NUMBER}
# A login that was folded into an earlier one (repeats.py). into: the id of the earlier login.
FOLDED = {
    "id": str, "from": str, "into": str, "at": NUMBER, "user": str, "address": str, "key": str, "type": str,
}  # fmt: skip
# kind: the meaning of the answer (channels/__init__.py).
ANSWER = {
    "id": str, "from": str, "status": (int, type(None)), "answer": str, "kind": str, "mend": str, "at": NUMBER,
}  # fmt: skip

# The attributes that state/sender.json holds, by their names.
KEPT = (
    "recent", "trouble", "last_answer", "not_before", "agreed_at", "asked", "last_ping", "dropped", "untold",
    "failures", "ignored", "folded",
)  # fmt: skip


class State:
    """recent: the last deliveries, the newest last. trouble: why alerts wait, and since when; None if none waits.
    last_answer: the answer to the last alert that was not delivered, None after a delivery.
    not_before: the end of a pause, before which nothing is tried (seconds since the epoch). agreed_at: when the pause
    began. asked: whether Slack asked for the pause, so that every sender on this host obeys it.
    last_ping: the result of the last ping of the dead man's switch, None before the first.
    dropped: how many alerts a limit has dropped, in total. untold: how many of them no message has reported yet.
    ignored: the last logins that needed no message (IGNORED), the newest last, for commands that wait for one.
    folded: the same for the logins that repeat one that was reported (FOLDED).
    failures: failed attempts since the last delivery. retries: the record of each alert that failed.
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
        self.retries = Retries()
        self.ignored: List[Entry] = []
        self.folded: List[Entry] = []
        try:
            kept = json.loads(spool.read("state", "sender.json", LARGEST_BYTES).decode("utf-8"))
            recent = [dict(ADDED, **entry) for entry in kept["recent"][-RECENT:] if isinstance(entry, dict)]
            self.recent = _all_checked(recent, DELIVERY)
            self.trouble = _checked(kept["trouble"], TROUBLE)
            self.last_answer = _checked(kept.get("last_answer"), ANSWER)
            self.not_before = _time(kept["not_before"])
            self.agreed_at = _time(kept.get("agreed_at"))
            self.asked = kept.get("asked") is True
            self.last_ping = _checked(kept.get("last_ping"), PING)
            self.dropped, self.untold = _count(kept.get("dropped")), _count(kept.get("untold"))
            self.failures = _count(kept.get("failures"))
            tried = {name: _checked(entry, retries.FORM) for name, entry in (kept.get("tried") or {}).items()}
            self.retries = Retries({name: entry for name, entry in tried.items() if entry})
            self.ignored = _all_checked((kept.get("ignored") or [])[-RECENT:], IGNORED)
            self.folded = _all_checked((kept.get("folded") or [])[-RECENT:], FOLDED)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            pass  # no file yet, or a damaged one: start without state, because no delivery depends on it

    def delivered(self, deliveries: "List[Entry]", forgive: bool = True) -> None:
        """Record deliveries (DELIVERY). Their message has also reported the dropped alerts.

        forgive: forget the failures of other alerts, because the outage was the cause (Retries.delivered)
        """
        ledger.end(self._spool, [sent["id"] for sent in deliveries], ledger.REPORTED)
        self.recent = (self.recent + deliveries)[-RECENT:]
        self.trouble = self.last_answer = None
        self.not_before = self.agreed_at = 0.0
        self.asked = False
        self.untold = self.failures = 0
        self.retries.delivered([sent["id"] for sent in deliveries], forgive)
        self._keep()

    def routed(self, login: "Entry") -> None:
        """Record an alert that is in the queue of every channel that takes it, in the form of a delivery."""
        self.recent = [*self.recent, login][-RECENT:]
        self.trouble = self.last_answer = None
        self._keep()

    def refused(self, answer: "Entry") -> None:
        """Record the answer to an alert that was not delivered (ANSWER)."""
        self.last_answer = answer
        self._keep()

    def ignore(self, logins: "List[Entry]") -> None:
        """Record logins that needed no message (IGNORED)."""
        self.ignored = (self.ignored + logins)[-RECENT:]
        self._keep()

    def fold(self, login: "Entry") -> None:
        """Record a login that was folded into an earlier one (FOLDED)."""
        self.folded = [*self.folded, login][-RECENT:]
        self._keep()

    def waiting(self, why: str, mend: str, seconds: float, asked: bool = False) -> None:
        """Begin a pause, and record why nothing can be delivered, and whether Slack asked for the pause."""
        now = time.time()
        self.not_before, self.agreed_at, self.asked = now + seconds, now, asked
        self.troubled(why, mend)

    def in_vain(self, names: "List[str]", status: "Optional[int]", unsure: bool) -> None:
        """Record that a message with these alerts was transmitted but not delivered (Retries.failed)."""
        self.retries.failed(names, status, unsure)
        self._keep()

    def stick(self, name: str) -> None:
        """Record that other alerts go before this one (Retries.stick)."""
        self.retries.stick(name)
        self._keep()

    def troubled(self, why: str, mend: str) -> None:
        """Record why alerts wait. A pause is not changed."""
        since = self.trouble["since"] if self.trouble else time.time()
        self.trouble = {"since": since, "what": why, "mend": mend}
        self._keep()

    def dropping(self, count: int) -> None:
        """Record that a limit is about to drop this many alerts."""
        self.dropped += count
        self.untold += count
        self._keep()

    def owe(self, count: int) -> None:
        """Take over the duty to report alerts that another queue has dropped, and has counted."""
        if count:
            self.untold += count
            self._keep()

    def pass_on(self) -> int:
        """Return how many dropped alerts no message has reported yet, and let another queue report them (owe)."""
        count, self.untold = self.untold, 0
        if count:
            self._keep()
        return count

    def pinged(self, ping: "Entry") -> None:
        """Record the result of a ping of the dead man's switch (PING)."""
        self.last_ping = ping
        self._keep()

    def seconds_left(self, asked: bool = False) -> float:
        """Return the remaining seconds of the pause, 0 if there is none.

        asked: count only a pause that Slack asked for
        """
        now = time.time()
        left = max(self.not_before - now, 0.0)
        if now < self.agreed_at or left > LONGEST_PAUSE_SECONDS:
            return 0.0  # the clock was set since then, so the rest of the pause is unknown
        return left if self.asked or not asked else 0.0

    def _keep(self) -> None:
        kept = dict({name: getattr(self, name) for name in KEPT}, tried=self.retries.entries)
        try:
            self._spool.write("state", "sender.json", json.dumps(kept).encode("ascii"), 0o640)
        except FileNotFoundError:
            pass  # there is no spool, which the caller reports
        except OSError as error:  # such as a full disk, which must stop no delivery
            trouble(f"The sender's state could not be saved: {error}.")


def is_number(thing: object) -> bool:
    """Return whether a value from a file that the service user can write is a plausible time or count."""
    return isinstance(thing, (int, float)) and not isinstance(thing, bool) and 0 <= thing < LATEST


def _time(thing: object) -> float:
    return float(thing) if isinstance(thing, (int, float)) and 0 <= thing < LATEST else 0.0


def _count(thing: object) -> int:
    return int(thing) if isinstance(thing, int) and 0 <= thing < LATEST else 0


def _all_checked(things: "List[Any]", types: "Dict[str, Any]") -> "List[Entry]":
    return [entry for entry in (_checked(thing, types) for thing in things) if entry]


def _checked(thing: object, types: "Dict[str, Any]") -> "Optional[Entry]":
    """Return a dictionary with exactly these names and types, and with printable texts. None if it is invalid."""
    if not isinstance(thing, dict) or not all(isinstance(thing.get(name), types[name]) for name in types):
        return None
    if not all(0 <= thing[name] < LATEST for name in types if types[name] is NUMBER):
        return None
    return {name: printable(thing[name]) if isinstance(thing[name], str) else thing[name] for name in types}
