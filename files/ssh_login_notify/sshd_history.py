# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's log over a longer time, for the audit: the oldest line first, each read once. sshd_log.py parses the lines.

A cursor marks where the last read ended. It is journald's own, or a position in a file with a checksum of the text
before it. Rotated files are read as well, including those that are compressed by gzip, bzip2 or xz. If a cursor is not
found, because the log was replaced, or the file compressed or truncated, reading starts at a time instead.
"""

import binascii
import glob
import os
import re
import stat
import time
from abc import ABC, abstractmethod

from . import sshd_log
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Set, Tuple

    # The inode, the time of the last change (seconds since the epoch), and the path of a file.
    File = Tuple[int, float, str]

# A month of a host with 20,000 logins a day is about 4 GiB of journalctl's JSON.
MOST_BYTES = 1 << 33
# The control groups of container engines (cgroups(7)). A process in a container has its own PAM stack.
CONTAINERS = re.compile(r"/(?:docker[-/]|libpod[-_]|crio-|cri-containerd-|kubepods|lxc[./]|machine\.slice/)")
# Text in the lines that matter, see sshd_lines.py: in all lines, and in those of a suspect's process.
LOGINS = (b"Accepted ", b": session opened for ", b"Server listening on ")
OF_SUSPECTS = (b"pam_", b"[preauth]", b"fatal: ", b"error: PAM")
# How journalctl prints a message that is not plain text: as a list of byte values.
BYTES = re.compile(rb'"MESSAGE"\s*:\s*\[')
# One line in this many is yielded in any case, to show how far the log was read.
PROGRESS_LINES = 500
# The module that opens each kind of compressed file.
COMPRESSIONS = {".gz": "gzip", ".xz": "lzma", ".bz2": "bz2"}
# The number of lines at the beginning of a file that are searched for a time.
FIRST_LINES = 50
CHUNK_BYTES = 1 << 20
# The time at the beginning of a line, in each form.
STAMP = re.compile("(?:<[0-9]{1,3}>1 )?" + sshd_log.TIME)
# How much of the end of a line the checksum of a cursor covers.
LONGEST_KEPT_BYTES = 4096
SECONDS = re.compile(r"[0-5][0-9](?:\.[0-9]+)?\Z")
# An accepted login in an unknown form.
UNREADABLE = re.compile(rb"sshd[^ ]* .{0,80}?Accepted \S+ for .* from \S+ port [0-9]+ ssh2", re.S)


class Entry:
    """One line.

    at: its time, in seconds since the epoch. pid, message: sshd's. text: the line as the log has it. cursor: where to
    continue after it. booted: the time of the boot before it, 0 if unknown. boot: journald's id of that
    boot. unit: systemd's unit, "" if unknown.
    is_proven: the journal identifies the writer as sshd. Always true for a file, which can't prove it. is_local: the
    time has no zone. host: the host's name in the line, "" in the journal, which has only this host. is_contained: sshd
    ran in a container. name: the program's name in the log.
    """

    __slots__ = (
        "at", "boot", "booted", "cursor", "host", "is_contained", "is_local", "is_proven", "message", "name", "pid",
        "text", "unit",
    )  # fmt: skip

    def __init__(self, at: float, pid: int, message: str, text: str, cursor: str) -> None:
        self.at = at
        self.pid = pid
        self.message = message
        self.text = text
        self.cursor = cursor
        self.name = ""
        self.boot = ""
        self.booted = 0.0
        self.unit = ""
        self.host = ""
        self.is_proven = True
        self.is_local = False
        self.is_contained = False


class History(ABC):
    """The log of this host.

    name: its path, or `the journal`. names: the program names of sshd. suspects: hosts and pids of processes whose
    further lines are wanted, because they can explain why a login was missed. begins: the time of the oldest remaining
    entry, None if unknown. unreadable: sentences about what could not be read. suppressed: how many lines journald has
    dropped, by unit. is_whole: everything was read before the deadline.
    """

    name = ""

    def __init__(self, names: "Iterable[str]" = ()) -> None:
        """names: more program names of sshd. Before OpenSSH 9.8, a renamed sshd logs under its own name."""
        self.names = tuple(dict.fromkeys((*sshd_log.NAMES, *names)))
        self.suspects: Set[Tuple[str, int]] = set()
        self.begins: Optional[float] = None
        self.unreadable: List[str] = []
        self.suppressed: Dict[str, int] = {}
        self.is_whole = True

    @abstractmethod
    def entries(self, since: float, cursor: str, deadline: float) -> "Iterator[Entry]":
        """Yield the entries after a cursor, or since a time if the cursor is "" or is not found. Raise OSError.

        Some entries are not about a login. deadline: a value of time.monotonic()
        """

    def needles(self) -> "Tuple[bytes, ...]":
        """Return texts to search for. A wanted line contains at least one of them."""
        return LOGINS + OF_SUSPECTS if self.suspects else LOGINS


class JournalHistory(History):
    """systemd's journal."""

    name = "the journal"

    def __init__(self, names: "Iterable[str]" = ()) -> None:
        super().__init__(names)
        self._boot = b""

    def entries(self, since: float, cursor: str, deadline: float) -> "Iterator[Entry]":
        """Yield the entries in the order in which they were written."""
        self.begins = self._oldest(deadline)
        # A cursor of another log, or a damaged one, makes journalctl fail.
        places = [[f"--after-cursor={cursor}"]] if cursor.startswith("s=") else []
        for place in [*places, [f"--since=@{int(since)}"]]:
            is_empty = True
            try:
                for found in self._read(place, deadline):
                    is_empty = False
                    if "--after" in place[0] or (found.at > since if cursor else found.at >= since):
                        yield found
                return
            except OSError:
                if is_empty and place in places:
                    continue
                if is_empty:
                    raise
                # What was read so far counts, and the next read continues after it.
                self.unreadable.append("a part of the journal can't be read (`journalctl --verify`)")
                return

    def _read(self, place: "List[str]", deadline: float) -> "Iterator[Entry]":
        words = [
            *place, "_UID=0", "_TRANSPORT=syslog", *(f"SYSLOG_IDENTIFIER={name}" for name in self.names), "+",
            "_TRANSPORT=driver", f"MESSAGE_ID={sshd_log.DROPPED_ID}",
        ]  # fmt: skip
        left = MOST_BYTES
        for count, raw in enumerate(sshd_log.entries(words, sshd_log.FIELDS, MOST_BYTES, deadline), 1):
            left -= len(raw)
            if count % PROGRESS_LINES and not self._is_wanted(raw):
                continue
            found = self._entry(raw)
            if found:
                yield found
        self.is_whole = left > 0 and time.monotonic() < deadline

    def _is_wanted(self, raw: bytes) -> bool:
        # The first line after a boot shows when the host booted.
        is_wanted = self._boot not in raw or not self._boot
        return is_wanted or any(word in raw for word in (*self.needles(), b"Suppressed ")) or bool(BYTES.search(raw))

    @staticmethod
    def _oldest(deadline: float) -> "Optional[float]":
        """Return the time of the oldest entry of any program. On a quiet host, sshd may not log for weeks."""
        for raw in sshd_log.entries((), "_PID", 1 << 16, deadline):
            try:
                return int(sshd_log.of_json(raw)["__REALTIME_TIMESTAMP"]) / 1e6
            except (ValueError, LookupError, TypeError):
                break
        return None

    def _entry(self, raw: bytes) -> "Optional[Entry]":
        fields = sshd_log.of_json(raw)
        cursor = str(fields.get("__CURSOR") or "")
        if not cursor:
            return None
        self._boot = str(fields.get("_BOOT_ID") or "").encode()
        if fields.get("_TRANSPORT") == "driver" and fields.get("MESSAGE_ID") == sshd_log.DROPPED_ID:
            found = sshd_log.DROPPED.match(str(fields.get("MESSAGE")))
            if found:
                unit = found.group("unit")
                self.suppressed[unit] = self.suppressed.get(unit, 0) + int(found.group("count"))
            return None
        line = sshd_log.of_journal(fields, self.names)
        if line is None:
            return None
        at, pid, message = line
        made = time.strftime("%b %d %H:%M:%S", time.localtime(at))
        said = "{} {}[{}]: {}".format(made, fields.get("SYSLOG_IDENTIFIER"), pid, message)
        entry = Entry(at, pid, message, said, cursor)
        entry.name = str(fields.get("SYSLOG_IDENTIFIER") or "")
        entry.boot = str(fields.get("_BOOT_ID") or "")
        passed = str(fields.get("__MONOTONIC_TIMESTAMP") or "")
        entry.booted = at - int(passed) / 1e6 if passed.isdecimal() else 0.0
        entry.unit = str(fields.get("_SYSTEMD_UNIT") or "")
        entry.is_contained = CONTAINERS.search(str(fields.get("_SYSTEMD_CGROUP") or "")) is not None
        # journald reads these from /proc, where the process may be gone. Then it could also be root's logger(1).
        entry.is_proven = "_EXE" in fields or "_COMM" in fields
        return entry


