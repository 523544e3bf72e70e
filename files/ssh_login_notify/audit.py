# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: compares the logins in sshd's log with those that the notifier knows of (known.py).

A login in the log matches one in the ledger if both have the same process, address and port, within two minutes. A
login in the log without a match is missed, unless one of the DOUBTS explains it (suspects.py). Doubtful logins are
counted, and raise no alarm. A PAM session of sshd is a login too: sshd can be configured not to log `Accepted`
(`LogLevel QUIET`, even for single users), but that silences no PAM module.

Root reads and compares. Nothing that a user or the service user can write makes a missed login look known.
"""

from . import ledger, suppressed, suspects
from .known import APART_SECONDS, FATES, UNSETTLED, Known
from .problem import counted
from .spool import SKEW_SECONDS, Spool, written_at
from .sshd_sessions import Sessions
from .suspects import EVIDENCE_SECONDS, ORDER_SECONDS, Context, Missed, Suspect, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

    from .sshd_history import Entry as LogEntry
    from .sshd_history import History

    # A time, and the units whose sshd, as it ran then, had opened a PAM session.
    KnownRuns = Tuple[float, Iterable[str]]

# Reasons not to call a login missed.
DOUBTS = suspects.DOUBTS
# A younger login may not be in the ledger yet: an observer takes at most half a minute, and the capture of a killed
# observer waits for a minute.
YOUNG_SECONDS = 120.0
# sshd's line about a known login can be a little later than the time in the ledger.
MARGIN_SECONDS = 5.0
# How many missed logins are described. The others are only counted.
MOST_MISSED = 100
# For how many suspects the log is searched at once.
MOST_PENDING = 1000
# How many known logins that the log does not have are remembered.
MOST_UNLOGGED = 1000
# After this many lines, a comparison that ran out of time settles a suspect anyway, so that the audit makes progress.
ENOUGH_LINES = 1000


class Result:
    """The result of an audit.

    since, until: the period that was compared. source: where sshd's lines are. cursor: where the next audit continues.
    accepted: how many logins the log has. fates: how many of them by FATES. doubts: how many of them by DOUBTS. missed:
    the first missed logins; missed_count: how many there are; last_missed: when the last one was, 0 for never. gaps:
    clauses about what the log does not show. unlogged: how many known logins the log does not have. hosts: the names of
    this host in the log lines of known logins. is_whole: whether the whole period was compared.
    """

    def __init__(self, since: float, until: float, source: str, cursor: str = "") -> None:
        self.since = since
        self.until = until
        self.source = source
        self.cursor = cursor
        self.accepted = 0
        self.fates: Dict[str, int] = dict.fromkeys(FATES, 0)
        self.doubts: Dict[str, int] = dict.fromkeys(DOUBTS, 0)
        self.missed: List[Missed] = []
        self.missed_count = 0
        self.last_missed = 0.0
        self.gaps: List[str] = []
        self.unlogged = 0
        self.hosts: Set[str] = set()
        self.is_whole = True

    def copy(self, cursor: str, until: float) -> "Result":
        """Return the findings so far, as the result of a period that ends at `until`."""
        copied = Result(self.since, until, self.source, cursor)
        copied.accepted, copied.missed_count, copied.last_missed = self.accepted, self.missed_count, self.last_missed
        copied.fates, copied.doubts, copied.missed = dict(self.fates), dict(self.doubts), list(self.missed)
        copied.hosts = set(self.hosts)
        return copied

    @property
    def known(self) -> int:
        """Return how many logins in the log are known."""
        return sum(self.fates.values())

    @property
    def is_doubtful(self) -> bool:
        """Return whether the result is unproven, even if no login was missed."""
        return bool(self.gaps or self.unlogged or self.fates[UNSETTLED] or not self.is_whole)

    def as_json(self) -> "Dict[str, Any]":
        """Return the result for JSON."""
        return {
            "since": self.since, "until": self.until, "source": self.source, "accepted": self.accepted,
            "known": self.known, "fates": self.fates, "doubts": self.doubts, "missed": self.missed_count,
            "missed_logins": [missed.as_json() for missed in self.missed], "gaps": self.gaps,
            "not_in_the_log": self.unlogged, "whole": self.is_whole,
        }  # fmt: skip


def compare(
    spool: Spool, history: "History", context: Context, since: float, until: float, deadline: float, cursor: str = "",
    tail: "Optional[Dict[str, Any]]" = None, known_runs: "Optional[KnownRuns]" = None,
) -> "Tuple[Result, Dict[str, Any]]":  # fmt: skip
    """Compare a period, and return the result, and the state that the next comparison needs.

    cursor: where to continue in the log, instead of at `since`. tail: the state that the last comparison returned.
    known_runs: what another comparison has learned. deadline: as time.monotonic(). Raise OSError if the log or the
    spool can't be read.
    """
    comparison = Comparison(spool, history, context, Result(since, until, history.name, cursor), tail)
    is_taking = True
    for entry in history.entries(since, cursor, deadline):
        if known_runs and entry.at > known_runs[0]:
            comparison.learn(known_runs[1])
            known_runs = None
        # Lines after a young login are left to the next audit. A time far in the future is not a young login: the clock
        # was set back after it.
        is_taking = is_taking and not until < entry.at <= until + YOUNG_SECONDS + SKEW_SECONDS
        if not is_taking and entry.at > until + EVIDENCE_SECONDS:
            break
        comparison.listen(entry)
        if is_taking:
            comparison.take(entry)
        else:
            comparison.look_ahead(entry)
    if known_runs:
        comparison.learn(known_runs[1])
    return comparison.close()


class Comparison:
    """One comparison: takes the log's lines one by one."""

    def __init__(
        self, spool: Spool, history: "History", context: Context, result: Result, tail: "Optional[Dict[str, Any]]"
    ) -> None:
        """Read the known logins. Raise OSError if the spool can't be read."""
        kept = tail or {"used": [], "unlogged": [], "opened": [], "with_pam": []}
        self._history = history
        self._context = context
        self._result = result
        self._is_first = tail is None
        self._known = Known(spool, result.since, kept["used"], kept["unlogged"])
        self._unlogged: List[str] = list(kept["unlogged"])
        self._sessions = Sessions.of_tail(kept)
        # The same, as the lines after the period change it.
        self._ahead: Optional[Sessions] = None
        # The newest suspect of each process, by host and pid, and all of them in the order of the log.
        self._suspects: Dict[Tuple[str, int], Suspect] = {}
        self._pending: List[Suspect] = []
        # Those of which no further line was found. A later session can show that their sshd uses PAM.
        self._silent: List[Suspect] = []
        self._units: Set[str] = set()
        self._last = result.since
        # The state before the oldest suspect, with the number of silent ones; the logins that were matched after it.
        self._mark: Optional[Tuple[Result, Sessions, int]] = None
        self._since_mark: List[str] = []
        self._heard = 0

    def listen(self, entry: "LogEntry") -> None:
        """Use a line, even one after the period, as evidence about a suspect."""
        # The times of a boot drift apart, because its clock stops while the host is suspended.
        if entry.booted and self._pending:
            self._context.seen_boots.setdefault(entry.boot, entry.booted)
        # After EVIDENCE_SECONDS its process logs no more evidence.
        while self._pending and not -ORDER_SECONDS <= entry.at - self._pending[0].entry.at <= EVIDENCE_SECONDS:
            self._settle_first()
        self._heard += 1
        if (entry.host, entry.pid) in self._suspects:
            self._suspects[(entry.host, entry.pid)].take(entry)

    def learn(self, units: "Iterable[str]") -> None:
        """Learn from another comparison, which has read the log up to the same line, which sshds use PAM."""
        (self._ahead or self._sessions).learn(units)

    def look_ahead(self, entry: "LogEntry") -> None:
        """Use a line after the period to learn whether an sshd uses PAM."""
        self._ahead = self._ahead or self._sessions.copy()
        self._ahead.take(entry)

    def take(self, entry: "LogEntry") -> None:
        """Take a line of the period that is compared."""
        result = self._result
        before = result.cursor, self._last
        result.cursor, self._last = entry.cursor, entry.at
        login = self._sessions.take(entry)
        if login is None:
            return
        self._units.add(entry.unit)
        key = entry.host, entry.pid
        self._forget(key)  # this is another process with the same pid, so its lines are no evidence
        found, is_near = self._known.find(login, entry)
        if found and self._pending:
            self._since_mark.append(found)
        if found and is_near:
            result.accepted += 1
            result.fates[self._known.fate(found)] += 1
            if login.origins and entry.host:
                result.hosts.add(suspects.short(entry.host))
            return
        doubt = "clock" if found else suspects.doubt_at_once(entry, self._context)
        if not doubt and self._known.day(entry.at).is_full:
            doubt = "full"
        if not doubt and not self._pending:
            self._mark = result.copy(*before), self._sessions.before(), len(self._silent)
            self._since_mark, self._heard = [], 0
        result.accepted += 1
        if doubt:
            result.doubts[doubt] += 1
            return
        self._suspects[key] = Suspect(entry, self._sessions.run(entry.unit), result.accepted)
        self._history.suspects.add(key)
        self._pending.append(self._suspects[key])
        if len(self._pending) > MOST_PENDING:
            self._settle_first()

    def _forget(self, process: "Tuple[str, int]") -> None:
        """Stop collecting evidence about a process."""
        self._suspects.pop(process, None)
        self._history.suspects.discard(process)

    def _settle_first(self) -> None:
        """Stop collecting evidence about the oldest suspect, and settle it if there is any."""
        suspect = self._pending.pop(0)
        key = suspect.entry.host, suspect.entry.pid
        if self._suspects.get(key) is suspect:
            self._forget(key)
        # The notifier saw no session of this login. A later one in a process with this pid would be another login.
        self._sessions.end(suspect.entry)
        if not suspect.is_silent:
            self._settle(suspect)
            return
        self._silent.append(suspect)
        if len(self._silent) > MOST_PENDING:
            self._settle(self._silent.pop(0))

    def _settle(self, suspect: "Suspect") -> None:
        result, at = self._result, suspect.entry.at
        if self._context.hosts:
            self._context.hosts.update(result.hosts)
        doubt = suspects.doubt(suspect, self._context)
        if doubt:
            result.doubts[doubt] += 1
            return
        result.missed_count += 1
        result.last_missed = max(result.last_missed, at)
        if len(result.missed) < MOST_MISSED:
            result.missed.append(Missed(suspect, suspects.reason(suspect, self._context)))

    def close(self) -> "Tuple[Result, Dict[str, Any]]":
        """Finish the comparison. Return the result, and the state for the next one, as `compare` does."""
        history = self._history
        if not history.is_whole and self._pending and self._mark and self._heard < ENOUGH_LINES:
            # The evidence about the suspects has not been read yet, so the next comparison begins with them.
            self._result, self._sessions, silent = self._mark
            self._last, self._pending, self._silent = self._result.until, [], self._silent[:silent]
            self._known.used.difference_update(self._since_mark)
        while self._pending:
            self._settle_first()
        for suspect in self._silent:
            self._settle(suspect)
        result = self._result
        result.missed.sort(key=lambda missed: missed.number)
        result.is_whole = history.is_whole
        result.until = result.until if result.is_whole else min(self._last, result.until)
        begin = result.since + (MARGIN_SECONDS if self._is_first else -MARGIN_SECONDS)
        begin = max(begin, self._context.began, history.begins or 0.0)
        unlogged = self._known.unlogged(begin, result.until - MARGIN_SECONDS)
        result.unlogged = len(unlogged)
        result.gaps = self._gaps()
        edge = result.until - APART_SECONDS
        tail = {
            "used": [name for name in self._known.used if written_at(name) > edge],
            "unlogged": (self._unlogged + unlogged)[-MOST_UNLOGGED:],
            **self._sessions.tail(edge),
        }
        return result, tail

    def _gaps(self) -> "List[str]":
        history, result = self._history, self._result
        begin, gaps = max(result.since, self._context.began), []
        if history.begins is None:
            gaps.append(f"{history.name} has no entries whose time can be read")
        elif history.begins > begin + 1:
            gaps.append(f"{history.name} begins at {shown(history.begins)}, so earlier logins are unknown")
        units = {unit for unit in history.suppressed if unit in self._units or suppressed.is_sshds(unit)}
        dropped = sum(history.suppressed[unit] for unit in units)
        if dropped:
            said = counted(dropped, "message")
            gaps.append(f"journald dropped {said} of sshd's unit (RateLimitBurst= in journald.conf)")
        gaps += history.unreadable
        if result.unlogged:
            known = f"{counted(result.unlogged, 'login')} that the notifier knows of"
            gaps.append(f"{history.name} lacks {known}, and may lack others (check sshd's LogLevel, and rate limits)")
        for doubt in suspects.UNPROVEN:
            if result.doubts[doubt]:
                gaps.append(f"{counted(result.doubts[doubt], 'login')} {DOUBTS[doubt]}")
        return gaps


def lines(result: Result) -> "List[str]":
    """Return the result as lines for people."""
    said = [f"{counted(result.accepted, 'login')} accepted, {result.fates[ledger.REPORTED]} reported."]
    said.append(f"From {shown(result.since)} to {shown(result.until)}, by {result.source}.")
    for word, number in result.fates.items():
        if number and word != ledger.REPORTED:
            said.append(f"  {number:6}  {word}")
    for doubt, number in result.doubts.items():
        if number:
            said.append(f"  {number:6}  {DOUBTS[doubt]}")
    if result.unlogged:
        said.append(f"  {result.unlogged:6}  known, but not in the log")
    if result.missed_count:
        said.append(f"  {result.missed_count:6}  MISSED")
    for missed in result.missed:
        said += ["", missed.line, "  " + missed.reason]
    if result.missed_count > len(result.missed):
        said.append(f"and {result.missed_count - len(result.missed)} more")
    said += ["Not proven: " + gap + "." for gap in result.gaps]
    if not result.is_whole:
        said.append("Not proven: the time ran out before the end of the log.")
    return said
