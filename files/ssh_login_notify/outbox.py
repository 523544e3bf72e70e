# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a finished alert to the sender: store it in the spool or wherever there is space, and wake the sender."""

import os

from . import overflow, paths, units
from .journal import trouble
from .spool import Lock, Spool, is_locked


def put(spool: Spool, name: str, contents: bytes) -> None:
    """Queue a finished alert, and wake the sender. Raise OSError if it can't be stored anywhere.

    Its capture, if there is one, goes: a kill at any point makes neither no alert nor two.
    """
    try:
        spool.stage(name, contents)
    except OSError as error:
        if _put_elsewhere(spool, name, contents, error):
            return
    if not spool.publish(name) and not overflow.wake():
        from . import ballast  # seldom needed

        ballast.wake(spool)
    overflow.forget(name)  # a read-only disk may have kept its capture, which has now become this alert once more
    start_sender(spool)


def _put_elsewhere(spool: Spool, name: str, contents: bytes, error: OSError) -> bool:
    """Store an alert in /run if the spool does not accept it. Return False if it became ballast of the spool."""
    try:
        overflow.keep(name, contents)
    except OSError:
        from . import ballast  # seldom needed

        ballast.stage(spool, name, contents)
        return False
    trouble(f"The spool accepted no alert ({error}): {name} waits in {paths.OVERFLOW}.")
    try:
        spool.remove("incoming", name)
        start_sender(spool)
    except OSError:
        pass  # a read-only disk: the capture goes when the disk takes alerts again
    return True


def start_sender(spool: Spool) -> None:
    """Start the sender with a clean environment, unless systemd starts it."""
    if units.systemd_starts_the_sender():
        return
    if is_locked(spool.path("sender.lock")):
        return  # one is running, and looks once more before it ends
    import signal  # expensive to load, and not needed where systemd starts the sender

    # Two forks, so that no process has to wait for the sender.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        # Locked before the program is loaded: of several that are started at once, all but one end here.
        lock = Lock(spool.path("sender.lock"))
        if os.fork() == 0 and lock.take():
            lock.keep_through_exec()
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # an observer ignores them, and exec would pass that on
            os.execve(paths.PROGRAM, [paths.PROGRAM, "send"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    finally:
        os._exit(0)
