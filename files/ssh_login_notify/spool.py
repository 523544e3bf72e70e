# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: one directory a state. A file moves from state to state by rename, so a kill at any point loses nothing
and leaves nothing half-done.

    incoming/   captures, written by the hook; an alert that is staged beside its capture      root only
    outgoing/   finished alerts that wait                          root writes, the service user takes
    failed/     alerts that Slack refused for good, each with the answer in NAME.answer
    state/      wake: there is something new to send; sender.json: what the sender last did; watch.json: what the
                self-check last found
    open/       connections that were reported and are still open (open_connections.py)        root only
    ballast/    files that become alerts when no disk has room (ballast.py)                    root only
    mutes/      windows in which one identity's logins need no message (mutes.py)    root writes, the service user reads

Names are the captures' names: a time and a pid. They sort by time, and are the alerts' ids.
"""

import errno
import os
import stat
import time

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, List, Tuple

DIRECTORIES = ("incoming", "outgoing", "failed", "state", "open")
BALLAST, MUTES = "ballast", "mutes"
FOLLOWER_LOCK = "follower.lock"
LOCKS = ("observer.lock", "sender.lock", FOLLOWER_LOCK)
STATE_FILES = ("wake", "sender.json", "watch.json", "memory.json", "repeats.json", "mutes.json")
# What the name of a file ends in that lies beside an alert or a capture.
COMPANIONS = {"incoming": ".alert", "failed": ".answer"}
# The directories are setgid, so the group is the service's.
ALERT_MODE = 0o640
# No file is read further. The hook keeps a quarter of it.
LARGEST_FILE_BYTES = 1 << 20
# How far a clock may be set back before names count as names of the future.
SKEW_SECONDS = 60
# After that long a file that is still being written is left over from a kill.
UNFINISHED_SECONDS = 3600


def is_name(name: str) -> bool:
    """Tell whether this is the name of a capture or an alert: 1763884862.123456-4242."""
    seconds, dash, pid = name.partition("-")
    return bool(dash) and pid.isdecimal() and seconds.replace(".", "", 1).isdecimal()


def written_at(name: str) -> float:
    """Return the time in a capture's name, in seconds since the epoch."""
    return float(name.partition("-")[0])


def is_older(name: str, age: float) -> bool:
    """Tell whether a name is older than this, in seconds. One from the future counts as older than any.

    The clock was set back since then, and nobody can say for how long the name will be in the future.
    """
    passed = time.time() - written_at(name)
    return passed > age or passed < -SKEW_SECONDS


def _is_expected(directory: str, entry: str, plain: bool) -> bool:
    if entry.startswith("."):
        return True  # being written, or soon cleared away
    if not plain:
        return False
    if directory == "state":
        return entry in STATE_FILES
    name, dot, ending = entry.rpartition(".")
    return is_name(entry) or (is_name(name) and dot + ending == COMPANIONS.get(directory))


