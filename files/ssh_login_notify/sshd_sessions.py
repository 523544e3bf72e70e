# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process of sshd has which login, and which sshd opens PAM sessions, as the log shows it (audit.py).

`Accepted` and the `session opened` of a PAM module are lines of one process (sshd_lines.py), and together one login.

An sshd without PAM and a connection that was reset leave the same lines. So the audit must know whether an sshd uses
PAM: it does if it has opened a session since it last read its configuration.
"""

from . import sshd_lines
from .known import APART_SECONDS
from .sshd_log import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from .sshd_history import Entry

    # The host as in the log line, and the pid.
    Process = Tuple[str, int]
    # When the login of a process was last in the log, and systemd's unit in that line.
    Login = Tuple[float, str]

# How many processes that have a login are remembered.
MOST_LOGINS = 20000
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
        """logins: of the last two minutes, the newest last. runs: the current run of the sshd of each unit."""
        self._logins = logins
        self._runs = runs
        self._room = MOST_LOGINS
        # The process of the last line, and its login before that line.
        self._undo: Optional[Tuple[Process, Optional[Login]]] = None

    @classmethod
    def of_tail(cls, tail: "Dict[str, Any]") -> "Sessions":
        """Return the state that `tail` has returned."""
        logins = {(host, pid): (at, "") for host, pid, at in tail["opened"]}
        return cls(logins, {unit: Run(True) for unit in tail["with_pam"] if _is_lasting(unit)})

    def tail(self, since: float) -> "Dict[str, Any]":
        """Return the state for JSON. since: the time of the oldest login that matters"""
        recent = [[*process, at] for process, (at, _unit) in self._logins.items() if at > since]
        return {
            "opened": recent[-MOST_LOGINS:],
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
            self._note(process, entry)
        elif sshd_lines.is_opened(entry.message):
            has_login = earlier is not None and abs(entry.at - earlier[0]) <= APART_SECONDS
            self._learn(entry.unit, earlier[1] if earlier and has_login else "")
            if not has_login and entry.name in NAMES:
                login = sshd_lines.Accepted("", "", [])
                self._note(process, entry)
        elif sshd_lines.is_start(entry.message):
            self._runs.pop(entry.unit, None)
        return login

    def _note(self, process: "Process", entry: "Entry") -> None:
        if len(self._logins) >= self._room:
            self._logins = {key: it for key, it in self._logins.items() if abs(entry.at - it[0]) <= APART_SECONDS}
            self._room = max(MOST_LOGINS, 2 * len(self._logins))
        self._logins.pop(process, None)
        self._logins[process] = entry.at, entry.unit

    def _learn(self, unit: str, accepting: str) -> None:
        """Learn from a line of a PAM session that the sshd of a unit uses PAM.

        unit: in that line. accepting: in the line `Accepted`. pam_systemd may have moved the process in between, and
        journald can be late in seeing where a process is.
        """
        run = self.run(unit) or self.run(accepting)
        if run:
            run.has_pam = True


def _is_lasting(unit: str) -> bool:
    """Return whether a unit has one sshd for many connections.

    With `@`, each connection has its own sshd, which reads the configuration anew. A scope is the logind session of a
    connection, or of a user who has started an sshd by hand.
    """
    return bool(unit) and "@" not in unit and not unit.endswith(".scope")
