"""The follower: looks again and again at the connections that were reported and are still open.

One connection can carry many sessions (ControlMaster in ssh_config(5)), and PAM hears of the first alone. So what was
reported as a tunnel can open a shell an hour later. One process per host looks at all such connections, for as long as
there are any. When one shows something more serious than was reported, it makes an alert that follows the first one.

systemd starts it when there is a record, and again within a minute after a kill. Elsewhere each login's finisher and
cron's sender start it. It may be killed at any point: the records in open/ stay.
"""

import os
import time

from . import alert, installation, overflow
from .finisher import queue
from .journal import defect, login, trouble
from .kind import Connection, seriousness
from .login_types import INTERACTIVE, SOMETHING_OVER
from .open_connections import DIRECTORY, OfAnotherBootError, OpenConnections
from .processes import Processes
from .spool import FOLLOWER_LOCK, Lock, Spool, is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Set, Tuple

    from .open_connections import Record

# Seconds between two looks at a connection. One that sleeps costs a single small file of /proc.
PACE = 0.5
REST = 20.0  # times as long as the last looks took is rested at least: a twentieth of a processor at most
MOST_DESCRIPTORS = 4096
# The exit code that has systemd start it again after a while (EX_TEMPFAIL, sysexits.h).
TRY_LATER = 75
FIRST_PROCESS = "/proc/1/stat"
MANIFEST = os.path.join(installation.LIBRARY, installation.MANIFEST)


def main() -> int:
    """Follow, as systemd's service; return the exit code.

    While a directory of records is not empty, the path unit starts the service again as soon as it ends well. So it
    ends well when both are empty, or when another version of the program is to go on.
    """
    spool = Spool()
    try:
        follow(spool)
        is_done = _version() != VERSION or not any(map(_holds_something, (spool, Spool(overflow.ROOT))))
    except Exception as error:
        trouble(f"the open connections are not looked at: {error if isinstance(error, OSError) else defect(error)}")
        is_done = False
    return 0 if is_done else TRY_LATER


def _holds_something(place: Spool) -> bool:
    """Tell whether systemd takes the directory of records for one that is not empty: whoever's the files are."""
    try:
        return any(not entry.startswith(".") for entry in os.listdir(place.path(DIRECTORY)))
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def start(spool: Spool) -> None:
    """Start the follower, if there is none and something to follow.

    Not where the processes of others are hidden, as in the sender's sandbox: there, all connections would seem over.
    """
    if not OpenConnections(spool).names() or is_locked(spool.path(FOLLOWER_LOCK)) or not os.path.exists(FIRST_PROCESS):
        return
    # Two forks, so that it is nobody's to wait for.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            _detach()
            follow(spool)
    except Exception as error:
        trouble(f"the open connections are not looked at until the next login: {error!r}")
    finally:
        os._exit(0)