def _move_away(path: str) -> bool:
    """Rename a directory that stands where a file belongs; return False where there is none. Raise OSError.

    Its new name is unexpected, so `status` reports it.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    os.rename(path, f"{path}-in-the-way-{time.time():.6f}")
    return True


class Spool:
    """The spool below a directory. Every method raises OSError where the file system does."""

    def __init__(self, root: str = paths.SPOOL) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        """Return the path of something in the spool."""
        return os.path.join(self.root, *parts)

    def names(self, directory: str) -> "List[str]":
        """Return the names of the captures or alerts in a directory, the oldest first. Nothing else is touched."""
        return sorted(name for name, plain in self._entries(directory) if plain and is_name(name))

    def _entries(self, directory: str) -> "List[Tuple[str, bool]]":
        """Return what lies in a directory, and of each whether it is a plain file, as all of the spool's are."""
        with os.scandir(self.path(directory)) as entries:
            return [(entry.name, entry.is_file(follow_symlinks=False)) for entry in entries]

    def read(self, directory: str, name: str, largest: int = LARGEST_FILE_BYTES) -> bytes:
        """Return a file's contents; only a plain file's, and at most so many bytes."""
        with self._open(directory, name) as file:
            return file.read(largest)

    def _open(self, directory: str, name: str) -> "BinaryIO":
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(self.path(directory, name), flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "not a plain file", name)
        return file

    def unexpected(self) -> "List[str]":
        """Return what does not belong in the spool, as `outgoing/README`. The notifier never touches it."""
        found = [name for name in os.listdir(self.root) if name not in (*DIRECTORIES, *LOCKS, BALLAST, MUTES)]
        for directory in DIRECTORIES:
            entries = self._entries(directory)
            found += [f"{directory}/{entry}" for entry, plain in entries if not _is_expected(directory, entry, plain)]
        return sorted(found)

    def sizes(self, directory: str) -> "Dict[str, int]":
        """Return the bytes that each capture or alert in a directory holds, by name."""
        sizes = {}
        with os.scandir(self.path(directory)) as entries:
            for entry in entries:
                try:
                    if is_name(entry.name) and entry.is_file(follow_symlinks=False):
                        sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    pass  # sent, or put back, just now
        return sizes

    def write(self, directory: str, name: str, contents: bytes, mode: int, durable: bool = False) -> None:
        """Put a file into a directory, whole or not at all, in place of one of the same name.

        durable: write it to the disk before it gets its name, so that a power cut does not leave it empty.
        """
        unfinished = self.path(directory, f".{name}.{os.getpid()}")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(contents)
                os.fchmod(descriptor, mode)
                if durable:
                    file.flush()
                    os.fsync(descriptor)
            self._rename(unfinished, self.path(directory, name))
        except OSError:
            self.remove(directory, os.path.basename(unfinished))
            raise

    def remove(self, directory: str, name: str) -> None:
        """Remove a file; one that is gone already is as good. A directory in its place is moved out of the way."""
        path = self.path(directory, name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):  # unlink(2): EISDIR on Linux, EPERM by POSIX
            if not _move_away(path):
                raise

    @staticmethod
    def _rename(source: str, target: str) -> None:
        """Give a file its name. A directory that has it already is moved out of the way.

        Somebody with the service user's rights can put one there, and no alert may wait for it.
        """
        try:
            os.rename(source, target)
        except OSError as error:
            if not _move_away(target):
                raise error from None
            os.rename(source, target)

    # The finisher's part. It stages the alert beside its capture before the capture goes, and publishes it only after
    # that: a kill in between never makes two alerts of one login, and the next run recovers what is staged. The
    # finisher of an observer that was killed may still be at work when that next run comes, hence the claim.

    def claim(self, name: str) -> "BinaryIO":
        """Return a capture, opened: while it is open, no other process finishes it.

        Raise FileNotFoundError if it is finished, BlockingIOError if another process is working on it.
        """
        import fcntl  # a file to load; only finishers need it

        capture = self._open("incoming", name)
        try:
            fcntl.flock(capture, fcntl.LOCK_EX | fcntl.LOCK_NB)  # flock(2): also for what can only be read
        except BlockingIOError:
            capture.close()
            raise
        except OSError:
            pass  # a file system without locks: told twice is better than never
        if not os.fstat(capture.fileno()).st_nlink:
            capture.close()
            raise FileNotFoundError(errno.ENOENT, "finished by another process", name)
        return capture

    def stage(self, name: str, contents: bytes) -> None:
        """Put the finished alert beside its capture."""
        self.write("incoming", name + ".alert", contents, ALERT_MODE, durable=True)

    def publish(self, name: str) -> bool:
        """Replace a capture by its staged alert in outgoing/, and wake the sender. Return what wake() does."""
        self.remove("incoming", name)
        staged = self.path("incoming", name + ".alert")
        try:
            self._rename(staged, self.path("outgoing", name))
        except FileNotFoundError:
            if os.path.lexists(staged):
                raise
            # Another process has published it.
        return self.wake()

    def recover(self, age: float = float("-inf")) -> None:
        """Publish what finishers that were killed had staged.

        age: only what was captured longer ago than this, in seconds
        """
        for entry, plain in self._entries("incoming"):
            name = entry[: -len(".alert")]
            if plain and entry.endswith(".alert") and is_name(name) and is_older(name, age):
                self._recover_one(name)

    def _recover_one(self, name: str) -> None:
        try:
            with self.claim(name):
                self.publish(name)
        except FileNotFoundError:
            self.publish(name)  # its capture is gone already
        except BlockingIOError:
            pass  # its finisher is still at work

    def wake(self) -> bool:
        """Say that there is something to send, by the file that the path unit watches.

        A file that is there already is replaced: the run that it was for may never have begun, and systemd before 240
        looks again only when something happens to the file (inotify(7)). A link is replaced too: it may lead nowhere.
        Return False where there can be no sign: the directory is read-only, or there is no room.
        """
        try:
            self.write("state", "wake", b"", 0o600)
        except OSError:
            # A directory, which systemd takes for the sign as well; or no room even for an empty file.
            try:
                os.utime(self.path("state", "wake"), follow_symlinks=False)
            except OSError:
                return False
        return True

    # The sender's part.

    def stop_waking(self) -> None:
        """Take the sign away, before the look at what waits. Raise OSError where that can't be done."""
        try:
            self.remove("state", "wake")
        except OSError:  # a read-only file system refuses even where there is nothing to remove
            if os.path.lexists(self.path("state", "wake")):
                raise

    def set_aside(self, name: str, answer: bytes) -> None:
        """Move an alert that was refused for good to failed/, with the answer beside it."""
        try:
            self.write("failed", name + ".answer", answer, ALERT_MODE)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise  # a move would fail as well
        self._rename(self.path("outgoing", name), self.path("failed", name))

    def forget(self, directory: str, name: str) -> None:
        """Remove an alert, and its answer if there is one."""
        self.remove(directory, name)
        self.remove(directory, name + ".answer")

    def put_back(self, name: str) -> None:
        """Put a refused alert back among those that wait."""
        self._rename(self.path("failed", name), self.path("outgoing", name))
        self.remove("failed", name + ".answer")

    # What kills leave behind, whoever's.

    def clear_unfinished(self) -> None:
        """Remove files that were being written when their writer was killed."""
        for directory in (*DIRECTORIES, BALLAST, MUTES):
            if directory not in DIRECTORIES and not os.path.isdir(self.path(directory)):
                continue  # a spool of an older version
            for entry in os.listdir(self.path(directory)):
                path = self.path(directory, entry)
                try:
                    if entry.startswith(".") and time.time() - os.lstat(path).st_mtime > UNFINISHED_SECONDS:
                        os.unlink(path)
                except (FileNotFoundError, IsADirectoryError, PermissionError):
                    pass  # it has just got its name; or it does not belong here