class FileHistory(History):
    """A file of the auth facility, with its rotated files."""

    def __init__(self, path: str, names: "Iterable[str]" = ()) -> None:
        super().__init__(names)
        self._path = path
        self.name = path
        # The minute and the zone of the last time that was read, and its value: many lines have the same minute.
        self._minute: Tuple[str, str, float] = ("", "", 0.0)

    def entries(self, since: float, cursor: str, deadline: float) -> "Iterator[Entry]":
        """Yield the entries of all files that have lines of that time."""
        files = self._files()
        at = next((at for at, file in enumerate(files) if cursor and _is_at(file, cursor)), None)
        if at is not None:
            files, start, least = files[at:], int(cursor.split(":")[1]), 0.0
            self.begins = since
        else:
            files, start, least = self._since(files, since), 0, since
        for number, changed, path in self._originals(files):
            try:
                with _opened(path) as file:
                    file.seek(start)
                    for entry in self._lines(file, number, start, changed, deadline):
                        if entry.at > least or (entry.at == least and not cursor):
                            yield entry
            except (OSError, EOFError, ValueError, ImportError) as error:
                self.unreadable.append(f"{path} can't be read ({printable(str(error))})")
            if not self.is_whole:
                return
            start = 0

    def _files(self) -> "List[File]":
        """Return the file and its rotated files, the oldest first."""
        found = {}
        for path in [*glob.glob(glob.escape(self._path) + "[.-]*"), self._path]:
            try:
                status = os.stat(path)
            except OSError:
                continue  # it was just rotated
            if stat.S_ISDIR(status.st_mode):
                continue  # an archive beside the log
            found[status.st_ino] = (status.st_mtime, path)
        return sorted(((inode, *found[inode]) for inode in found), key=lambda file: (file[2] == self._path, file[1]))

    def _since(self, files: "List[File]", since: float) -> "List[File]":
        """Return the files that were changed since a time, and set `begins`."""
        wanted = [file for file in files if file[1] >= since]
        if len(wanted) < len(files):
            self.begins = since  # an older file exists, so nothing is missing
        elif files:
            self.begins = _begin(files[0][2], files[0][1])
        return wanted

    def _originals(self, files: "List[File]") -> "List[File]":
        """Return the files without copies of others, or their logins would count twice.

        logrotate makes copies while it compresses a file, or before it truncates it (copytruncate); so does an
        administrator. A copy begins with the same line.
        """
        if len(files) < 2:
            return files
        kept: Dict[bytes, File] = {}
        for file in sorted(files, key=lambda file: (file[2] == self._path, not _compression(file[2]), _size(file[2]))):
            kept[_first_line(file[2]) or os.fsencode(file[2])] = file
        return [file for file in files if file in kept.values()]

    def _lines(
        self, file: "BinaryIO", number: int, position: int, changed: float, deadline: float
    ) -> "Iterator[Entry]":
        rest = b""
        while True:
            if time.monotonic() > deadline:
                self.is_whole = False
                return
            read = file.read(CHUNK_BYTES)
            if not read:
                return  # a last line without an end is still being written
            chunk = rest + read
            end = chunk.rfind(b"\n") + 1
            last = 0
            for begin, last in self._wanted(chunk, end):
                entry = self._entry(chunk[begin:last], number, position + last, changed)
                if entry:
                    yield entry
            if end > last:  # the cursor moves to the end, so this is not read again
                begin = chunk.rfind(b"\n", 0, end - 1) + 1
                entry = self._entry(chunk[begin:end], number, position + end, changed, of_any=True)
                if entry:
                    yield entry
            rest = chunk[end:]
            position += end
            if len(rest) > sshd_log.LONGEST_LINE_BYTES:  # not a log line: a power failure can leave such blocks of NUL
                position += len(rest) - LONGEST_KEPT_BYTES
                rest = rest[-LONGEST_KEPT_BYTES:]

    def _wanted(self, chunk: bytes, end: int) -> "Iterator[Tuple[int, int]]":
        """Yield the start and the end of each wanted line. The needles can change while this runs."""
        places: Dict[bytes, int] = {}
        begin = 0
        while begin < end:
            needles = self.needles()
            for needle in needles:
                if places.get(needle, -1) < begin:
                    found = chunk.find(needle, begin, end)
                    places[needle] = found if found >= 0 else end
            first = min(places[needle] for needle in needles)
            if first >= end:
                return
            after = chunk.find(b"\n", first, end) + 1
            yield max(chunk.rfind(b"\n", begin, first) + 1, begin), after
            begin = after

    def _entry(self, raw: bytes, number: int, position: int, changed: float, of_any: bool = False) -> "Optional[Entry]":
        """Return a line as an entry, None if it is not sshd's.

        of_any: for a line that is not sshd's, return an entry with only the time and the cursor
        """
        line = raw[:-1].lstrip(b"\0")
        cursor = f"{number}:{position}:{len(raw[-LONGEST_KEPT_BYTES:])}:{_print(raw)}"
        text = line.decode("utf-8", "backslashreplace")
        found = sshd_log.match(text, self.names)
        at = self._stamp(found.group("time"), changed) if found else None
        if found and at is not None:
            entry = Entry(at, int(found.group("pid")), found.group("message"), text, cursor)
            entry.is_local = not found.group("time")[0].isdigit()
            entry.host, entry.name = found.group("host"), found.group("name")
            return entry
        if UNREADABLE.search(line):
            self._note_form()
        stamp = re.match(sshd_log.TIME, text) if of_any else None
        at = self._stamp(stamp.group("time"), changed) if stamp else None
        return None if at is None else Entry(at, 0, "", "", cursor)

    def _note_form(self) -> None:
        why = f"{self.name} has logins in a form that the audit can't read"
        if why not in self.unreadable:
            self.unreadable.append(why)

    def _stamp(self, text: str, changed: float) -> "Optional[float]":
        """Return the result of sshd_log.stamp, cached for each minute."""
        is_iso = text[0].isdigit()
        minute, second, rest = (text[:17], text[17:19], text[19:]) if is_iso else (text[:13], text[13:15], "")
        zone = rest.lstrip(".0123456789")
        passed = second + rest[: len(rest) - len(zone)]
        if self._minute[:2] != (minute, zone) or not SECONDS.match(passed):
            at = sshd_log.stamp(text, changed)
            if at is not None and SECONDS.match(passed):
                self._minute = minute, zone, at - float(passed)
            return at
        return self._minute[2] + float(passed)


