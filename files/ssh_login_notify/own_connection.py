# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the SSH connection in which this process runs, and its login.

SSH_CONNECTION can't be used: sudo(8) removes it, and a user can set it to anything. So this module searches the
ancestors of this process. While a connection is open, root has a record of the sshd process that serves it
(open_connections.py), with its pid and start time. The record is removed early if no later session can be more serious.
Without a record, that process is the first ancestor that belongs to root and runs the executable of an sshd
(sshds.executable_of); the name of a process proves nothing. The ledger has the user, the address and the port of the
login for which that process opened the PAM session.

Only root can write the records and the ledger. The ledger does not have the key. So without a record, the key is that
of the waiting or delivered alert with the ledger's user, address and port. The service user can change those alerts,
and with them the key, but not the rest.
"""

import os
import re
import time

from . import alert, identity, ledger, overflow, paths, sshds, titles
from .open_connections import OpenConnections
from .processes import Processes
from .spool import Spool
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional

# A login is later than the start of its connection's process, but the two clocks can differ by this much.
CLOCKS_SECONDS = 5.0
# The longest time between the start of an sshd process and its login, while somebody types a password.
LOGGING_IN_SECONDS = 3600.0
# How long to wait for a login that an observer is still watching.
WAIT_SECONDS = 15.0
FACTS = ("user", "address", "key")
PORT = re.compile(r" port ([0-9]{1,5})(?: |\Z)")


class NotFoundError(Exception):
    """The login of this connection is unknown. The message says why and what to do, in one sentence."""


def ancestors(processes: Processes, pid: int) -> "List[int]":
    """Return a process and its ancestors, without the first process of the host."""
    found: List[int] = []
    while pid > 1 and pid not in found:
        found.append(pid)
        fields = processes.status(pid).rpartition(b")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return found


def process_of_sshd(pids: "List[int]") -> int:
    """Return the first of these processes that is sshd's, or 0 if none is or it can't be seen (no CAP_SYS_PTRACE)."""
    return next((pid for pid in pids if sshds.executable_of(pid)), 0)


def find(spool: Spool, muted: "List[Dict[str, Any]]", seconds: float = WAIT_SECONDS) -> "Dict[str, str]":
    """Return user, address and key (identity.py) of the login of this connection. Raise NotFoundError or OSError.

    muted: logins that a mute has suppressed, with the fields of a delivery. seconds: how long to wait for a login that
    an observer is still watching
    """
    processes = Processes()
    pids = ancestors(processes, os.getppid())
    starts = {pid: processes.start(pid) for pid in pids}
    pid = process_of_sshd(pids)
    # In some containers, the executable of a process can't be seen. Then the title shows whether waiting is worthwhile.
    if not pid and not any(titles.split(processes.arguments(other))[1] for other in pids):
        what = "this program does not run in an SSH connection (no sshd is among its ancestors)"
        raise NotFoundError(what + ": run it in a session of its own, not in tmux, screen or a service")
    until = time.monotonic() + seconds
    while True:
        found = _by_record(spool, starts) or (_by_ledger(spool, muted, pid, starts.get(pid) or 0) if pid else None)
        if found:
            return found
        if time.monotonic() > until:
            what = "the login of this connection is not known: it was reported too long ago, or a rule ignored it"
            mend = "close the shared connection (`ssh -O exit`, ControlPersist) and log in again"
            raise NotFoundError(f"{what}: {mend}; `ssh-login-notify status` shows what is wrong here, if anything is")
        time.sleep(0.2)


def _by_record(spool: Spool, starts: "Dict[int, Optional[int]]") -> "Optional[Dict[str, str]]":
    """Return the facts of the login that one of these processes serves, from its record; None without one."""
    records = OpenConnections(spool)
    for name in records.names():
        try:
            record = records.read(name)
        except Exception:  # noqa: S112 - over, damaged, or of another boot
            continue
        if starts.get(record.monitor) == record.start:
            return _facts(record.reported)
    return None


def _by_ledger(spool: Spool, muted: "List[Dict[str, Any]]", pid: int, start: int) -> "Optional[Dict[str, str]]":
    """Return the facts of the login for which a process opened the PAM session; None if its key is not known.

    start: of the process, in clock ticks after boot
    """
    began = _began(start)
    entry = _entry_of(spool, pid, began)
    found = list(_reported(spool, muted, entry, began)) if entry else []
    # If they differ, the service user has added one.
    return found[0] if found and all(facts == found[0] for facts in found) else None


def _began(start: int) -> float:
    """Return when a process began, in seconds since the epoch. start: in clock ticks after boot."""
    booted = re.search(r"^btime ([0-9]+)$", sshds.text_of("/proc/stat"), re.M)
    return (int(booted.group(1)) if booted else 0) + start / os.sysconf("SC_CLK_TCK") - CLOCKS_SECONDS


def _entry_of(spool: Spool, pid: int, began: float) -> "Optional[ledger.Entry]":
    """Return the ledger's first entry for a process since it began. Its pid may have belonged to another one before."""
    days = {ledger.day_of(began), ledger.day_of(began + LOGGING_IN_SECONDS)}
    entries = [entry for day in days for entry in ledger.Day(spool, day).entries.get(pid, []) if entry.time >= began]
    return min(entries, key=lambda entry: entry.time, default=None)


def _reported(
    spool: Spool, muted: "List[Dict[str, Any]]", entry: "ledger.Entry", began: float
) -> "Iterator[Dict[str, str]]":
    """Yield the facts of each alert since `began` that has the user, the address and the port of an entry."""
    logins = [(_facts(login), login["port"], login["time"]) for login in _waiting(spool)]
    state = State(spool)
    for known in [*state.recent, *state.folded, *muted]:
        port = PORT.search(known["from"])
        if port:
            at = known.get("login_time", known.get("at", 0.0))
            logins.append(({name: known[name] for name in FACTS}, int(port.group(1)), at))
    for facts, number, at in logins:
        # The ledger is ASCII.
        user = facts["user"].encode("ascii", "backslashreplace").decode("ascii")
        if at >= began and (user, facts["address"], number) == (entry.user, entry.address, entry.port):
            yield facts


def _waiting(spool: Spool) -> "Iterator[alert.Alert]":
    """Yield the logins whose alerts wait to be sent."""
    for place, directory in ((spool, "outgoing"), (Spool(paths.OVERFLOW), "")):
        for name in spool.names("outgoing") if directory else overflow.names():
            try:
                login = alert.from_json(place.read(directory, name))
            except (OSError, ValueError):
                continue  # sent in the meantime, or damaged
            if login["about"] == alert.LOGIN:
                yield login


def _facts(login: "alert.Alert") -> "Dict[str, str]":
    facts = identity.facts_of(login)
    return {name: facts[name] for name in FACTS}
