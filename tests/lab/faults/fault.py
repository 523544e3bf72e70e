# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault: how to break something, how to see that it is broken, how to mend it."""

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
# Where the good state of what is broken stands until it is mended.
KEPT = "/root/kept"
# What a fault notes for whoever asks whether it is there; a user may read it.
SEEN = "/run/faults.seen"

# Runs a script as root on the server, by `sh -eu`, and returns what it prints; raises if it fails.
Shell = Callable[[str], str]


class Written(Enum):
    """What of the logins is written down while the fault is there, and so has to arrive, once it is mended."""

    ALL = "all of them"
    SOME = "those that the system's log has"  # the hook is killed, before or after it has written
    NONE = "no: nothing ran"


class NotBrokenError(Exception):
    """A fault was not in place when it should have been, or was when it should not: what was seen says nothing."""


@dataclass(frozen=True)
class Fault:
    """All but the name and `written` are shell scripts."""

    name: str
    breaks: str
    holds: str  # succeeds if the fault is in place and logins have met it; asked after they did, and without it
    mends: str
    shows: str = "true"  # the same, as far as a login's own command sees it
    written: Written = Written.ALL
    clock: int = 0  # by how many seconds the server's clock goes wrong
    without_systemd: bool = False  # whether it is worth a look on a server without systemd, too
    prepares: str = "true"  # what makes the fault possible, and is no fault
    tidies: str = "true"  # takes that away; when all alerts are there


def of_file(
    name: str, path: str, damage: str, holds: str, written: Written = Written.ALL, afterwards: str = "true"
) -> Fault:
    """A fault of one file or directory, which is as it was when it is mended; afterwards some need more."""
    mends = f"rm -rf {path}\nmv {KEPT} {path}\n{afterwards}"
    return Fault(name, f"cp -a {path} {KEPT}\n{damage}", holds, mends, written=written)


def is_in_place(fault: Fault, shell: Shell) -> bool:
    """Tell whether the fault is there."""
    return shell(f"if {{ {fault.holds}\n}} > /dev/null 2>&1; then echo yes; else echo no; fi").strip() == "yes"


@contextmanager
def prepared(fault: Fault, shell: Shell) -> Iterator[None]:
    """What the fault needs is there inside the block. At its end nothing is left of the fault."""
    if is_in_place(fault, shell):
        raise NotBrokenError(f"{fault.name}: it seems to be there before anything was broken")
    shell(fault.prepares)
    try:
        yield
    finally:
        shell(fault.tidies)
    if is_in_place(fault, shell):
        raise NotBrokenError(f"{fault.name}: it seems to be there after it was mended")


@contextmanager
def broken(fault: Fault, shell: Shell) -> Iterator[None]:
    """The fault is there inside the block. Raises NotBrokenError if it was not there until the end, or met no login."""
    shell(fault.breaks)
    try:
        yield
        if not is_in_place(fault, shell):
            raise NotBrokenError(f"{fault.name}: it was not in place, or no login met it")
    finally:
        shell(fault.mends)


@contextmanager
def line_taken_out(shell: Shell) -> Iterator[None]:
    """The PAM stack without the notifier's line, for how things are without it."""
    shell(f"cp -a {STACK} {KEPT}-stack; grep -v ssh-login-notify {KEPT}-stack > {STACK}")
    try:
        yield
    finally:
        shell(f"cp -a {KEPT}-stack {STACK}")
