# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: a line for every login that the notifier knows of, so that the audit can compare them with sshd's log.

    ledger/1763856000       one file for each day (UTC), named by its first second            only root can write
    state/ends-1763856000   how these logins ended                                            the service user writes

The finisher writes the ledger before it releases the alert. The audit trusts it, because only root can write it. The
sender writes the second file, which only records how a known login ended. A line of the ledger is

    ID PID ADDRESS PORT SERVICE USER

Lines are appended. Each begins with a line feed, and a line that a full disk has cut off is ignored. If the spool
accepts no line, it goes to /run/ssh-login-notify/ledger. A login is filed under the day of its own time, even if its
capture had to wait for days.
"""

import errno
import os
import re
import stat

from . import overflow, paths
from .journal import trouble
from .spool import ENDS, LEDGER, is_ends, is_name, written_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, Iterator, List

    from .alert import Alert
    from .spool import Spool

DIRECTORY = LEDGER
# The name of a day's file. Only ASCII digits count.
DAY = re.compile(r"[0-9]{1,12}\Z")
DAY_SECONDS = 86400
# How long the ledger is kept, and its largest size. A line takes about 80 bytes, so there is room for 20,000 logins a
# day.
KEPT_DAYS = 40
MOST_BYTES = 1 << 26
# The largest size of one day, so that a single busy day can't displace the others. For the audit, later logins of that
# day are in doubt, not missed.
MOST_DAY_BYTES = 1 << 24
# The largest size in /run, which is memory.
MOST_OVERFLOW_BYTES = 1 << 20
# A line is always shorter: a name has at most 300 characters, each an escape of at most ten bytes.
LONGEST_LINE_BYTES = 1 << 13
# How a login ended. The ledger itself has only LOST, and DAY_IS_FULL where lines may be missing. The sender writes the
# other words.
LOST, DAY_IS_FULL = "lost", "full"
REPORTED, IGNORED, MUTED, FOLDED, UNROUTED, DROPPED = "reported", "ignored", "muted", "folded", "unrouted", "dropped"
OF_SENDER = (REPORTED, IGNORED, MUTED, FOLDED, UNROUTED, DROPPED)


class Entry:
    """One login of the ledger.

    id: of its alert. time: when its hook ran, in seconds since the epoch. pid: the sshd process that opened the PAM
    session. address, port: of the client, "" and 0 if unknown. service: the PAM service. user: printable, for people.
    """

    __slots__ = ("address", "id", "pid", "port", "service", "time", "user")

    def __init__(self, words: "List[str]") -> None:
        """Parse the words of a line. Raise ValueError if they are not those of an entry."""
        self.id, pid, address, port, self.service, self.user = words
        if not is_name(self.id):
            raise ValueError("no id")
        self.time = written_at(self.id)
        self.pid = int(pid)
        self.address = "" if address == "-" else address
        self.port = int(port)


def day_of(time: float) -> int:
    """Return the first second, since the epoch, of the day (UTC) that contains a time."""
    return int(time // DAY_SECONDS) * DAY_SECONDS


def note(spool: "Spool", found: "Alert", pid: int) -> None:
    """Add a login. It never raises: if no place accepts the line, that is logged in the system log.

    found: its alert. pid: the sshd process that opened the session
    """
    words = [found["id"], str(pid), found["address"], str(found["port"]), found["service"], found["user"]]
    # Only the last word may contain spaces. Printable texts contain no other white space.
    fields = [word.replace(" ", "_") or "-" for word in words[:-1]]
    _write(spool, found["id"], " ".join([*fields, words[-1]]))


def note_lost(spool: "Spool", login_id: str) -> None:
    """Record that a login's alert was lost, because there was no room for it. It never raises."""
    _write(spool, login_id, f"{login_id} {LOST}")


def _write(spool: "Spool", login_id: str, line: str) -> None:
    path = spool.path(DIRECTORY, str(day_of(written_at(login_id))))
    try:
        _append(path, line, MOST_DAY_BYTES, 0o600)
    except OSError:
        try:
            overflow.make()
            _append(os.path.join(paths.OVERFLOW, DIRECTORY), line, MOST_OVERFLOW_BYTES, 0o600)
        except OSError as error:
            trouble(f"The ledger has no room ({error}): the audit will not know of login {login_id}.")


