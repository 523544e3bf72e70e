# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserved space: files in the spool, each of which can become one alert when no disk has space.

A user who shares the spool's disk can fill it, and /run too, and take every block as soon as it is freed. So an alert
gets blocks that are never free in between: a file that was written long ago is overwritten in place, truncated to the
alert's length, and renamed to the alert's name. That needs neither a block nor an inode on file systems that write in
place (ext4, XFS and tmpfs do; Btrfs and ZFS do not). The sender makes new ballast as soon as there is room.
"""

import errno
import os

from .spool import ALERT_MODE, BALLAST, Spool
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

FILES = 50
# One block of most file systems, and three times the size of an alert.
SIZE_BYTES = 4096
# The file with the number of alerts lost since the last message. The number always has the same length, so the file
# never needs more room.
LOST, LOST_DIGITS = "lost", 20


def refill(spool: Spool) -> None:
    """Create the missing files. For the sender, while it is root. Raise OSError if there is no space."""
    try:
        sizes = {name: os.lstat(spool.path(BALLAST, name)).st_size for name in os.listdir(spool.path(BALLAST))}
    except FileNotFoundError:
        return  # a spool of an older version, or a file that has just become an alert
    if sizes.get(LOST) != LOST_DIGITS:
        spool.write(BALLAST, LOST, b"0" * LOST_DIGITS, 0o600)
    for name in map(str, range(FILES)):
        if sizes.get(name) != SIZE_BYTES:
            # Not posix_fallocate(3): writing to blocks that were never written may need another block.
            spool.write(BALLAST, name, b"\0" * SIZE_BYTES, 0o600, durable=True)


def stage(spool: Spool, name: str, contents: bytes) -> None:
    """Write the finished alert beside its capture, as Spool.stage does. Raise OSError if no ballast is left."""
    if len(contents) > SIZE_BYTES:
        raise OSError(errno.EFBIG, "too long for the ballast", name)
    unfinished = spool.path("incoming", f".{name}.{os.getpid()}")
    _take(spool, unfinished)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(contents)
        file.flush()
        os.ftruncate(descriptor, len(contents))
        os.fchmod(descriptor, ALERT_MODE)
        os.fsync(descriptor)
    os.rename(unfinished, spool.path("incoming", name + ".alert"))


def wake(spool: Spool) -> None:
    """Use a ballast file to wake the sender, if no inode is free for a new file."""
    try:
        _take(spool, spool.path("state", "wake"))
    except OSError:
        pass  # the timer starts the sender without a wake-up file


def _take(spool: Spool, path: str) -> None:
    """Rename a ballast file to this path. Concurrent finishers get different files."""
    for name in _names(spool):
        try:
            os.rename(spool.path(BALLAST, name), path)
            return
        except FileNotFoundError:
            pass
    raise OSError(errno.ENOSPC, "no ballast is left", spool.path(BALLAST))


def _names(spool: Spool) -> "List[str]":
    return [name for name in os.listdir(spool.path(BALLAST)) if name.isdigit()]


def count_lost(spool: Spool) -> None:
    """Count a lost alert."""
    _add(spool, 1)


def lost(spool: Spool) -> int:
    """Return the number of lost alerts that have not been reported yet."""
    try:
        return int(spool.read(BALLAST, LOST, LOST_DIGITS))
    except (OSError, ValueError):
        return 0


def report_lost(spool: Spool) -> None:
    """Have the next message report the lost alerts, together with those that a limit dropped."""
    count = lost(spool)
    if count:
        before = State(spool).dropped
        State(spool).dropping(count)
        if State(spool).dropped == before + count:  # not on a disk that is still full
            _add(spool, -count)


def _add(spool: Spool, number: int) -> None:
    """Change the count in place. If even that fails, the login is only in the system's log."""
    import fcntl  # loads a file, which few processes need

    try:
        descriptor = os.open(spool.path(BALLAST, LOST), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            count = int(os.pread(descriptor, LOST_DIGITS, 0))
            os.pwrite(descriptor, b"%0*d" % (LOST_DIGITS, max(count + number, 0)), 0)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        pass
