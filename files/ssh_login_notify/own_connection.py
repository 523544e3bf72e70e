# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the SSH connection in which this process runs, and its login, from what the kernel reports.

SSH_CONNECTION can't be used: sudo(8) removes it, and a user can set it to anything. So this module searches the
ancestors of this process. While a connection is open, root has a record of the sshd process that serves it
(open_connections.py), with its pid and start time. Without a record, that process is the first ancestor that belongs to
root and runs the executable of an sshd (sshds.executable_of); the name of a process proves nothing. The socket of that
process has the client's address and port (proc(5), net/tcp). The login with this address and port is looked up among
those that the notifier has reported or is about to report.

If the login is root's, the same process also holds the sockets of forwarded ports. If these lead to different logins,
none is chosen.
"""

import ipaddress
import os
import re
import socket
import sys
import time

from . import alert, identity, overflow, paths, sshds, titles
from .open_connections import OpenConnections
from .processes import Processes
from .spool import Spool
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

    # An address and a port.
    Peer = Tuple[str, int]

ESTABLISHED = "01"
TABLES = (("net/tcp", socket.AF_INET), ("net/tcp6", socket.AF_INET6))
# The rest of a larger table is not read.
LARGEST_BYTES = 1 << 24
# A login is later than the start of its connection's process, but the two clocks can differ by this much.
CLOCKS_SECONDS = 5.0
# How long to wait for a login that an observer is still watching.
WAIT_SECONDS = 15.0
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


def peers(root: str, pid: int) -> "Set[Peer]":
    """Return the remote ends of all TCP connections of a process."""
    sockets = {link[len("socket:[") : -1] for link in _links(f"{root}/{pid}/fd") if link.startswith("socket:[")}
    found = set()
    for table, family in TABLES:
        for line in _text(f"{root}/{pid}/{table}").splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == ESTABLISHED and words[9] in sockets:
                found.add(_peer(words[2], family))
    return found


def _peer(text: str, family: int) -> "Peer":
    """Parse an address and port like `0100007F:0016`: 32-bit words in host byte order (net/ipv4/tcp_ipv4.c)."""
    address, _colon, port = text.partition(":")
    words = [bytes.fromhex(address[start : start + 8]) for start in range(0, len(address), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return plain(socket.inet_ntop(family, raw)), int(port, 16)


def plain(address: str) -> str:
    """Return an address in the form for comparisons: IPv4 in IPv6 form becomes IPv4, and a zone is removed."""
    try:
        found: Any = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)


def _links(directory: str) -> "Iterator[str]":
    for name in os.listdir(directory):
        try:
            yield os.readlink(os.path.join(directory, name))
        except OSError:
            pass  # closed in the meantime


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return ""  # a kernel without IPv6


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
    ends = peers(processes.root, pid) if pid else set()
    until = time.monotonic() + seconds
    while True:
        found = _by_process(spool, starts) or _by_peer(spool, muted, ends, _began(starts.get(pid) or 0))
        if len(found) == 1:
            return found[0]
        if found:
            what = "this connection has forwarded ports, and more than one login fits"
            raise NotFoundError(what + ": log in again without forwarded ports")
        if time.monotonic() > until:
            what = "the login of this connection is not known: it was reported too long ago, or a rule ignored it"
            mend = "close the shared connection (`ssh -O exit`, ControlPersist) and log in again"
            raise NotFoundError(f"{what}: {mend}; `ssh-login-notify status` shows what is wrong here, if anything is")
        time.sleep(0.2)


def _began(start: int) -> float:
    """Return when a process began, in seconds since the epoch. start: in clock ticks after boot."""
    booted = re.search(r"^btime ([0-9]+)$", _text("/proc/stat"), re.M)
    return (int(booted.group(1)) if booted else 0) + start / os.sysconf("SC_CLK_TCK") - CLOCKS_SECONDS


def _by_process(spool: Spool, starts: "Dict[int, Optional[int]]") -> "List[Dict[str, str]]":
    """Return the facts of the login that one of these processes serves, from its record; empty without one."""
    records = OpenConnections(spool)
    for name in records.names():
        try:
            record = records.read(name)
        except Exception:  # noqa: S112 - over, damaged, or of another boot
            continue
        if starts.get(record.monitor) == record.start:
            return [_facts(record.reported)]
    return []


def _by_peer(spool: Spool, muted: "List[Dict[str, Any]]", ends: "Set[Peer]", began: float) -> "List[Dict[str, str]]":
    """Return the facts of the logins that came from one of these ends since `began`, without duplicates."""
    found = []
    for login in _waiting(spool):
        if login["time"] >= began and (plain(login["address"]), login["port"]) in ends:
            found.append(_facts(login))
    state = State(spool)
    for entry in [*state.recent, *state.folded, *muted]:
        port = PORT.search(entry["from"])
        at = entry.get("login_time", entry.get("at", 0.0))
        if port and at >= began and (plain(entry["address"]), int(port.group(1))) in ends:
            found.append({name: entry[name] for name in ("user", "address", "key")})
    return [facts for number, facts in enumerate(found) if facts not in found[:number]]


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
    return {name: facts[name] for name in ("user", "address", "key")}
