"""Where finished alerts go when the spool takes none: its disk is full or read-only, or it is gone.

/run is in memory, so it has room when the disk has none. What lies there is lost in a reboot, but the system's log has
the login. Root alone makes and reads it; the next run of the sender brings back what the spool has room for, and sends
the rest from here: whoever fills a disk that he shares with the spool holds no alert up.
"""

import errno
import os

from .spool import ALERT_MODE, Spool, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

ROOT = "/run/ssh-login-notify"
MOST = 10000  # alerts, some 10 MB of memory
MOST_AT_ONCE = 1000  # that a sender takes into its own memory
WAKE = "wake"  # what systemd's path unit looks for here, as for state/wake


def keep(name: str, contents: bytes) -> None:
    """Keep an alert; raise OSError where that can't be done either."""
    make()
    status = os.lstat(ROOT)
    if len(os.listdir(ROOT)) >= MOST:
        raise OSError(errno.ENOSPC, f"{MOST} alerts are there already", ROOT)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(errno.EPERM, "others than root may write it", ROOT)
    Spool(ROOT).write("", name, contents, ALERT_MODE)
    wake()


def make() -> None:
    """Make the directory, if it is not there."""
    try:
        os.mkdir(ROOT, 0o700)
    except FileExistsError:
        pass


def wake() -> bool:
    """Say here that there is something to send, for alerts that are here, or where the spool takes no sign.

    Return False where there can be no sign here either.
    """
    try:
        make()
        Spool(ROOT).write("", WAKE, b"", ALERT_MODE)
    except OSError:
        return False
    return True


def stop_waking() -> None:
    """Take the sign to wake away, if it is there. Raise OSError where that can't be done."""
    try:
        Spool(ROOT).remove("", WAKE)
    except OSError:
        if os.path.lexists(os.path.join(ROOT, WAKE)):
            raise


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


class Rest:
    """What the spool had no room for, in the memory of a sender that gives up root and still has to remove it here.

    So a child stays root for that alone: it is told names, and removes alerts of these names.
    """

    def __init__(self) -> None:
        """Take what is here into memory, the oldest first. For root."""
        self._alerts: Dict[str, bytes] = {}
        self._remover, self._pipe = 0, -1
        overflow = Spool(ROOT)
        for name in names()[:MOST_AT_ONCE]:
            try:
                self._alerts[name] = overflow.read("", name)
            except OSError:
                pass  # gone meanwhile, or no file of ours
        if self._alerts:
            self._remover, self._pipe = _remover()

    def names(self) -> "List[str]":
        """Return the names of the alerts that are left."""
        return list(self._alerts)

    def get(self, name: str) -> "Optional[bytes]":
        """Return an alert, None if it is not among these."""
        return self._alerts.get(name)

    def remove(self, name: str) -> None:
        """Be done with an alert."""
        if self._alerts.pop(name, None) is not None:
            os.write(self._pipe, name.encode("ascii") + b"\n")

    def close(self) -> None:
        """Have the child end, when it has removed all that it was told."""
        if self._remover:
            os.close(self._pipe)
            os.waitpid(self._remover, 0)
        self._remover = 0


def _remover() -> "Tuple[int, int]":
    """Fork the child, and return its pid and the pipe on which it is told names."""
    its_end, pipe = os.pipe()
    child = os.fork()
    if child:
        os.close(its_end)
        return child, pipe
    try:
        os.close(pipe)
        with os.fdopen(its_end, encoding="ascii") as lines:
            for line in lines:
                if is_name(line.rstrip("\n")):
                    forget(line.rstrip("\n"))
    finally:
        os._exit(0)