class Lock:
    """A lock between processes: one at a time holds it, until it gives it up or ends.

    lockf(3), not flock(2): the hook can test it without importing a module. It belongs to the process: a fork does not
    inherit it, and closing any descriptor of the file gives it up. So the file is opened once, and kept open.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Take the lock and return True; return False if another process holds it."""
        try:
            os.lockf(self._descriptor, os.F_TLOCK, 0)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def holder(self) -> int:
        """Return the pid of another process that holds the lock, 0 if none does, or none that can be named."""
        import fcntl  # a file to load; only `flush` needs it
        import struct

        layout = "hhqqi"  # struct flock of fcntl(2), with offsets of 64 bits as Python is built
        asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        held, _whence, _start, _length, pid = struct.unpack(layout, fcntl.fcntl(self._descriptor, fcntl.F_GETLK, asked))
        return 0 if held == fcntl.F_UNLCK else max(pid, 0)

    def keep_through_exec(self) -> None:
        """Keep the lock for the program that this process is about to run (execve(2)), which may take it again."""
        os.set_inheritable(self._descriptor, True)

    def give_up(self) -> None:
        """Let others take the lock."""
        os.lockf(self._descriptor, os.F_ULOCK, 0)


def is_locked(path: str) -> bool:
    """Tell whether another process holds a lock. Not for one that this process holds: asking would give it up."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
