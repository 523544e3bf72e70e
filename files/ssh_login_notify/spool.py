# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: one directory for each state. A file changes its state by a rename, so a kill at any point loses nothing
and leaves no file half-written.

    incoming/   captures, written by the hook; an alert that is staged beside its capture      root only
    outgoing/   finished alerts that wait                          root writes, the service user removes
    failed/     alerts that a channel refused for good, each with the answer in NAME.answer
    state/      wake: there is something new to send; sender.json: the state of the sender; watch.json: the last
                findings of the self-check; memory.json, repeats.json, mutes.json, summary.json, counts.json: the
                sender's memory and counters; channel.json: the channel's own data; ec2.json: facts about the instance;
                ends-*: what became of each login, for the audit
    open/       connections that were reported and are still open (open_connections.py)        root only
    ballast/    files that become alerts when no disk has room (ballast.py)                    root only
    mutes/      windows in which one identity's logins need no message (mutes.py)    root writes, the service user reads
    ledger/     a line for each login, for the audit (ledger.py)                               root only
    channels/   with several channels: outgoing/, failed/ and state/ of each (outlets.py)

An alert has the name of its capture: a time and a pid. Names sort by time, and are the ids of the alerts.
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
BALLAST, MUTES, CHANNELS, LEDGER = "ballast", "mutes", "channels", "ledger"
# The prefix of the files that record the outcome of each login in the ledger, one for each day.
ENDS = "ends-"
FOLLOWER_LOCK = "follower.lock"
# The channel's own state.
CHANNEL_STATE = "channel.json"
LOCKS = ("observer.lock", "sender.lock", FOLLOWER_LOCK)
STATE_FILES = (
    "wake", "sender.json", CHANNEL_STATE, "watch.json", "memory.json", "repeats.json", "mutes.json", "summary.json",
    "ec2.json", "counts.json",
)  # fmt: skip
# The suffix of the file that can lie beside a capture or an alert.
COMPANIONS = {"incoming": ".alert", "failed": ".answer"}
# The directories are setgid, so the group is that of the service user.
ALERT_MODE = 0o640
# The part of a file that is read. Of a login's environment, the hook writes at most a quarter of that.
LARGEST_FILE_BYTES = 1 << 20
# If a name is further in the future than this, the clock was set back.
SKEW_SECONDS = 60
# An unfinished file that is older than this is left over from a kill.
UNFINISHED_SECONDS = 3600


def is_name(name: str) -> bool:
    """Return whether this is the name of a capture or an alert, such as 1763884862.123456-4242."""
    seconds, dash, pid = name.partition("-")
    return bool(dash) and _is_number(pid) and _is_number(seconds.replace(".", "", 1))


def _is_number(text: str) -> bool:
    """Return whether this consists of ASCII digits. str.isdigit() accepts others, of which int() refuses some."""
    return text.isdigit() and len(text.encode("utf-8", "surrogateescape")) == len(text)


def is_ends(name: str) -> bool:
    """Return whether a file of state/ records how logins ended."""
    return name.startswith(ENDS) and _is_number(name[len(ENDS) :])


def written_at(name: str) -> float:
    """Return the time in a capture's name, in seconds since the epoch."""
    return float(name.partition("-")[0])


def is_older(name: str, age: float) -> bool:
    """Return whether a name is older than `age` seconds. A name from the future counts as older.

    In that case the clock was set back, and it is unknown how long the name will stay in the future.
    """
    passed = time.time() - written_at(name)
    return passed > age or passed < -SKEW_SECONDS


def _is_expected(directory: str, entry: str, plain: bool) -> bool:
    if entry.startswith("."):
        return True  # it is being written, or will be removed soon
    if not plain:
        return False
    if directory == "state":
        return entry in STATE_FILES or is_ends(entry)
    name, dot, ending = entry.rpartition(".")
    return is_name(entry) or (is_name(name) and dot + ending == COMPANIONS.get(directory))