def _detach() -> None:
    """Be nobody's any more: no pipe of the starter's, and ended by the first signal, as when the host shuts down."""
    import signal
    import syslog

    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)  # of an operator's `flush`
    syslog.closelog()  # or the C library takes the file that gets its number for the log
    os.closerange(3, MOST_DESCRIPTORS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # the observer ignores them


def follow(spool: Spool) -> None:
    """Look at the open connections until there is none, unless another process does."""
    lock = Lock(spool.path(FOLLOWER_LOCK))
    done: Set[str] = set()
    while lock.take():
        done = Follower(spool, done).run()
        lock.give_up()
        # A finisher that found the lock held has left.
        if _version() != VERSION or not set(OpenConnections(spool).names()) - done:
            return


def _version() -> "List[Tuple[int, int]]":
    """Return what tells the installed program from another version: this file, and the role's list of all files."""
    return [_identity(path) for path in (__file__, MANIFEST)]


def _identity(path: str) -> "Tuple[int, int]":
    try:
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns
    except OSError:
        return 0, 0


VERSION = _version()  # of the one that runs


class Follower:
    """The open connections, being looked at."""

    def __init__(self, spool: Spool, done: "Optional[Set[str]]" = None) -> None:
        """done: names of records that could not be removed."""
        self._spool = spool
        self._records = OpenConnections(spool)
        self._processes = Processes(keeping=("stat",))
        self._followed: Dict[str, Followed] = {}
        self._done = set(done or ())
        self._listed: List[List[int]] = []  # when the directories had been changed, at the last two listings

    def run(self) -> "Set[str]":
        """Look until no connection is left, or the program has changed; return what of the records can't be removed."""
        while _version() == VERSION:
            self.take()
            if not self._followed:
                break
            began = time.process_time()
            self.look()
            time.sleep(max(PACE, REST * (time.process_time() - began)))
        return self._done

    def take(self) -> None:
        """Take the records that have come; forget those that somebody has removed.

        A directory's time is as coarse as the kernel's clock, so it is read once more after it has changed.
        """
        changed_at = self._records.changed_at()
        if self._listed == [changed_at, changed_at]:
            return
        self._listed = [*self._listed[-1:], changed_at]
        names = set(self._records.names()) - self._done
        for name in set(self._followed) - names:
            self._followed.pop(name).close()
        for name in sorted(names - set(self._followed)):
            try:
                self._followed[name] = Followed(self._processes, self._records.read(name))
            except FileNotFoundError:
                pass
            except OfAnotherBootError:
                self._remove(name)
            except (OSError, ValueError, RecursionError) as error:
                trouble(f"the record {name} of an open connection can't be used, and is removed: {error}")
                self._remove(name)

    def look(self) -> None:
        """Look at each, and report what is more serious than was reported."""
        now = time.monotonic()
        for name, followed in list(self._followed.items()):
            kind = followed.look(now)
            if kind is not None:
                self._report(followed, kind)
            if followed.is_done():
                self._followed.pop(name).close()
                self._remove(name)
            elif followed.has_changed():
                self._keep(followed.record)

    def _report(self, followed: "Followed", kind: str) -> None:
        found = alert.following(followed.record.reported, kind)
        followed.record.reported = found
        try:
            queue(self._spool, found["id"], alert.to_json(found))
        except OSError as error:
            trouble("the login {} was not queued for sending: {}".format(found["id"], error))
        login(alert.log_line(found))

    def _keep(self, record: "Record") -> None:
        try:
            self._records.keep(record)
        except OSError:
            pass  # the former one stays: after a kill, it may be said once more

    def _remove(self, name: str) -> None:
        try:
            self._records.remove(name)
        except OSError:  # a disk that can only be read
            self._done.add(name)


class Followed:
    """One open connection."""

    def __init__(self, processes: Processes, record: "Record") -> None:
        user = record.reported["user"].encode("utf-8", "surrogateescape")
        self.record = record
        self._kept = self._account()
        self._connection = Connection(processes, record.monitor, record.start, user)
        self._connection.go_on(record.remembered)

    def look(self, now: float) -> "Optional[str]":
        """Return a kind that is more serious than the one that was reported, if the connection shows such now."""
        if self._connection.is_quiet():
            return None
        shown = self._connection.look(now)
        if self._connection.over:
            return None
        missed = SOMETHING_OVER if self._connection.has_missed_one() else None
        kind = max(filter(None, (shown, missed)), key=seriousness, default=None)
        return kind if kind and seriousness(kind) > seriousness(self.record.reported["type"]) else None

    def is_done(self) -> bool:
        """Tell whether it is over, or can show nothing more serious."""
        return self._connection.over or self.record.reported["type"] == INTERACTIVE

    def has_changed(self) -> bool:
        """Tell whether the record is another than when this was last asked.

        What it remembers counts only as long as something missed would be told of.
        """
        if seriousness(self.record.reported["type"]) < seriousness(SOMETHING_OVER):
            self.record.remembered = self._connection.remembered()
        former, self._kept = self._kept, self._account()
        return self._kept != former

    def _account(self) -> "Tuple[str, str]":
        return self.record.reported["id"], self.record.remembered

    def close(self) -> None:
        """Stop looking at it."""
        self._connection.close()
