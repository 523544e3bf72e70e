"""Where finished alerts go when the spool takes none: its disk is full or read-only, or it is gone.

/run is in memory, so it has room when the disk has none. What lies there is lost in a reboot, but the system's log has
the login. Root alone makes and reads it; the next run of the sender brings back what the spool has room for.
"""

import errno
import os

from .spool import ALERT_MODE, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

ROOT = "/run/ssh-login-notify"
MOST = 10000  # alerts, some 10 MB of memory


def keep(name: str, contents: bytes) -> None:
    """Keep an alert; raise OSError where that can't be done either."""
    try:
        os.mkdir(ROOT, 0o700)
    except FileExistsError:
        pass
    status = os.lstat(ROOT)
    if len(os.listdir(ROOT)) >= MOST:
        raise OSError(errno.ENOSPC, f"{MOST} alerts are there already", ROOT)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(errno.EPERM, "others than root may write it", ROOT)
    Spool(ROOT).write("", name, contents, ALERT_MODE)


def names() -> "List[str]":
    """Return the names of the alerts that are here, the oldest first."""
    try:
        return Spool(ROOT).names("")
    except OSError:
        return []


def forget(name: str) -> None:
    """Remove an alert that is here, if it is."""
    try:
        os.unlink(os.path.join(ROOT, name))
    except OSError:
        pass


def bring_back(spool: Spool) -> None:
    """Move what is here to outgoing/. Raise OSError as soon as the spool has no room; the rest stays."""
    overflow = Spool(ROOT)
    for name in names():
        spool.write("outgoing", name, overflow.read("", name), ALERT_MODE, durable=True)
        # A disk that could only be read has kept its capture, which would become the same alert again.
        spool.remove("incoming", name)
        forget(name)
        spool.wake()
