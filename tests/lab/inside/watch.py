# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watch the notifier's processes: `python3 watch.py` looks every 50 ms until its standard input ends, then prints JSON.

It prints the highest number of observers, the highest number of senders, and the highest memory of all of them
together. The memory is the sum of their proportional set sizes (proc(5), smaps_rollup). A shared page counts once, so a
fork does not count as a second program.
"""

import json
import os
import select
import sys
from contextlib import suppress
from pathlib import Path

NAME = "ssh-login-notif"  # the kernel keeps 15 characters of a name
HURRY = -15  # the priority of an observer at work (files/ssh_login_notify/observer.py)
INTERVAL = 0.05


class Process:
    """One of the notifier's processes."""

    def __init__(self, directory: Path, fields: "list[str]") -> None:
        """Read the process's properties.

        directory: its directory in /proc
        fields: the fields of its stat (proc(5)) from the third on, which follow its name
        """
        self._directory = directory
        self.parent = int(fields[1])
        self.nice = int(fields[16])
        self.is_sender = (directory / "cmdline").read_bytes().endswith(b"\0send\0")

    def memory(self) -> int:
        """Return the proportional set size in KiB, or 0 if the process has ended."""
        with suppress(OSError):
            return int((self._directory / "smaps_rollup").read_text().partition("\nPss:")[2].split()[0])
        return 0


def processes() -> "dict[int, Process]":
    """Return all of the notifier's processes by pid, hooks included."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended
            name, _parenthesis, rest = (directory / "stat").read_text().partition("(")[2].rpartition(") ")
            fields = rest.split()
            if name == NAME and fields[0] != "Z":
                found[int(directory.name)] = Process(directory, fields)
    return found


def look(before: "set[int]") -> "tuple[set[int], dict[str, int]]":
    """Return the pids of the current processes, and the counts and memory.

    before: the pids of the previous look. A new process does not count yet, because one that is about to end
    releases its lock some milliseconds earlier, and its successor can start at once.
    """
    found = processes()
    # A hook does not raise its priority. An observer's child, the finisher, does not keep it for long.
    hurried = {pid: process for pid, process in found.items() if process.nice == HURRY}
    observers = {pid: process for pid, process in hurried.items() if process.parent not in found}
    finishers = {pid: process for pid, process in found.items() if process.parent in observers}
    sending = {pid: process for pid, process in found.items() if process.is_sender}
    # A sender's child that reads the logs for it as root (root_reader.py) is not a second sender.
    senders = {pid: process for pid, process in sending.items() if process.parent not in sending}
    there = {**observers, **finishers, **sending}
    return set(there), {
        "observers": len(before.intersection(observers)),
        "senders": len(before.intersection(senders)),
        "kib": sum(process.memory() for process in there.values()),
    }


def main() -> None:
    """Keep the highest count of each."""
    most = {"observers": 0, "senders": 0, "kib": 0}
    there: set[int] = set()
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        there, counts = look(there)
        most = {name: max(number, counts[name]) for name, number in most.items()}
    print(json.dumps(most))


if __name__ == "__main__":
    os.nice(-10)  # otherwise it would miss most of them on a machine that is busy with logins
    main()
