# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the hook's child to the observer: write the capture into the spool, and become the observer if none is running.

The hook's child imports this module before it writes the capture, so this module imports only built-in modules. It is
compiled along with the package, whereas Python compiles the hook's own file at every login.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

    from .exits import Exits

# Exists if SELinux is on. Then each denied access is logged in the audit log.
SELINUX = "/sys/fs/selinux/enforce"
AUTOGROUP = "/proc/self/autogroup"
# nice(2)
HURRY = -15


def hand_over(spool: str, name: str, capture: bytes, keep: "Callable[[str, bytes], None]") -> None:
    """Write a capture into the spool, and become the observer unless one is running.

    spool: the spool's path. keep: writes a capture into the spool, and raises OSError if it can't
    """
    exits = None
    try:
        hurry()
        # Before the capture is written, because the disk can take longer than the whole login.
        exits = None if is_observed(spool) else register()
    except BaseException:  # whatever fails, the capture must still be written
        pass
    unkept = {name: capture}
    try:
        try:
            keep(name, capture)
        except OSError:
            exits = None
            posix.closerange(3, 64)  # the host may have run out of descriptors
            keep(name, capture)
        unkept = {}
        if is_held(spool, "observer.lock"):
            return
    except OSError:
        pass  # no space, or no spool: the observer takes the capture from memory, so that at least syslog has the login
    from . import observer

    observer.main(unkept, exits)


def hurry() -> None:
    """Raise the priority, so that the observer starts to watch before the login's own processes can delay it.

    setsid(2) creates a scheduling group (sched(7), autogroup), and a nice value has an effect only within its group. So
    the group gets the same value. If the hook has set SCHED_FIFO, children of this process get the ordinary policy from
    here on. The observer itself keeps SCHED_FIFO only while a few of its connections are young (observer.MOST_YOUNG).

    When a group's value is written, the kernel checks CAP_SYS_ADMIN, although it does not need it
    (kernel/sched/autogroup.c, proc_sched_autogroup_set_nice). Under SELinux, each check would add a line to the audit
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
        pass  # not allowed, or this Python lacks it


def register() -> "Optional[Exits]":
    """Ask the kernel for a record of each process that ends from now on. Return None if it provides none."""
    if is_there(SELINUX):
        return None  # no policy allows sshd to do this, and each refusal would add a line to the audit log
    try:
        from .exits import Exits

        return Exits()
    except BaseException:  # whatever fails, the capture must still be written
        return None


def is_there(path: str) -> bool:
    """Return whether a path exists."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def is_observed(spool: str) -> bool:
    """Return whether an observer is running, or False if that can't be found out."""
    try:
        return is_held(spool, "observer.lock")
    except OSError:
        return False


def is_held(spool: str, lock: str, keep_open: bool = False) -> bool:
    """Return whether another process holds a lock of the spool. Raise OSError if that can't be found out.

    keep_open: leave the file open, because closing it would release a lock that this process itself holds (fcntl(2))
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
