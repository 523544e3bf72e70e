# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the hook's child to the observer: write the capture into the spool, and become the observer if there is none.

The hook's child imports this module first, before it writes the capture. So it imports built-in modules only. It is
compiled with the package, while Python compiles the hook's own file in every login.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

    from .exits import Exits

# Exists if SELinux is on. Then each refusal is a line in the audit log.
SELINUX = "/sys/fs/selinux/enforce"
AUTOGROUP = "/proc/self/autogroup"
# nice(2)
HURRY = -15


def hand_over(spool: str, name: str, capture: bytes, keep: "Callable[[str, bytes], None]") -> None:
    """Write a capture into the spool, and become the observer unless there is one.

    spool: the spool's path. keep: writes a capture into it, and raises OSError if it can't.
    """
    exits = None
    try:
        hurry()
        # Before the capture is written, because the disk may take longer than the whole login.
        exits = None if is_observed(spool) else register()
    except BaseException:  # whatever fails, the capture must still be written
        pass
    unkept = {name: capture}
    try:
        try:
            keep(name, capture)
        except OSError:
            exits = None
            posix.closerange(3, 64)  # a host may be short of descriptors
            keep(name, capture)
        unkept = {}
        if is_held(spool, "observer.lock"):
            return
    except OSError:
        pass  # no space, or no spool: the observer gets the capture from memory, so that at least syslog has it
    from . import observer

    observer.main(unkept, exits)


def hurry() -> None:
    """Raise the priority, so that the observer starts watching before the login's own processes delay it.

    setsid(2) creates a scheduling group (sched(7), autogroup), and nice(2) counts only within it. So the group gets the
    same value. If the hook could set SCHED_FIFO, children of this process are ordinary from here on. The observer
    itself returns to the ordinary policy in time.

    The kernel checks CAP_SYS_ADMIN when a group's value is written, although it does not need it
    (kernel/sched/autogroup.c, proc_sched_autogroup_set_nice). Under SELinux, each check would be a line in the audit
    log.
    """
    try:
        posix.setpriority(posix.PRIO_PROCESS, 0, HURRY)
    except OSError:
        pass
    try:
        if not is_there(SELINUX):
            group = posix.open(AUTOGROUP, posix.O_WRONLY | posix.O_CLOEXEC)
            posix.write(group, b"%d" % HURRY)
            posix.close(group)
    except OSError:
        pass
    try:
        if posix.sched_getscheduler(0) == posix.SCHED_FIFO:
            posix.sched_setscheduler(0, posix.SCHED_FIFO | posix.SCHED_RESET_ON_FORK, posix.sched_param(1))
    except (OSError, AttributeError):
        pass  # not in this Python


def register() -> "Optional[Exits]":
    """Ask the kernel for a record of each process that ends from now on; None if it gives none."""
    if is_there(SELINUX):
        return None  # no policy allows it to sshd, and each refusal would be a line in the audit log
    try:
        from .exits import Exits

        return Exits()
    except BaseException:  # whatever fails, the capture must still be written
        return None


def is_there(path: str) -> bool:
    """Tell whether a path exists."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def is_observed(spool: str) -> bool:
    """Tell whether an observer is running, False if that can't be found out."""
    try:
        return is_held(spool, "observer.lock")
    except OSError:
        return False


def is_held(spool: str, lock: str, keep_open: bool = False) -> bool:
    """Tell whether another process holds a lock of the spool. Raise OSError if that can't be found out.

    keep_open: leave the file open, because closing it releases a lock that this process itself holds (fcntl(2))
    """
    flags = posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    descriptor = posix.open(spool + "/" + lock, flags, 0o600)
    try:
        posix.lockf(descriptor, posix.F_TEST, 0)
    except OSError:
        return True
    finally:
        if not keep_open:
            posix.close(descriptor)
    return False
