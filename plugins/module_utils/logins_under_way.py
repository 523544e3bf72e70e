# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that have begun, but whose PAM session is not open yet.

libpam reads a service's file when the login begins (``pam_start(3)``), so such a login still runs the lines that were
there then, however long its person thinks about the password: up to sshd's ``LoginGraceTime``.

sshd tells in the names of its processes how far a login is (``setproctitle`` in OpenSSH's ``auth2.c``, ``monitor.c``
and ``session.c``): the one that asks PAM is ``sshd: USER [priv]``, and until the user is authenticated it has a child
``sshd: USER [net]``. After that it runs what PAM's session rules run, and then there is a child without brackets, the
session's own. Since OpenSSH 9.8 the names begin with ``sshd-session:`` or ``sshd-auth:``.
"""

import re
import time
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple

ASKS_PAM = re.compile(r"sshd(-session)?: .* \[priv\]\Z")
IN_SESSION = re.compile(r"sshd(-session)?: [^\[]*\Z")
# Between the end of [net] and the first of PAM's programs a login has no child for a moment: so one look is none.
LOOKS = 3
PAUSE_SECONDS = 0.2

Identity = Tuple[int, str]
"""A process: its id and its start time in clock ticks. An id alone may be another process's by the next look."""


class Process(NamedTuple):
    """What one look at a process has shown."""

    pid: int
    started: str
    parent: int
    words: List[str]
    """Its arguments, or its title as the first and only of them."""


def look(proc: Path = Path("/proc")) -> Dict[int, Process]:
    """Every process that there is, by its id (proc(5)). One that ends meanwhile is left out."""
    found = {}
    for directory in proc.iterdir():
        if not directory.name.isdigit():
            continue
        try:
            # The name in brackets may hold blanks and brackets itself.
            fields = (directory / "stat").read_bytes().rpartition(b")")[2].split()
            command = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        words = command.rstrip(b"\0 ").decode("utf-8", "surrogateescape").split("\0")
        pid = int(directory.name)
        found[pid] = Process(pid, fields[19].decode("ascii"), int(fields[1]), words)
    return found


def under_way(processes: Mapping[int, Process], commands: Iterable[str] = ()) -> Set[Identity]:
    """Logins whose session is not open yet, and processes that run one of ``commands`` (as words, from a path on)."""
    children = {}  # type: Dict[int, List[Process]]
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    wanted = [command.split() for command in commands]
    found = set()
    for process in processes.values():
        below = children.get(process.pid, [])
        begun = ASKS_PAM.match(process.words[0]) and below and not any(IN_SESSION.match(one.words[0]) for one in below)
        if begun or any(_runs(process.words, command) for command in wanted if command):
            found.add((process.pid, process.started))
    return found


def wait(seconds: float, commands: Iterable[str] = (), proc: Path = Path("/proc")) -> Set[Identity]:
    """Wait until what is under way now is no more, at most so many seconds. Return what still is then.

    Logins that begin meanwhile are not waited for.
    """
    commands = list(commands)
    end = time.monotonic() + seconds
    waited_for = set()  # type: Set[Identity]
    for _look in range(LOOKS):
        waited_for |= under_way(look(proc), commands)
        time.sleep(PAUSE_SECONDS)
    left, unseen = waited_for, 0
    while waited_for and unseen < LOOKS and time.monotonic() < end:
        left = waited_for & under_way(look(proc), commands)
        unseen = 0 if left else unseen + 1
        time.sleep(PAUSE_SECONDS)
    return left


def _runs(words: List[str], command: List[str]) -> bool:
    """Whether the words of ``command`` stand in those of a process; its interpreter may come first."""
    return any(words[start : start + len(command)] == command for start in range(len(words) - len(command) + 1))
