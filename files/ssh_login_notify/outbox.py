# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a finished alert to the sender: store the alert in the spool, or where there is space, and wake the sender."""

import os

from . import overflow, paths, units
from .journal import trouble
from .spool import Lock, Spool, is_locked


def put(spool: Spool, name: str, contents: bytes) -> None:
    """Queue a finished alert, and wake the sender. Raise OSError if the alert can't be stored anywhere.

    Remove its capture, if there is one. A kill at any point neither loses nor duplicates the alert.
    """
    try:
        spool.stage(name, contents)
    except OSError as error:
        if _put_elsewhere(spool, name, contents, error):
            return
    if not spool.publish(name) and not overflow.wake():
        from . import ballast  # rarely needed

        ballast.wake(spool)
    overflow.forget(name)  # if a read-only disk kept the capture, it has now become the same alert again
    start_sender(spool)


def _put_elsewhere(spool: Spool, name: str, contents: bytes, error: OSError) -> bool:
    """Store an alert in /run, or else in the space that the spool reserves (ballast.py).

    Return whether it is in /run. Otherwise it is staged in the spool, and the caller publishes it. Raise OSError if
    there is no place for it.
    """
    try:
        overflow.keep(name, contents)
    except OSError:
        from . import ballast  # rarely needed

        ballast.stage(spool, name, contents)
        return False
    trouble(f"The spool accepted no alert ({error}): {name} waits in {paths.OVERFLOW}.")
    try:
        spool.remove("incoming", name)
        start_sender(spool)
    except OSError:
        pass  # a read-only disk: the capture is removed once the disk is writable again
    return True


def start_sender(spool: Spool) -> None:
    """Start the sender with a clean environment, unless systemd starts it."""
    if units.systemd_starts_the_sender():
        return
    if is_locked(spool.path("sender.lock")):
        return  # a sender is running, and looks for alerts once more before it ends
    import signal  # expensive to load, and not needed where systemd starts the sender

    # The double fork leaves no process that has to wait for the sender.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        # The lock is taken before the program is loaded, so if several are started at once, all but one end here.
        lock = Lock(spool.path("sender.lock"))
        if os.fork() == 0 and lock.take():
            lock.keep_through_exec()
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # an observer ignores them, and exec would pass that on
            os.execve(paths.PROGRAM, [paths.PROGRAM, "send"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    finally:
        os._exit(0)
