# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The follower: watches connections that were reported and are still open.

One connection can carry many sessions (ControlMaster in ssh_config(5)), and PAM sees only the first. So a connection
that was reported as a tunnel can open a shell an hour later. One process per host watches all open connections, while
there are any. If one opens something more serious than was reported, the follower makes a second alert that refers to
the first. If a channel has `logouts`, it also makes an alert at the end of each connection.

systemd starts the follower when there is a record, and restarts it within a minute after a kill. On other hosts, each
login's finisher and cron's sender start it. It can be killed at any point: the records in open/ stay.
"""

import os
import time

from . import alert, exit_codes, outbox, paths
from .connection import Connection
from .journal import defect, login, trouble
from .login_types import INTERACTIVE, SOMETHING_OVER, seriousness
from .open_connections import DIRECTORY, OfAnotherBootError, OpenConnections
from .processes import FIRST_PROCESS, Processes
from .spool import FOLLOWER_LOCK, Lock, Spool, is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Set, Tuple

    from .alert import Alert
    from .open_connections import Record

# The pause between two looks at a connection. Looking at a sleeping one costs reading one small file of /proc.
PACE_SECONDS = 0.5
# While ends are to be reported, how often the time is noted at which all these connections were seen open. So the
# follower that replaces a killed one can tell how long nothing watched them.
NOTE_SECONDS = 5.0
# Rest at least this many times as long as the last looks took, to use at most a twentieth of a processor.
REST_FACTOR = 20.0
MOST_DESCRIPTORS = 4096


def main() -> int:
    """Run as systemd's service. Return the exit code.

    While a directory of records is not empty, the path unit restarts the service as soon as it exits with 0. So it
    exits with 0 only if both directories are empty, or a new version of the program was installed.
    """
    spool = Spool()
    try:
        follow(spool)
        is_done = _version() != VERSION or not any(map(_holds_something, (spool, Spool(paths.OVERFLOW))))
    except Exception as error:
        trouble(f"open connections are not watched: {error if isinstance(error, OSError) else defect(error)}")
        is_done = False
    return exit_codes.OK if is_done else exit_codes.TRY_LATER


def _holds_something(place: Spool) -> bool:
    """Return whether systemd considers the directory of records not empty: any file counts."""
    try:
        return any(not entry.startswith(".") for entry in os.listdir(place.path(DIRECTORY)))
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def start(spool: Spool) -> None:
    """Start the follower, unless one is running or there is nothing to follow.

    It is not started if other users' processes are hidden, as in the sender's sandbox: all connections would seem to be
    closed.
    """
    if not OpenConnections(spool).names() or is_locked(spool.path(FOLLOWER_LOCK)) or not os.path.exists(FIRST_PROCESS):
        return
    # Two forks, so that no process has to reap it.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            _detach()
            follow(spool)
    except Exception as error:
        trouble(f"Later sessions over open connections are not reported until the next login: {error!r}.")
    finally:
        os._exit(0)


def _detach() -> None:
    """Detach from the process that started this one: close its files, and end at the first signal, as at a shutdown."""
    import signal
    import syslog

    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)  # the descriptors of an operator's `flush`
    syslog.closelog()  # or the C library would write the log into a file that is opened later with the same number
    os.closerange(3, MOST_DESCRIPTORS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # the observer ignores them


def follow(spool: Spool) -> None:
    """Watch the open connections until none is left. Return at once if another process watches them."""
    lock = Lock(spool.path(FOLLOWER_LOCK))
    done: Set[str] = set()
    while lock.take():
        done = Follower(spool, done).run()
        lock.give_up()
        # A finisher that found the lock taken has not started another follower, so its record would not be noticed.
        if _version() != VERSION or not set(OpenConnections(spool).names()) - done:
            return


def _version() -> "List[Tuple[int, int]]":
    """Return the identity of the installed version: of this file, and of the role's list of all files."""
    return [_identity(path) for path in (__file__, paths.MANIFEST)]


def _identity(path: str) -> "Tuple[int, int]":
    try:
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns
    except OSError:
        return 0, 0


# The version that is running.
VERSION = _version()