def _move_away(path: str) -> bool:
    """Rename a directory that has the name of a file. Return False if there is none. Raise OSError.

    The spool does not know the new name, so `status` reports the directory.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    os.rename(path, f"{path}-in-the-way-{time.time():.6f}")
    return True


class Spool:
    """The spool below a directory. Every method can raise OSError."""

    def __init__(self, root: str = paths.SPOOL) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        """Return the path of something in the spool."""
        return os.path.join(self.root, *parts)

    def names(self, directory: str) -> "List[str]":
        """Return the names of the captures or alerts in a directory, the oldest first, without any other files."""
        return sorted(name for name, plain in self._entries(directory) if plain and is_name(name))

    def _entries(self, directory: str) -> "List[Tuple[str, bool]]":
        """Return each name in a directory, and whether it is a plain file, as all files of the spool are."""
        with os.scandir(self.path(directory)) as entries:
            return [(entry.name, entry.is_file(follow_symlinks=False)) for entry in entries]

    def read(self, directory: str, name: str, largest: int = LARGEST_FILE_BYTES) -> bytes:
        """Return the contents of a plain file, at most `largest` bytes."""
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
        """Return the paths of unexpected files, such as `outgoing/README`. The notifier does not touch them."""
        known = (*DIRECTORIES, *LOCKS, BALLAST, MUTES, CHANNELS, LEDGER)
        found = [name for name in os.listdir(self.root) if name not in known]
        for directory in DIRECTORIES:
            entries = self._entries(directory)
            found += [f"{directory}/{entry}" for entry, plain in entries if not _is_expected(directory, entry, plain)]
        return sorted(found)

    def sizes(self, directory: str) -> "Dict[str, int]":
        """Return the size of each capture or alert in a directory, in bytes, by name."""
        sizes = {}
        with os.scandir(self.path(directory)) as entries:
            for entry in entries:
                try:
                    if is_name(entry.name) and entry.is_file(follow_symlinks=False):
                        sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    pass  # it was just sent, or put back
        return sizes

    def write(self, directory: str, name: str, contents: bytes, mode: int, durable: bool = False) -> None:
        """Write a file completely or not at all, and replace one of the same name.

        durable: sync it to the disk before it gets its name, so that a power failure does not leave it empty
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
        """Remove a file if it exists. A directory in its place is moved out of the way."""
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
        """Give a file its name. A directory that has this name is moved out of the way.

        An attacker with the service user's rights can create such a directory, and it must not hold up an alert.
        """
        try:
            os.rename(source, target)
        except OSError as error:
            if not _move_away(target):
                raise error from None
            os.rename(source, target)

    # For the finisher. It stages the alert beside its capture, then removes the capture, then publishes the alert. So a
    # kill in between never leads to two alerts for one login, and the next run recovers the staged alert. The finisher
    # of a killed observer may still be running at that time, so each finisher claims its capture.

    def claim(self, name: str) -> "BinaryIO":
        """Open a capture and return it. While it is open, no other process finishes it.

        Raise FileNotFoundError if it is finished, BlockingIOError if another process is working on it.
        """
        import fcntl  # imported late: only finishers need it

        capture = self._open("incoming", name)
        try:
            fcntl.flock(capture, fcntl.LOCK_EX | fcntl.LOCK_NB)  # flock(2) needs no write access
        except BlockingIOError:
            capture.close()
            raise
        except OSError:
            pass  # the file system has no locks: two alerts are better than none
        if not os.fstat(capture.fileno()).st_nlink:
            capture.close()
            raise FileNotFoundError(errno.ENOENT, "finished by another process", name)
        return capture

    def stage(self, name: str, contents: bytes) -> None:
        """Write the finished alert beside its capture."""
        self.write("incoming", name + ".alert", contents, ALERT_MODE, durable=True)

    def publish(self, name: str) -> bool:
        """Replace a capture by its staged alert in outgoing/, and wake the sender. Return the result of wake()."""
        self.remove("incoming", name)
        staged = self.path("incoming", name + ".alert")
        try:
            self._rename(staged, self.path("outgoing", name))
        except FileNotFoundError:
            if os.path.lexists(staged):
                raise
            # Otherwise another process has published it.
        return self.wake()

    def recover(self, age: float = float("-inf")) -> None:
        """Publish the staged alerts of killed finishers.

        age: recover only those whose capture is older than this, in seconds
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
            self.publish(name)  # its capture was already removed
        except BlockingIOError:
            pass  # its finisher is still running

    def wake(self) -> bool:
        """Write the wake-up file that the path unit watches. Return False if that is impossible.

        An existing file is replaced: its run may never have started, and systemd before 240 checks again only after an
        event on the file (inotify(7)). A symlink is replaced too, because it may be dangling.
        """
        try:
            self.write("state", "wake", b"", 0o600)
        except OSError:
            # There is no space even for an empty file, or a directory is in its place, which systemd accepts as well.
            try:
                os.utime(self.path("state", "wake"), follow_symlinks=False)
            except OSError:
                return False
        return True

    # For the sender.

    def stop_waking(self) -> None:
        """Remove the wake-up file. Call this before reading the queue. Raise OSError if that is impossible."""
        try:
            self.remove("state", "wake")
        except OSError:  # a read-only file system refuses this even if there is no file
            if os.path.lexists(self.path("state", "wake")):
                raise

    def set_aside(self, name: str, answer: bytes) -> None:
        """Move an alert that was refused for good to failed/, with the answer beside it."""
        try:
            self.write("failed", name + ".answer", answer, ALERT_MODE)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise  # the rename would fail as well
        self._rename(self.path("outgoing", name), self.path("failed", name))

    def forget(self, directory: str, name: str) -> None:
        """Remove an alert, and its answer if there is one."""
        self.remove(directory, name)
        self.remove(directory, name + ".answer")

    def put_back(self, name: str) -> None:
        """Move a refused alert back into the queue."""
        self._rename(self.path("failed", name), self.path("outgoing", name))
        self.remove("failed", name + ".answer")

    # After kills.

    def clear_unfinished(self, directories: "Tuple[str, ...]" = (*DIRECTORIES, BALLAST, MUTES)) -> None:
        """Remove the unfinished files of killed writers."""
        for directory in directories:
            if directory not in DIRECTORIES and not os.path.isdir(self.path(directory)):
                continue  # the spool of an older version has no such directory
            for entry in os.listdir(self.path(directory)):
                path = self.path(directory, entry)
                try:
                    if entry.startswith(".") and time.time() - os.lstat(path).st_mtime > UNFINISHED_SECONDS:
                        os.unlink(path)
                except (FileNotFoundError, IsADirectoryError, PermissionError):
                    pass  # it was just renamed, or it is not the notifier's


class Lock:
    """A lock that one process at a time holds, until it releases the lock or ends.

    This is lockf(3), not flock(2), because the hook can test it without importing a module. The lock belongs to the
    process: a fork does not inherit it, and closing any descriptor of the file releases it. So the file is opened once
    and stays open.
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
        """Return the pid of the other process that holds the lock, 0 if there is none or if its pid is unknown."""
        import fcntl  # imported late: only `flush` needs it
        import struct

        layout = "hhqqi"  # struct flock of fcntl(2), with 64-bit offsets, as Python is built
        asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        held, _whence, _start, _length, pid = struct.unpack(layout, fcntl.fcntl(self._descriptor, fcntl.F_GETLK, asked))
        return 0 if held == fcntl.F_UNLCK else max(pid, 0)

    def keep_through_exec(self) -> None:
        """Keep the lock across execve(2). The program that this process runs next can take it again."""
        os.set_inheritable(self._descriptor, True)

    def give_up(self) -> None:
        """Release the lock."""
        os.lockf(self._descriptor, os.F_ULOCK, 0)


def is_locked(path: str) -> bool:
    """Return whether another process holds a lock. If this process holds it, the call would release it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
