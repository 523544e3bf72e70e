# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault: how to cause it, how to check that it is in place, how to repair it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify/ssh_login_notify"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
SPOOL = "/var/spool/ssh-login-notify"
STACK = "/etc/pam.d/sshd"
# The original of the damaged file or directory is here until the repair.
KEPT = "/root/kept"
# A fault keeps notes here for its checks. Users can read it.
SEEN = "/run/faults.seen"

# Runs a script as root on the server with `sh -eu`, and returns its output. Raises if it fails.
Shell = Callable[[str], str]


class Written(Enum):
    """Which logins during the fault are captured, and so must be reported after the repair."""

    ALL = "all of them"
    SOME = "those that the system's log has"  # the hook is killed, before or after it has written
    NONE = "no: nothing ran"


class NotBrokenError(Exception):
    """A fault was missing when it should be in place, or in place when it should not: the test proves nothing."""


@dataclass(frozen=True)
class Fault:
    """A fault. `breaks`, `holds`, `mends`, `shows`, `prepares` and `tidies` are shell scripts."""

    name: str
    breaks: str
    holds: str  # succeeds if the fault is in place and logins have met it; runs after them, and without the fault
    mends: str
    shows: str = "true"  # the same check, as the command of a login sees it
    written: Written = Written.ALL
    clock: int = 0  # by how many seconds the server's clock is wrong
    without_systemd: bool = False  # whether it also runs on a server without systemd
    prepares: str = "true"  # makes the fault possible, and is no fault itself
    tidies: str = "true"  # undoes `prepares`, once all alerts have arrived


def of_file(
    name: str, path: str, damage: str, holds: str, written: Written = Written.ALL, afterwards: str = "true"
) -> Fault:
    """Return a fault of one file or directory. The repair restores it, then runs `afterwards`."""
    mends = f"rm -rf {path}\nmv {KEPT} {path}\n{afterwards}"
    return Fault(name, f"cp -a {path} {KEPT}\n{damage}", holds, mends, written=written)


def is_in_place(fault: Fault, shell: Shell) -> bool:
    """Return whether the fault is in place."""
    return shell(f"if {{ {fault.holds}\n}} > /dev/null 2>&1; then echo yes; else echo no; fi").strip() == "yes"


@contextmanager
def prepared(fault: Fault, shell: Shell) -> Iterator[None]:
    """Prepare the fault for the block. Raises NotBrokenError if the fault is in place before or after it."""
    if is_in_place(fault, shell):
        raise NotBrokenError(f"{fault.name}: it seems to be in place before it was caused")
    shell(fault.prepares)
    try:
        yield
    finally:
        shell(fault.tidies)
    if is_in_place(fault, shell):
        raise NotBrokenError(f"{fault.name}: it seems to be in place after the repair")


@contextmanager
def broken(fault: Fault, shell: Shell) -> Iterator[None]:
    """Cause the fault for the block. Raises NotBrokenError if it was not in place at the end, or met no login."""
    shell(fault.breaks)
    try:
        yield
        if not is_in_place(fault, shell):
            raise NotBrokenError(f"{fault.name}: it was not in place, or no login met it")
    finally:
        shell(fault.mends)


@contextmanager
def line_taken_out(shell: Shell) -> Iterator[None]:
    """Remove the notifier's line from the PAM stack for the block, to see how logins behave without it."""
    shell(f"cp -a {STACK} {KEPT}-stack; grep -v ssh-login-notify {KEPT}-stack > {STACK}")
    try:
        yield
    finally:
        shell(f"cp -a {KEPT}-stack {STACK}")
