"""Room that nobody else can take: files of the spool, each of which can become one alert where no disk has room.

A user who shares the spool's disk can fill it, and /run too, and take every block at once that somebody frees. So the
blocks of an alert are never freed before it has them: a file that was written long ago is overwritten in place, cut to
the alert's length, and gets the alert's name. That takes neither a block nor an inode, where the file system writes in
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
# A block of most file systems, and three times as much as an alert takes.
SIZE_BYTES = 4096
# How many alerts were lost since the last message: a number of always as many digits, so that it never takes more room.
LOST, LOST_DIGITS = "lost", 20


def refill(spool: Spool) -> None:
    """Make what is missing. For the sender, while it is root. Raise OSError where there is no room."""
    try:
        sizes = {name: os.lstat(spool.path(BALLAST, name)).st_size for name in os.listdir(spool.path(BALLAST))}
    except FileNotFoundError:
        return  # a spool of an older version, or one file has just become an alert
    if sizes.get(LOST) != LOST_DIGITS:
        spool.write(BALLAST, LOST, b"0" * LOST_DIGITS, 0o600)
    for name in map(str, range(FILES)):
        if sizes.get(name) != SIZE_BYTES:
            # Not posix_fallocate(3): blocks that were never written may need another one when they are.
            spool.write(BALLAST, name, b"\0" * SIZE_BYTES, 0o600, durable=True)


def stage(spool: Spool, name: str, contents: bytes) -> None:
    """Put the finished alert beside its capture, as Spool.finish does. Raise OSError when no ballast is left."""
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
    """Have a ballast file be the sign to wake, where there is no inode for another."""
    try:
        _take(spool, spool.path("state", "wake"))
    except OSError:
        pass  # the timer's run needs no sign


def _take(spool: Spool, path: str) -> None:
    """Rename a ballast file to this path. Several finishers may take one at once: each gets another."""
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
    """Remember that an alert was lost."""
    _add(spool, 1)


def lost(spool: Spool) -> int:
    """Return how many alerts were lost of which no message has told yet."""
    try:
        return int(spool.read(BALLAST, LOST, LOST_DIGITS))
    except (OSError, ValueError):
        return 0


def report_lost(spool: Spool) -> None:
    """Have the next message tell how many alerts were lost, as of those that a limit forces out."""
    count = lost(spool)
    if count:
        before = State(spool).dropped
        State(spool).dropping(count)
        if State(spool).dropped == before + count:  # on a disk that is still full it is not
            _add(spool, -count)


def _add(spool: Spool, number: int) -> None:
    """Change the count in place. Where even that can't be done, the system's log alone has the login."""
    import fcntl  # a file to load; few need it

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