class Follower:
    """The open connections that are being watched."""

    def __init__(self, spool: Spool, done: "Optional[Set[str]]" = None) -> None:
        """done: names of records that could not be removed."""
        self._spool = spool
        self._records = OpenConnections(spool)
        self._processes = Processes(keeping=("stat",))
        self._followed: Dict[str, Followed] = {}
        self._done = set(done or ())
        # Until when the previous follower watched, in seconds since the epoch, and when that was last noted.
        self._watched_until = self._noted()
        self._noted_at = 0.0
        self._listed: List[List[int]] = []  # when the directories were last changed, at the last two listings

    def run(self) -> "Set[str]":
        """Watch until no connection is left or the program was replaced. Return the records that can't be removed."""
        while _version() == VERSION:
            self.take()
            if not self._followed:
                break
            began = time.process_time()
            self.look()
            time.sleep(max(PACE_SECONDS, REST_FACTOR * (time.process_time() - began)))
        return self._done

    def take(self) -> None:
        """Take new records, and forget those that were removed.

        The time of a directory has the resolution of the kernel's clock, so it is read once more after a change.
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
                self._followed[name] = Followed(self._processes, self._records.read(name), self._watched_until)
            except FileNotFoundError:
                pass
            except OfAnotherBootError as error:
                self._end(name, error.record, self._watched_until)
            except (OSError, ValueError, RecursionError) as error:
                trouble(f"The record {name} of an open connection can't be used and is removed: {error}.")
                self._remove(name)

    def look(self) -> None:
        """Look at each connection, and report those that became more serious."""
        now = time.monotonic()
        for name, followed in list(self._followed.items()):
            login_type = followed.look(now)
            if login_type is not None:
                self._report(followed, login_type)
            if followed.is_done():
                self._followed.pop(name).close()
                self._end(name, followed.record, followed.seen)
            elif followed.has_changed():
                self._keep(followed.record)
        self._note(now)

    def _end(self, name: str, record: "Record", seen: float) -> None:
        """Report the end of a connection if requested, and remove its record. seen: when it was last seen open"""
        if record.tells_end:
            if record.reported["about"] != alert.LOGOUT:
                record.reported = alert.ended(record.reported, seen)
                # Before it is queued: a follower that continues after a kill queues the same alert, not another one.
                self._keep(record)
                login(alert.log_line(record.reported))
            self._queue(record.reported)
        self._remove(name)

    def _noted(self) -> float:
        try:
            return os.stat(self._spool.path(FOLLOWER_LOCK)).st_mtime
        except OSError:
            return 0.0

    def _note(self, now: float) -> None:
        """Note that these connections have just been seen open. The note is the time of the lock's file."""
        is_due = now - self._noted_at >= NOTE_SECONDS
        if is_due and any(followed.record.tells_end for followed in self._followed.values()):
            self._noted_at = now
            try:
                os.utime(self._spool.path(FOLLOWER_LOCK))
            except OSError:
                pass  # a read-only disk

    def _report(self, followed: "Followed", login_type: str) -> None:
        found = alert.following(followed.record.reported, login_type)
        followed.record.reported = found
        self._queue(found)
        login(alert.log_line(found))

    def _queue(self, found: "Alert") -> None:
        try:
            outbox.put(self._spool, found["id"], alert.to_json(found))
        except OSError as error:
            trouble("The alert {} was not queued for sending: {}.".format(found["id"], error))

    def _keep(self, record: "Record") -> None:
        try:
            self._records.keep(record)
        except OSError:
            pass  # the previous record stays: after a kill, it may be reported again

    def _remove(self, name: str) -> None:
        try:
            self._records.remove(name)
        except OSError:  # a read-only disk
            self._done.add(name)


class Followed:
    """One open connection. seen: when it was last seen open, in seconds since the epoch."""

    def __init__(self, processes: Processes, record: "Record", seen: float) -> None:
        self.record = record
        self.seen = seen
        self._kept = self._account()
        self._connection = Connection(processes, record.monitor, record.start, processes.name(record.monitor))
        self._connection.resume(record.remembered)

    def look(self, now: float) -> "Optional[str]":
        """Return the connection's current type if it is more serious than the one that was reported, else None."""
        login_type = self._look(now)
        if not self._connection.over:
            self.seen = time.time()
        return login_type

    def _look(self, now: float) -> "Optional[str]":
        if self._is_reported_whole():
            self._connection.has_ended()
            return None
        if self._connection.is_quiet():
            return None
        shown = self._connection.look(now)
        if self._connection.over:
            return None
        missed = SOMETHING_OVER if self._connection.has_missed_one() else None
        login_type = max(filter(None, (shown, missed)), key=seriousness, default=None)
        reported = seriousness(self.record.reported["type"])
        return login_type if login_type and seriousness(login_type) > reported else None

    def is_done(self) -> bool:
        """Return whether the connection is closed, or nothing more about it needs a report."""
        if self.record.reported["about"] == alert.LOGOUT:
            return True  # a killed follower has made the alert of the end, and not removed the record: see _end
        return self._connection.over or (self._is_reported_whole() and not self.record.tells_end)

    def _is_reported_whole(self) -> bool:
        return bool(self.record.reported["type"] == INTERACTIVE)

    def has_changed(self) -> bool:
        """Return whether the record has changed since the last call.

        The remembered state matters only while a missed session would be reported.
        """
        if seriousness(self.record.reported["type"]) < seriousness(SOMETHING_OVER):
            self.record.remembered = self._connection.remembered()
        former, self._kept = self._kept, self._account()
        return self._kept != former

    def _account(self) -> "Tuple[str, str]":
        return self.record.reported["id"], self.record.remembered

    def close(self) -> None:
        """Stop watching the connection."""
        self._connection.close()