def _print(raw: bytes) -> int:
    return binascii.crc32(raw[-LONGEST_KEPT_BYTES:])


def _is_at(file: "File", cursor: str) -> bool:
    """Return whether a cursor belongs to this file. The inode can be reused, and the file can be truncated."""
    words = cursor.split(":")
    if len(words) != 4 or not all(word.isdecimal() for word in words) or int(words[0]) != file[0]:
        return False
    position, length, said = map(int, words[1:])
    if position == 0:
        return True
    try:
        with _opened(file[2]) as opened:
            opened.seek(max(position - min(length, LONGEST_KEPT_BYTES), 0))
            return _print(opened.read(min(length, LONGEST_KEPT_BYTES))) == said
    except (OSError, EOFError, ValueError, ImportError):
        return False


def _compression(path: str) -> str:
    """Return the module that opens a compressed file, "" for a plain one."""
    return COMPRESSIONS.get(os.path.splitext(path)[1], "")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _first_line(path: str) -> bytes:
    """Return the first line of a file, b"" if it has no time, so that other files can begin with it."""
    try:
        with _opened(path) as file:
            line: bytes = file.readline(CHUNK_BYTES)
    except (OSError, EOFError, ValueError, ImportError):
        return b""
    return line if line.endswith(b"\n") and STAMP.match(line.decode("utf-8", "replace")) else b""


def _opened(path: str) -> "Any":
    """Open a regular file that may be compressed. Raise OSError, or ValueError for a compression that Python lacks."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
        raise OSError("no regular file")
    module = _compression(path)
    if module:
        return __import__(module).open(path, "rb")  # Python can be built without these modules
    if path.endswith((".zst", ".lz4", ".Z")):
        raise ValueError("Python can't read this compression")
    return open(path, "rb")


def _begin(path: str, changed: float) -> "Optional[float]":
    """Return the time of the first line that has one, None if there is none in the first lines of the file."""
    try:
        with _opened(path) as file:
            for _number in range(FIRST_LINES):
                text = file.readline(CHUNK_BYTES).lstrip(b"\0").decode("utf-8", "replace")
                stamp = STAMP.match(text)
                at = sshd_log.stamp(stamp.group("time"), changed) if stamp else None
                if at is not None:
                    return at
    except (OSError, EOFError, ValueError, ImportError):
        pass
    return None


def here(names: "Iterable[str]" = ()) -> "Optional[History]":
    """Return the log of this host, None if none can be read. names: see History"""
    found = sshd_log.source()
    if found is None:
        return None
    return JournalHistory(names) if isinstance(found, sshd_log.Journal) else FileHistory(found.path, names)
