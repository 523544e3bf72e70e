# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""List who is logged in now, for the message about something that was changed on this host.

There are three sources, joined by the process that opened the PAM session. /proc has sshd's processes, whose titles
only sshd writes (titles.py). logind has the sessions of sshd and of terminals (loginctl(1)), even those for which the
notifier did not run. The ledger has the addresses of logins, and the logins that ended a moment ago. Pids are reused,
so an entry of the ledger counts only for a process that was started before it.
"""

import os
import time

from . import ledger, rules, sshds, titles
from .alert import TEST_SERVICE
from .open_connections import OfAnotherBootError, OpenConnections
from .processes import FIRST_PROCESS, Processes
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Set, Tuple

    from .ledger import Entry
    from .spool import Spool

LOGINCTL = ("/usr/bin/loginctl", "/bin/loginctl")
PROPERTIES = "Name,Timestamp,TTY,RemoteHost,Service,Leader,Class,State,Scope"
# Services whose sessions are not logins of people: logind's own, cron's.
NO_LOGINS = ("systemd-user", "cron", "crond", "atd")
MOST_SHOWN = 10
# A login that began less than this long before the message is listed even if it has ended.
LATELY_SECONDS = 120.0
# How far two clocks may differ. One of them counts in hundredths of a second.
CLOCKS_SECONDS = 5.0
# The longest time between the start of an sshd process and its hook, while somebody types a password.
LOGGING_IN_SECONDS = 3600.0
DAY_SECONDS = 86400.0
LONGEST_NAME = 64


class Session:
    """A login that is open or has just ended. since: in seconds since the epoch. has_ended: its process is gone."""

    def __init__(self, user: str, since: float, address: str = "", terminal: str = "", has_ended: bool = False) -> None:
        self.user = user
        self.since = since
        self.address = address
        self.terminal = terminal
        self.has_ended = has_ended
        self.person = ""

    def shown(self, now: float) -> str:
        """Return it in words: `deploy (ada) from 203.0.113.50 since 14:03:11`."""
        who = plain_or_quoted(printable(self.user, LONGEST_NAME)) if self.user else "an unknown user"
        person = f" ({printable(self.person, LONGEST_NAME)})" if self.person else ""
        where = f" from {plain_or_quoted(printable(self.address, LONGEST_NAME))}" if self.address else ""
        if not where and self.terminal:
            where = f" on {plain_or_quoted(printable(self.terminal, LONGEST_NAME))}"
        form = "%H:%M:%S" if 0 <= now - self.since < DAY_SECONDS else "%Y-%m-%d %H:%M"
        at = time.strftime(form, time.localtime(self.since)) if self.since else "an unknown time"
        return f"{who}{person}{where} " + (f"at {at}, ended" if self.has_ended else f"since {at}")


def line(spool: "Spool", people: "Dict[str, str]") -> str:
    """Return who is logged in, the latest first, as one line. Return "" if that can't be found out.

    people: the names of people by fingerprint or certificate
    """
    now = time.time()
    can_tell = os.path.exists(FIRST_PROCESS) or _loginctl() != ""
    found = sorted(sessions(spool, people, now), key=lambda session: session.since, reverse=True)
    shown = [session.shown(now) for session in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        shown.append(f"{len(found) - MOST_SHOWN} more")
    return "; ".join(shown) or ("nobody" if can_tell else "")


def sessions(spool: "Spool", people: "Dict[str, str]", now: float) -> "List[Session]":
    """Return the logins that are open, and those that ended recently."""
    found: Dict[int, Session] = {}
    for pid, user, since in _of_sshd(now):
        found[pid] = Session(user, since)
    for pid, session in _of_logind():
        known = found.setdefault(pid, session)
        known.address = known.address or session.address
        known.terminal = known.terminal or session.terminal
    entries = list(_entries(spool, {now, *(session.since for session in found.values())}))
    for pid, session in found.items():
        entry = _entry_of(pid, session, entries)
        if entry:
            session.user, session.since = entry.user or session.user, entry.time
            session.address = entry.address or session.address
    ended = [
        Session(entry.user, entry.time, entry.address, has_ended=True)
        for entry in entries
        if entry.pid not in found and 0 <= now - entry.time < LATELY_SECONDS
    ]
    for pid, person in _people(spool, people):
        if pid in found:
            found[pid].person = person
    return [*found.values(), *ended]


def _entry_of(pid: int, session: Session, entries: "List[Entry]") -> "Optional[Entry]":
    """Return the ledger's entry for a session, or None.

    A session's `since` is the start of its process, or of its session in logind, so its entry is not older.
    """
    ours = [entry for entry in entries if entry.pid == pid and entry.time >= session.since - CLOCKS_SECONDS]
    return min(ours, key=lambda entry: entry.time, default=None)


def _entries(spool: "Spool", times: "Set[float]") -> "Iterator[Entry]":
    """Yield the ledger's entries of the days around these times, without the role's test alerts."""
    later = {moment + LOGGING_IN_SECONDS for moment in times}
    for day in sorted({ledger.day_of(moment - CLOCKS_SECONDS) for moment in {*times, *later}}):
        yield from (entry for entry in ledger.Day(spool, day).all() if entry.service != TEST_SERVICE)


def _people(spool: "Spool", people: "Dict[str, str]") -> "Iterator[Tuple[int, str]]":
    """Yield the process and the person of each open connection whose record has a known key (open_connections.py)."""
    records = OpenConnections(spool)
    try:
        names = records.names() if people else []
    except OSError:
        return
    for name in names:
        try:
            record = records.read(name)
        except (OSError, ValueError, RecursionError, OfAnotherBootError):
            continue
        named = list(filter(None, (rules.person(method, people) for method in record.reported["methods"])))
        if named:
            yield record.monitor, named[0]


# -- sshd's processes -------------------------------------------------------------------------------------------------


def _of_sshd(now: float) -> "Iterator[Tuple[int, str, float]]":
    """Yield the process that opened the PAM session, the user, and the start of that process (since the epoch)."""
    processes = Processes(sshds.PROC)
    try:
        with open(sshds.PROC + "/uptime", "rb") as file:
            booted = now - float(file.read().split()[0])
        pids = sorted(int(entry) for entry in os.listdir(sshds.PROC) if entry.isdigit())
    except (OSError, ValueError, IndexError):
        return
    sshds_here: Dict[int, str] = {}
    for pid in pids:
        parent = processes.parent(pid)
        if not sshds.is_roots(pid):
            # Reading the command line of a user's process can block forever (sshds.py). Users can't change sshd's.
            if parent not in sshds_here:
                sshds_here[parent] = sshds.executable_of(parent)
            if not sshds_here[parent]:
                continue
        text = titles.split(processes.arguments(pid))[1]
        # sshd's title while it waits for connections begins with its path.
        if not text or text.startswith((b"[", b"/")) or titles.is_helpers(text):
            continue
        # The process of a root login has no monitor above it, and opened the PAM session itself.
        opener = parent if titles.is_helpers(titles.split(processes.arguments(parent))[1]) else pid
        start = processes.start(opener)
        if start is not None and sshds.executable_of(opener):
            since = booted + start / os.sysconf("SC_CLK_TCK")
            yield opener, printable(titles.user_and_session(text)[0], LONGEST_NAME), since


# -- logind -----------------------------------------------------------------------------------------------------------


def _loginctl() -> str:
    return next((path for path in LOGINCTL if os.access(path, os.X_OK)), "")


def _of_logind() -> "Iterator[Tuple[int, Session]]":
    """Yield each session of logind with the pid of its leader. Without logind, there are none."""
    program = _loginctl()
    if not program:
        return
    listed = sshds.run([program, "list-sessions", "--no-legend", "--no-pager"])
    names = [row.split()[0] for row in listed[1].splitlines() if row.split()] if listed[0] == 0 else []
    shown = sshds.run([program, "show-session", "--property=" + PROPERTIES, *names])[1] if names else ""
    for block in shown.split("\n\n"):
        values = dict(row.partition("=")[::2] for row in block.splitlines())
        is_login = values.get("Class", "user") == "user" and values.get("Service", "") not in NO_LOGINS
        if is_login and values.get("State") != "closing" and values.get("Leader", "").isdigit():
            since = _moment(values.get("Timestamp", ""))
            session = Session(values.get("Name", ""), since, values.get("RemoteHost", ""), values.get("TTY", ""))
            yield int(values["Leader"]), session


def _moment(text: str) -> float:
    """Return a time of loginctl(1) as seconds since the epoch (`Fri 2026-11-27 14:03:11 CET`, local), or 0."""
    try:
        return time.mktime(time.strptime(" ".join(text.split()[1:3]), "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0
