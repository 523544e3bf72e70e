# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the hook's child to the observer: the capture goes into the spool, and the first child without one observes.

Imported before the capture is written, and before everything else: it imports built-in modules only, and is compiled
with the package, unlike the hook's own file, which Python compiles in every login.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

    from .exits import Exits

# There is a policy, and so a log of refusals.
SELINUX = "/sys/fs/selinux/enforce"
AUTOGROUP = "/proc/self/autogroup"
# nice(2)
HURRY = -15


def hand_over(spool: str, name: str, capture: bytes, keep: "Callable[[str, bytes], None]") -> None:
    """Put a capture into the spool, and observe unless another process does.

    spool: the spool's path. keep: writes a capture into it, and raises OSError where it can't.
    """
    exits = None
    try:
        hurry()
        # Before the capture is written, since the disk may take longer than the whole login.
        exits = None if is_observed(spool) else register()
    except BaseException:  # whatever fails here, the capture is not written yet
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
        pass  # no room, or no spool: the observer takes the capture from memory, so that at least syslog has it
    from . import observer

    observer.main(unkept, exits)


def hurry() -> None:
    """Load the observer, and take the first looks, before the processes that the login itself starts meanwhile.

    setsid(2) makes a process a scheduling group of its own (sched(7), autogroup). nice(2) counts within that group
    only, so the group gets the same value. Under SCHED_FIFO, which the hook asks for where it is allowed, the children
    of this process become ordinary ones from here on. The observer returns to the ordinary policy in time.

    The kernel asks for CAP_SYS_ADMIN when a group's value is written, although it needs none (kernel/sched/autogroup.c,
    proc_sched_autogroup_set_nice). Under SELinux that would be a line in the audit log at each login.
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
    """Ask the kernel for a record of each process that ends from now on; None where it gives none."""
    if is_there(SELINUX):
        return None  # no policy lets sshd ask, and each refusal would be a line in the audit log
    try:
        from .exits import Exits

        return Exits()
    except BaseException:  # whatever is wrong with it, the capture is not written yet
        return None


def is_there(path: str) -> bool:
    """Tell whether a path exists."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def is_observed(spool: str) -> bool:
    """Tell whether an observer is at work, as far as that can be asked."""
    try:
        return is_held(spool, "observer.lock")
    except OSError:
        return False


def is_held(spool: str, lock: str, keep_open: bool = False) -> bool:
    """Tell whether another process holds a lock of the spool. Raise OSError where that can't be asked.

    keep_open: leave the file open, since closing it gives up a lock that this process itself has (fcntl(2))
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
