# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds logins that have begun but whose PAM session is not open yet, and waits for them.

libpam reads a service's file when the login begins (``pam_start(3)``). So a login runs the PAM lines of that moment,
even if the user takes until sshd's ``LoginGraceTime`` to type the password.

The titles of sshd's processes show the progress of a login (``setproctitle`` in OpenSSH's ``auth2.c``, ``monitor.c``
and ``session.c``). The process that calls PAM is ``sshd: USER [priv]``. Until the user is authenticated it has a child
``sshd: USER [net]``. Then it runs the programs of PAM's session rules. After that it has a child without brackets, the
session itself. Since OpenSSH 9.8 the titles begin with ``sshd-session:`` or ``sshd-auth:``. If an sshd was started
under another name, its titles begin with that name. Versions after 10.3 write ``[postauth]`` once the user is
authenticated.
"""

import re
import time
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple

ASKS_PAM = re.compile(r"[^ /:]+: .* \[(priv|postauth)\]\Z")
IN_SESSION = re.compile(r"[^ /:]+: [^\[]*\Z")
# Between the end of [net] and the first PAM program, a login has no child for a moment. So one look is not enough.
LOOKS = 3
PAUSE_SECONDS = 0.2

Identity = Tuple[int, str]
"""A process: its pid, and its start time in clock ticks, because by the next look the pid may have been reused."""


class Process(NamedTuple):
    """A process at the time of one look."""

    pid: int
    started: str
    parent: int
    words: List[str]
    """Its arguments. A title is one argument."""


def look(proc: Path = Path("/proc")) -> Dict[int, Process]:
    """Return every process by its pid (proc(5)). A process that ends during the look is left out."""
    found = {}
    for directory in proc.iterdir():
        if not directory.name.isdigit():
            continue
        try:
            # The name in brackets may itself contain blanks and brackets.
            fields = (directory / "stat").read_bytes().rpartition(b")")[2].split()
            command = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        words = command.rstrip(b"\0 ").decode("utf-8", "surrogateescape").split("\0")
        pid = int(directory.name)
        found[pid] = Process(pid, fields[19].decode("ascii"), int(fields[1]), words)
    return found


def under_way(processes: Mapping[int, Process], commands: Iterable[str] = ()) -> Set[Identity]:
    """Return the logins whose session is not open yet, and the processes that run one of ``commands``."""
    children: Dict[int, List[Process]] = {}
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
    """Wait at most ``seconds`` for the logins and commands that are running now. Return those that are still running.

    Logins that begin during the wait are ignored.
    """
    commands = list(commands)
    deadline = time.monotonic() + seconds
    waited_for: Set[Identity] = set()
    for _look in range(LOOKS):
        waited_for |= under_way(look(proc), commands)
        time.sleep(PAUSE_SECONDS)
    left, looks_without = waited_for, 0
    while waited_for and looks_without < LOOKS and time.monotonic() < deadline:
        left = waited_for & under_way(look(proc), commands)
        looks_without = 0 if left else looks_without + 1
        time.sleep(PAUSE_SECONDS)
    return left


def _runs(words: List[str], command: List[str]) -> bool:
    """Return whether the arguments of a process contain the words of ``command`` in a row, as after an interpreter."""
    return any(words[start : start + len(command)] == command for start in range(len(words) - len(command) + 1))
