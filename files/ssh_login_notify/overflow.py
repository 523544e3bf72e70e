# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overflow: where finished alerts wait while the spool is full, read-only or missing.

/run is in memory, so it has room when the disk has none. A reboot loses the alerts there, but the system log has the
logins. Only root creates and reads the directory. The next run of the sender moves alerts back while the spool has
room, and sends the others from here. So a user who fills the disk of the spool delays no alert.
"""

import errno
import os

from . import paths
from .spool import ALERT_MODE, Spool, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

# About 10 MB of memory.
MOST_ALERTS = 10000
# The most alerts that a sender loads at once.
MOST_LOADED = 1000
# The file that systemd's path unit watches here, like state/wake in the spool.
WAKE = "wake"


def queue(spool: Spool, name: str, contents: bytes) -> None:
    """Queue a message about the notifier itself in the spool, or else here. Raise OSError if both are impossible.

    In the spool, it does not wake the sender, because root's checks are followed by a run of the sender anyway.
    """
    try:
        spool.write("outgoing", name, contents, ALERT_MODE)
    except OSError:
        keep(name, contents)


def keep(name: str, contents: bytes) -> None:
    """Store an alert here. Raise OSError if that is impossible."""
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
    """Write the wake-up file in /run, which the path unit watches like the spool's.

    This is for alerts that are here, and if the spool's own wake-up file can't be written. Return False if this one
    can't be written either.
    """
    try:
        make()
        Spool(paths.OVERFLOW).write("", WAKE, b"", ALERT_MODE)
    except OSError:
        return False
    return True


def stop_waking() -> None:
    """Remove the file that the path unit watches, if any. Raise OSError if that is impossible."""
    try:
        Spool(paths.OVERFLOW).remove("", WAKE)
    except OSError:
        if os.path.lexists(os.path.join(paths.OVERFLOW, WAKE)):
            raise


def names() -> "List[str]":
    """Return the names of the alerts that are here, the oldest first."""
    try:
        return Spool(paths.OVERFLOW).names("")
    except OSError:
        return []


def forget(name: str) -> None:
    """Remove a file from here if it exists."""
    try:
        os.unlink(os.path.join(paths.OVERFLOW, name))
    except OSError:
        pass


def bring_back(spool: Spool) -> None:
    """Move the alerts from here to outgoing/. Raise OSError once the spool has no space; the other alerts stay."""
    overflow = Spool(paths.OVERFLOW)
    for name in names():
        spool.write("outgoing", name, overflow.read("", name), ALERT_MODE, durable=True)
        # A disk that was read-only still has the capture. It would become the same alert again.
        spool.remove("incoming", name)
        forget(name)
        spool.wake()


def load() -> "Dict[str, bytes]":
    """Return the oldest alerts that are here, at most MOST_LOADED, by name."""
    overflow = Spool(paths.OVERFLOW)
    loaded = {}
    for name in names()[:MOST_LOADED]:
        try:
            loaded[name] = overflow.read("", name)
        except OSError:
            pass  # removed in the meantime, or not a regular file
    return loaded


class Remover:
    """A child that stays root after the sender has given root up. It removes the alerts that the sender names."""

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
        """Ask the child to remove an alert."""
        os.write(self._pipe, name.encode("ascii") + b"\n")

    def close(self) -> None:
        """Wait until the child has removed all named alerts and exited."""
        os.close(self._pipe)
        os.waitpid(self._child, 0)
