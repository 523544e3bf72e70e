# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where finished alerts go when the spool takes none: its disk is full or read-only, or it is gone.

/run is in memory, so it has room when the disk has none. A reboot loses what lies there, but the system's log has the
login. Only root creates and reads it. The next run of the sender brings back what the spool has room for, and sends the
rest from here: a user who fills a disk that he shares with the spool delays no alert.
"""

import errno
import os

from . import paths
from .spool import ALERT_MODE, Spool, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

# Some 10 MB of memory.
MOST_ALERTS = 10000
# That a sender loads at once.
MOST_LOADED = 1000
# The sign that systemd's path unit watches here, as state/wake in the spool.
WAKE = "wake"


def keep(name: str, contents: bytes) -> None:
    """Keep an alert here; raise OSError where that can't be done either."""
    make()
    status = os.lstat(paths.OVERFLOW)
    if len(os.listdir(paths.OVERFLOW)) >= MOST_ALERTS:
        raise OSError(errno.ENOSPC, f"{MOST_ALERTS} alerts are there already", paths.OVERFLOW)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(errno.EPERM, "users other than root can write to it", paths.OVERFLOW)
    Spool(paths.OVERFLOW).write("", name, contents, ALERT_MODE)
    wake()


def make() -> None:
    """Create the directory if it is missing."""
    try:
        os.mkdir(paths.OVERFLOW, 0o700)
    except FileExistsError:
        pass


def wake() -> bool:
    """Say here that there is something to send: alerts lie here, or the spool takes no sign.

    Return False where there can be no sign here either.
    """
    try:
        make()
        Spool(paths.OVERFLOW).write("", WAKE, b"", ALERT_MODE)
    except OSError:
        return False
    return True


def stop_waking() -> None:
    """Take the sign away, if there is one. Raise OSError where that can't be done."""
    try:
        Spool(paths.OVERFLOW).remove("", WAKE)
    except OSError:
        if os.path.lexists(os.path.join(paths.OVERFLOW, WAKE)):
            raise


def names() -> "List[str]":
    """Return the names of the alerts that lie here, the oldest first."""
    try:
        return Spool(paths.OVERFLOW).names("")
    except OSError:
        return []


def forget(name: str) -> None:
    """Remove a file that lies here, if there is one."""
    try:
        os.unlink(os.path.join(paths.OVERFLOW, name))
    except OSError:
        pass


def bring_back(spool: Spool) -> None:
    """Move the alerts from here to outgoing/. Raise OSError as soon as the spool has no room; the rest stays."""
    overflow = Spool(paths.OVERFLOW)
    for name in names():
        spool.write("outgoing", name, overflow.read("", name), ALERT_MODE, durable=True)
        # A disk that was read-only has kept its capture, which would become the same alert again.
        spool.remove("incoming", name)
        forget(name)
        spool.wake()


def load() -> "Dict[str, bytes]":
    """Return the alerts that lie here, the oldest first and not too many, by name."""
    overflow = Spool(paths.OVERFLOW)
    loaded = {}
    for name in names()[:MOST_LOADED]:
        try:
            loaded[name] = overflow.read("", name)
        except OSError:
            pass  # gone meanwhile, or not a plain file
    return loaded


class Remover:
    """A child that stays root for a sender that gives root up: it is told names, and removes alerts of these names."""

    def __init__(self) -> None:
        """Fork the child."""
        its_end, self._pipe = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(its_end)
            return
        try:
            os.close(self._pipe)
            with os.fdopen(its_end, encoding="ascii") as lines:
                for line in lines:
                    if is_name(line.rstrip("\n")):
                        forget(line.rstrip("\n"))
        finally:
            os._exit(0)

    def remove(self, name: str) -> None:
        """Have the child remove an alert."""
        os.write(self._pipe, name.encode("ascii") + b"\n")

    def close(self) -> None:
        """Wait until the child has removed all that it was told to, and has exited."""
        os.close(self._pipe)
        os.waitpid(self._child, 0)
