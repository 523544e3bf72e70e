# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logins that the notifier knows of. The audit searches them by process, address, port and time.

They come from files that only root can write: the ledger (ledger.py), and captures that have no alert yet. The files
that the service user can write only record how a login ended, and nothing that it writes there can stop an audit.
"""

from . import failures, ledger, outlets, overflow
from .alert import TEST_SERVICE
from .capture import Capture
from .spool import Spool, written_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, Iterator, List, Set, Tuple

    from .sshd_history import Entry as LogEntry
    from .sshd_lines import Accepted

# How far apart the log's time and the ledger's time of one login can be. PAM modules that query a server may run in
# between.
APART_SECONDS = 120.0
# In a log without time zones, one hour appears twice when daylight saving time ends.
HOUR_SECONDS = 3600.0
# How far such a log can be off after a change between UTC and another zone, which syslog daemons learn late.
ZONE_SECONDS = 14 * HOUR_SECONDS
# At most this many days of the ledger are held in memory.
MOST_DAYS = 3
# How a known login ended, or where its alert is.
WAITING, FAILED, UNSETTLED = "waiting", "failed", "unsettled"
FATES = (
    ledger.REPORTED, WAITING, FAILED, ledger.IGNORED, ledger.FOLDED, ledger.MUTED, ledger.UNROUTED, ledger.DROPPED,
    ledger.LOST, UNSETTLED,
)  # fmt: skip


class Known:
    """The known logins, loaded day by day.

    used: the ids of the logins that were matched with a line of the log.
    """

    def __init__(self, spool: Spool, since: float, used: "Iterable[str]", unlogged: "Iterable[str]") -> None:
        """Read the captures and the queues. Raise OSError if the captures can't be read.

        since: the time up to which an earlier audit has compared. used: the ids of logins shortly before that time that
        it matched with a line. unlogged: the ids of logins for which it found no line.
        """
        self._spool = spool
        self._since = since - APART_SECONDS
        self._unlogged = set(unlogged)
        self.used: Set[str] = set(used)
        self._days: Dict[int, ledger.Day] = {}
        self._waiting: Set[str] = set(overflow.names())
        self._failed: Set[str] = set()
        # The captures come first: if one becomes an alert in the meantime, the ledger has it by then.
        self._captured: Dict[int, List[Tuple[str, float, bytes]]] = {}
        for name in spool.names("incoming"):
            try:
                capture = Capture(name, spool.read("incoming", name))
            except (OSError, ValueError):
                continue
            said = (name, capture.time, capture.get(b"SSH_CONNECTION"))
            self._captured.setdefault(capture.parent, []).append(said)
        self._places = [outlets.place(spool, name) for name in outlets.names(spool)]
        for place in (spool, *self._places):
            self._waiting.update(_names(place, "outgoing"))
            self._failed.update(_names(place, "failed"))

    def day(self, time: float) -> ledger.Day:
        """Return the ledger of the day that contains a time."""
        number = ledger.day_of(time)
        if number not in self._days:
            while len(self._days) >= MOST_DAYS:
                del self._days[min(self._days, key=lambda other: -abs(other - number))]
            self._days[number] = ledger.Day(self._spool, number, self._places)
        return self._days[number]

    def find(self, login: "Accepted", entry: "LogEntry") -> "Tuple[str, bool]":
        """Return the id of a login of the log, or "" if it is unknown, and whether ledger and log agree on its time."""
        shifts = (0.0, HOUR_SECONDS, -HOUR_SECONDS) if entry.is_local else (0.0,)
        near: List[Tuple[float, str]] = []
        around = APART_SECONDS + max(shifts)
        for known in self._candidates(login, entry, around):
            apart = min(abs(known.time - entry.at - shift) for shift in shifts)
            if apart <= APART_SECONDS:
                near.append((apart, known.id))
        for name, at, connection in self._captured.get(entry.pid, ()):
            apart = min(abs(at - entry.at - shift) for shift in shifts)
            if name not in self.used and apart <= APART_SECONDS and _is_captured(connection, login):
                near.append((apart, name))
                self._waiting.add(name)
        far = "" if near else self._far(login, entry, ZONE_SECONDS if entry.is_local else around)
        found = min(near)[1] if near else far
        if found:
            self.used.add(found)
        return found, bool(near)

    def _candidates(self, login: "Accepted", entry: "LogEntry", around: float) -> "Iterator[ledger.Entry]":
        """Yield the unmatched known logins of the same connection, on each day that has a time this near."""
        number, last = ledger.day_of(entry.at - around), ledger.day_of(entry.at + around)
        while number <= last:
            for known in self.day(number).entries.get(entry.pid, ()):
                if known.id not in self.used and _is_same(known, login):
                    yield known
            number += ledger.DAY_SECONDS

    def _far(self, login: "Accepted", entry: "LogEntry", around: float) -> str:
        """Return the id of the known login of the same connection at another time, "" if there is none."""
        if not login.origins:
            return ""
        candidates = self._candidates(login, entry, around)
        return next((known.id for known in candidates if known.port and self._had_no_line(known)), "")

    def _had_no_line(self, known: "ledger.Entry") -> bool:
        """Return whether a known login has not been matched yet, so that a line with another time can belong to it.

        A login that an earlier audit has matched must not stand for another one whose process got the same pid.
        """
        return known.time > self._since or known.id in self._unlogged

    def fate(self, login_id: str) -> str:
        """Return how a known login ended, or where its alert is: one of FATES."""
        if login_id in self._failed:
            return FAILED
        if login_id in self._waiting:
            return WAITING
        return self.day(written_at(login_id)).ends.get(login_id, UNSETTLED)

    def unlogged(self, since: float, until: float) -> "List[str]":
        """Return the ids of known connections in this time that have no line in the log."""
        found = []
        number = ledger.day_of(since)
        while number <= until:
            for known in self.day(number).all():
                is_sshds = known.port > 0 and known.service != TEST_SERVICE
                if is_sshds and since < known.time <= until and known.id not in self.used:
                    found.append(known.id)
            number += ledger.DAY_SECONDS
        return found


def _names(place: Spool, directory: str) -> "List[str]":
    try:
        return place.names(directory)
    except OSError:
        return []  # then it is unknown how a login ended, but the login itself is still known


def _is_same(known: "ledger.Entry", login: "Accepted") -> bool:
    """Return whether a login of the ledger can be this login of the log. The caller has compared the pids.

    Without a port or an origin, the pid alone decides. OpenSSH before 8.0 does not give PAM the port (peer.py), a
    socket other than TCP has none, and some lines have no origin.
    """
    if not known.port or not login.origins:
        return True
    return any(port == known.port and _is_one(place, known.address) for place, port in login.origins)


def _is_captured(connection: bytes, login: "Accepted") -> bool:
    words = connection.decode("ascii", "replace").split(" ")
    if len(words) != 4 or not words[1].isdigit() or not login.origins:
        return True
    return any(str(port) == words[1] and _is_one(place, words[0]) for place, port in login.origins)


def _is_one(place: str, other: str) -> bool:
    return place == other or failures.same(place) == failures.same(other)