def _append(path: str, line: str, most: int, mode: int) -> None:
    """Append a line in one write, and sync it: a login that was reported must not look missed after a power failure.

    Raise OSError if the file has reached `most` bytes, or can't be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    try:
        if os.fstat(descriptor).st_size >= most:
            raise OSError(errno.ENOSPC, "the file has reached its limit", path)
        raw = f"\n{line}\n".encode("ascii", "backslashreplace")
        if os.write(descriptor, raw) < len(raw):
            raise OSError(errno.ENOSPC, "the line was cut off", path)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def end(spool: "Spool", login_ids: "Iterable[str]", how: str) -> None:
    """Record how logins ended. It never raises: without the record, the audit reports that their end is unknown.

    how: one of OF_SENDER
    """
    by_day: Dict[int, List[str]] = {}
    for login_id in login_ids:
        if is_name(login_id):
            by_day.setdefault(day_of(written_at(login_id)), []).append(login_id)
    for day, names in by_day.items():
        lines = "".join(f"{name} {how}\n" for name in names).encode("ascii")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(spool.path("state", f"{ENDS}{day}"), flags, 0o640)
            try:
                if os.fstat(descriptor).st_size < MOST_DAY_BYTES:
                    os.write(descriptor, b"\n" + lines)
            finally:
                os.close(descriptor)
        except OSError:
            pass


class Day:
    """The known logins of one day. For root.

    entries: by pid. ends: how each login ended, by its id, as the ledger or the sender recorded it. is_full: the file
    has reached its limit, so logins may be missing.
    """

    def __init__(self, spool: "Spool", day: int, places: "Iterable[Spool]" = ()) -> None:
        """Read the day. places: those of the channels, whose senders record ends as well."""
        self.entries: Dict[int, List[Entry]] = {}
        self.ends: Dict[str, str] = {}
        self.is_full = False
        ids = set()
        for place in (spool, *places):
            for words in _lines(place.path("state", f"{ENDS}{day}")):
                if len(words) == 2 and words[1] in OF_SENDER:
                    self.ends[words[0]] = words[1]
        ledger = spool.path(DIRECTORY, str(day))
        elsewhere = os.path.join(paths.OVERFLOW, DIRECTORY)
        for path in (ledger, elsewhere, elsewhere + ".moving"):
            for words in _lines(path):
                if len(words) == 2 and is_name(words[0]):
                    if words[1] == LOST:
                        self.ends[words[0]] = LOST
                    self.is_full |= words[1] == DAY_IS_FULL
                    continue
                try:
                    entry = Entry(words)
                except ValueError:
                    continue
                if entry.id not in ids and day_of(entry.time) == day:
                    ids.add(entry.id)
                    self.entries.setdefault(entry.pid, []).append(entry)
        most = {ledger: MOST_DAY_BYTES, elsewhere: MOST_OVERFLOW_BYTES, elsewhere + ".moving": MOST_OVERFLOW_BYTES}
        self.is_full |= any(_size(path) >= most[path] for path in most)

    def all(self) -> "Iterator[Entry]":
        """Yield all entries."""
        for entries in self.entries.values():
            yield from entries


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _lines(path: str) -> "Iterator[List[str]]":
    """Yield the words of each line of a regular file, at most six; none if there is no such file. Follow no symlink.

    The service user can put anything in the place of an `ends-` file: a directory, a pipe, a line without an end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            left = MOST_DAY_BYTES + (1 << 16)
            while left > 0:
                raw = file.readline(LONGEST_LINE_BYTES)
                left -= max(len(raw), 1)
                if not raw:
                    return
                if raw.endswith(b"\n") and raw != b"\n":
                    yield raw[:-1].decode("ascii", "replace").split(" ", 5)
    finally:
        os.close(descriptor)


def bring_back(spool: "Spool") -> None:
    """Move the lines from /run into the spool. For root. Raise OSError if the spool still has no room.

    A finisher may be writing to the file. So this call renames it, and the next call moves its lines. A kill in between
    can leave some lines twice; duplicates count once.
    """
    path = os.path.join(paths.OVERFLOW, DIRECTORY)
    moving = path + ".moving"
    if os.path.lexists(moving):
        days: Dict[int, str] = {}
        for words in _lines(moving):
            if is_name(words[0]):
                day = day_of(written_at(words[0]))
                days[day] = words[0]
                _bring_back(spool, day, " ".join(words))
        if _size(moving) >= MOST_OVERFLOW_BYTES:
            for day, last in days.items():
                _bring_back(spool, day, f"{last} {DAY_IS_FULL}")
        os.unlink(moving)
    if os.path.lexists(path):
        os.rename(path, moving)


def _bring_back(spool: "Spool", day: int, line: str) -> None:
    path = spool.path(DIRECTORY, str(day))
    if _size(path) < MOST_DAY_BYTES:  # else the size shows that logins are missing
        _append(path, line, MOST_DAY_BYTES, 0o600)


def prune(spool: "Spool", now: float) -> float:
    """Remove days that are older than KEPT_DAYS, then the oldest days beyond MOST_BYTES. For root. Raise OSError.

    Return the end of the last day that was removed, in seconds since the epoch, or 0 if none was.
    """
    names = [name for name in os.listdir(spool.path(DIRECTORY)) if DAY.match(name)]
    left, since = MOST_BYTES, 0.0
    for day in sorted(map(int, names), reverse=True):
        path = spool.path(DIRECTORY, str(day))
        left -= _size(path)
        if left < 0 or day < now - (KEPT_DAYS + 1) * DAY_SECONDS:
            os.unlink(path)
            since = max(since, float(day + DAY_SECONDS))
    return since


def prune_ends(spool: "Spool", now: float) -> None:
    """Remove the records of how logins ended for days that are older than KEPT_DAYS. Raise OSError."""
    for name in os.listdir(spool.path("state")):
        if is_ends(name) and int(name[len(ENDS) :]) < now - (KEPT_DAYS + 1) * DAY_SECONDS:
            spool.remove("state", name)
