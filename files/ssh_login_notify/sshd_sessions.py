# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process of sshd has which login, and which sshd opens PAM sessions, as the log shows it (audit.py).

`Accepted` and the `session opened` of a PAM module are lines of one process (sshd_lines.py), and together one login.
Their times can be far apart: PAM modules may wait for a server, and the clock may be set.

An sshd without PAM and a connection that was reset leave the same lines. So the audit must know whether an sshd uses
PAM: it does if it has opened a session since it last read its configuration.
"""

from . import sshd_lines
from .known import APART_SECONDS
from .sshd_log import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple

    from .sshd_history import Entry

    # The host as in the log line, and the pid.
    Process = Tuple[str, int]
    # When the login of a process was last in the log, systemd's unit in that line, and whether its session is awaited.
    Login = Tuple[float, str, bool]

# How many processes that have a login are remembered, and of how many a late session is awaited, and for how long.
MOST_LOGINS = 20000
MOST_AWAITING = 1000
AWAITING_SECONDS = 86400.0
MOST_UNITS = 100


class Run:
    """An sshd from one reading of its configuration to the next.

    has_pam: it has opened a PAM session, and a PAM module has logged that
    """

    __slots__ = ("has_pam",)

    def __init__(self, has_pam: bool = False) -> None:
        self.has_pam = has_pam


class Sessions:
    """The state after a line of the log."""

    def __init__(self, logins: "Dict[Process, Login]", runs: "Dict[str, Run]") -> None:
        """Set the state.

        logins: recent ones, and those that await a session, the newest last. runs: the current one of each unit's sshd.
        """
        self._logins = logins
        self._runs = runs
        self._room = MOST_LOGINS
        # The process of the last line, and its login before that line.
        self._undo: Optional[Tuple[Process, Optional[Login]]] = None

    @classmethod
    def of_tail(cls, tail: "Dict[str, Any]") -> "Sessions":
        """Return the state that `tail` has returned."""
        logins: Dict[Process, Login] = {(host, pid): (at, "", False) for host, pid, at in tail["opened"]}
        # Older versions did not keep these.
        logins.update(((host, pid), (at, unit, True)) for host, pid, at, unit in tail.get("awaiting", ()))
        made = cls(logins, {})
        made.learn(tail["with_pam"])
        return made

    def tail(self, since: float) -> "Dict[str, Any]":
        """Return the state for JSON. since: the time of the oldest login that matters"""
        recent = [[*process, at] for process, (at, _unit, _awaits) in self._logins.items() if at > since]
        return {
            "opened": recent[-MOST_LOGINS:],
            "awaiting": [[*process, at, unit] for process, (at, unit, _awaits) in self._awaiting()],
            "with_pam": [unit for unit, run in self._runs.items() if run.has_pam][-MOST_UNITS:],
        }

    def copy(self) -> "Sessions":
        """Return a copy. It has the same runs: a later line can show that one of them uses PAM."""
        return Sessions(dict(self._logins), dict(self._runs))

    def before(self) -> "Sessions":
        """Return a copy without the login in the last line."""
        copied = self.copy()
        if self._undo:
            process, login = self._undo
            copied._logins.pop(process, None)
            if login:
                copied._logins[process] = login
        return copied

    def run(self, unit: str) -> "Optional[Run]":
        """Return the current run of the sshd of a unit, None if no later login will be through the same run."""
        return self._runs.setdefault(unit, Run()) if _is_lasting(unit) else None

    def take(self, entry: "Entry") -> "Optional[sshd_lines.Accepted]":
        """Take the next line. Return the login that it is the first to report, None for any other line."""
        process = entry.host, entry.pid
        earlier = self._logins.get(process)
        self._undo = process, earlier
        login = sshd_lines.accepted(entry.message)
        if login:
            self._note(process, (entry.at, entry.unit, True))
        elif sshd_lines.is_opened(entry.message):
            is_its = earlier is not None and _is_of(entry.at, earlier)
            # pam_systemd may have moved the process since `Accepted`, and journald can be late in seeing where it is.
            is_moved = earlier and is_its and not _is_lasting(entry.unit)
            self.learn([earlier[1] if earlier and is_moved else entry.unit])
            if is_its or entry.name in NAMES:
                self._note(process, (entry.at, entry.unit, False))
            if not is_its and entry.name in NAMES:
                login = sshd_lines.Accepted("", "", [])
        elif sshd_lines.is_start(entry.message):
            self._runs.pop(entry.unit, None)
        return login

    def end(self, entry: "Entry") -> None:
        """Await no session of a login any more. entry: the first line about it"""
        process = entry.host, entry.pid
        at, unit, _awaits = self._logins.get(process, (0.0, "", False))
        if at == entry.at:
            self._logins[process] = at, unit, False

    def _note(self, process: "Process", login: "Login") -> None:
        if len(self._logins) >= self._room:
            awaiting = dict(self._awaiting())
            self._logins = {
                process: other
                for process, other in self._logins.items()
                if process in awaiting or abs(login[0] - other[0]) <= APART_SECONDS
            }
            self._room = max(MOST_LOGINS, 2 * len(self._logins))
        self._logins.pop(process, None)
        self._logins[process] = login

    def _awaiting(self) -> "List[Tuple[Process, Login]]":
        return [(process, login) for process, login in self._logins.items() if login[2]][-MOST_AWAITING:]

    def learn(self, units: "Iterable[str]") -> None:
        """Learn that the sshd of each of these units uses PAM."""
        for unit in units:
            run = self.run(unit)
            if run:
                run.has_pam = True


def _is_of(at: float, login: "Login") -> bool:
    """Return whether a session that was opened at a time in the same process belongs to a login."""
    return abs(at - login[0]) <= (AWAITING_SECONDS if login[2] else APART_SECONDS)


def _is_lasting(unit: str) -> bool:
    """Return whether a unit has one sshd for many connections.

    With `@`, each connection has its own sshd, which reads the configuration anew. A scope is the logind session of a
    connection, or of a user who has started an sshd by hand.
    """
    return bool(unit) and "@" not in unit and not unit.endswith(".scope")
