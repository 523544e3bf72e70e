# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's lines in the system's log: in the journal, or without one in the file of the auth facility.

In the journal, `_UID`, `_EXE` and `_TRANSPORT` come from the kernel and from journald (systemd.journal-fields(7)), so
lines of logger(1) are ignored. sshd logs with LOG_PID (log.c, do_log), so the pid in a line is its own. A file has no
such fields, and a local user can add lines to it that look like sshd's.
"""

import calendar
import json
import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

    # The time (seconds since the epoch), the pid, and the message.
    Line = Tuple[float, int, str]

JOURNALCTL = ("/usr/bin/journalctl", "/bin/journalctl")
MACHINE_ID = "/etc/machine-id"
FIELDS = (
    "MESSAGE,MESSAGE_ID,SYSLOG_IDENTIFIER,SYSLOG_PID,_COMM,_EXE,_PID,_SOURCE_REALTIME_TIMESTAMP,_SYSTEMD_CGROUP,"
    "_SYSTEMD_UNIT,_TRANSPORT,_UID"
)
# journald's own entry about messages that it has dropped (sd-messages.h, SD_MESSAGE_JOURNAL_DROPPED). Older versions
# write the path of the unit's control group instead of the unit.
DROPPED_ID = "a596d6fe7bfa4994828e72309e95d61e"
DROPPED = re.compile(r"Suppressed (?P<count>[0-9]{1,9}) messages from (?:/\S*/)?(?P<unit>[^/\s]+)\Z")
# The usual services of sshd, including those for connections that a socket accepts (systemd-ssh-generator(8)), but not
# autossh, sshguard or ssh-agent. See suppressed.is_sshds for other names.
OF_SSHD = re.compile(r"(?:ssh|sshd|sshd-[^@]*)(?:@.*)?[.]service\Z")
JOURNALS = ("/run/log/journal", "/var/log/journal")
# The names under which sshd logs: its own, its parts' since OpenSSH 9.8 and 10.0, and that of Alpine's sshd with PAM.
NAMES = ("sshd", "sshd-session", "sshd-auth", "sshd.pam")
# The arguments of journalctl for their lines.
MATCHES = ("_UID=0", "_TRANSPORT=syslog", *(f"SYSLOG_IDENTIFIER={name}" for name in NAMES))
# Debian and Ubuntu; RHEL and Fedora; Alpine and SUSE.
LOG_FILES = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages")
# No relevant log line is longer. If a command prints more without a line end, reading stops.
LONGEST_LINE_BYTES = 1 << 20

# A line of a file, with the time as in RFC 3164 or RFC 3339. BusyBox writes the facility after the host.
TIME = r"(?P<time>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\S*)"
LINE = re.compile(
    TIME + r" (?P<host>\S+) (?:[a-z0-9]+\.[a-z]+ )?(?P<name>[^][\s:]+)\[(?P<pid>[0-9]{1,9})\]: (?P<message>.*)\Z", re.S
)
# The form of RFC 5424, which rsyslog calls RSYSLOG_SyslogProtocol23Format. sshd writes no structured data.
PROTOCOL_23 = re.compile(
    r"<[0-9]{1,3}>1 " + TIME + r" (?P<host>\S+) (?P<name>\S+) (?P<pid>[0-9]{1,9}) \S+ (?:-|\[.*?\]) ?(?:\ufeff)?"
    r"(?P<message>.*)\Z",
    re.S,
)
ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?P<part>\.[0-9]+)?"
    r"(?:Z|(?P<sign>[+-])(?P<h>[0-9]{2}):?(?P<m>[0-9]{2}))\Z"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Journal:
    """systemd's journal, read by journalctl(1). Each read continues where the last one ended."""

    def __init__(self) -> None:
        self._cursor = ""

    @staticmethod
    def is_here() -> bool:
        """Return whether this host has a readable journal. Root owns it, so reading it takes no capability."""
        try:
            with open(MACHINE_ID, encoding="ascii") as file:
                machine = file.read().strip()
        except (OSError, ValueError):
            return False
        found = any(os.access(f"{place}/{machine}/system.journal", os.R_OK) for place in JOURNALS)
        return found and journalctl() != ""

    def lines(self, since: float, until: float, most: int, deadline: float) -> "Iterator[Line]":
        """Yield the lines since a time, from the second call on only new ones; see output for the limits."""
        where = [f"--after-cursor={self._cursor}"] if self._cursor else [f"--since=@{int(since)}", "--reverse"]
        matches = [f"--until=@{int(until) + 1}", *MATCHES]
        is_first, newest = not self._cursor, ""
        for raw in entries([*where, *matches], FIELDS, most, deadline):
            cursor, line = journal_entry(raw)
            # With --reverse, the newest entry comes first.
            newest = (newest or cursor) if is_first else (cursor or newest)
            if line:
                yield line
        self._cursor = newest or self._cursor


def journalctl() -> str:
    """Return the path of journalctl(1), "" if there is none."""
    return next((path for path in JOURNALCTL if os.access(path, os.X_OK)), "")


def entries(words: "Sequence[str]", fields: str, most: int, deadline: float) -> "Iterator[bytes]":
    """Yield the journal's entries as JSON, one per line; see output for the limits. Raise OSError.

    words: arguments of journalctl. fields: the wanted fields, besides the cursor and the times. Before systemd 236
    (Amazon Linux 2 has 219), journalctl lacks this option, and prints all fields.
    """
    for options in ([f"--output-fields={fields}"], []):
        is_empty = True
        command = [journalctl(), "--quiet", "--no-pager", "--output=json", *options, *words]
        try:
            for raw in output(command, most, deadline):
                is_empty = False
                yield raw
        except OSError:
            if not (options and is_empty):
                raise
        else:
            return


def journal_entry(raw: bytes) -> "Tuple[str, Optional[Line]]":
    """Return an entry's cursor, and its line, or None if it is not sshd's own."""
    fields = of_json(raw)
    return str(fields.get("__CURSOR", "")), of_journal(fields)


def of_json(raw: bytes) -> "Dict[str, Any]":
    """Return the fields of an entry in JSON. Empty if it can't be parsed."""
    try:
        fields = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def of_journal(fields: "Dict[str, Any]", names: "Sequence[str]" = ()) -> "Optional[Line]":
    """Return the line of an entry, None if it is not sshd's own. names: more program names of sshd"""
    try:
        message = fields["MESSAGE"]
        if isinstance(message, list):  # the message is not UTF-8, or has a control character
            message = bytes(message).decode("utf-8", "backslashreplace")
        at = fields.get("_SOURCE_REALTIME_TIMESTAMP") or fields["__REALTIME_TIMESTAMP"]
        line = (int(at) / 1e6, int(fields["_PID"]), str(message))
    except (ValueError, LookupError, TypeError):
        return None
    if not _is_sshds(fields, names):
        return None
    return line


def _is_sshds(fields: "Dict[str, Any]", names: "Sequence[str]") -> bool:
    if fields.get("_UID") != "0" or fields.get("_TRANSPORT") != "syslog":
        return False
    # A pid that logger(1) was told to write is hardly ever its own, and sshd always writes its pid.
    if fields.get("SYSLOG_PID") != fields["_PID"]:
        return False
    # journald reads the executable of a process from /proc, and may get its last lines after it has ended. Without
    # CAP_SYS_PTRACE, as in many containers, journald can read only the process's name.
    name = os.path.basename(str(fields.get("_EXE") or fields.get("_COMM") or "sshd")).replace(" (deleted)", "")
    return "sshd" in name or name in names


def output(words: "List[str]", most: int, deadline: float) -> "Iterator[bytes]":
    """Yield the lines that a command prints. Raise OSError if the command fails.

    most: the number of bytes that are read. deadline: a value of time.monotonic(), at which reading stops
    """
    import select  # not loaded until a log is read
    import subprocess

    silent = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603
        words, stdin=silent, stdout=subprocess.PIPE, stderr=silent, env={"LC_ALL": "C"}, bufsize=0
    ) as process:
        rest = b""
        try:
            while process.stdout and most > 0 and len(rest) < LONGEST_LINE_BYTES:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                    break
                read = process.stdout.read(min(most, 1 << 16))
                if not read:
                    if process.wait():
                        raise OSError(f"{words[0]} has failed")
                    return
                most -= len(read)
                lines = (rest + read).split(b"\n")
                rest = lines.pop()
                yield from lines
        finally:
            process.kill()  # also if the caller stops reading: journalctl may search for long before it writes again


class LogFile:
    """The end of a syslog daemon's file. Each read continues where the last one ended."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._inode = 0
        self._position = 0

    def lines(self, _since: float, _until: float, most: int, deadline: float) -> "Iterator[Line]":
        """Yield the new lines since the last call, or at first the end of the file. most: the bytes that are read"""
        now = time.time()
        with open(self.path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            end = max(status.st_size - most, 0)
            is_known = status.st_ino == self._inode and end <= self._position <= status.st_size
            start = self._position if is_known else end
            file.seek(start)
            read = file.read(most) or b""
        whole = read[: read.rfind(b"\n") + 1]
        self._inode, self._position = status.st_ino, start + len(whole)
        # The first line may be incomplete.
        for raw in whole.split(b"\n")[int(start > 0 and not is_known) :]:
            if b"sshd" in raw:
                line = of_file(raw.decode("utf-8", "backslashreplace"), now)
                if line:
                    yield line
                if time.monotonic() > deadline:
                    return


def of_file(text: str, now: float) -> "Optional[Line]":
    """Return a line of a log file, parsed; None if it is not sshd's."""
    found = match(text)
    at = stamp(found.group("time"), now) if found else None
    return (at, int(found.group("pid")), found.group("message")) if found and at is not None else None


def match(text: str, names: "Sequence[str]" = NAMES) -> "Optional[Any]":
    """Match a line of sshd: the groups are time, host, name, pid and message. Return None for any other line."""
    found = LINE.match(text) or (PROTOCOL_23.match(text) if text.startswith("<") else None)
    return found if found and found.group("name") in names else None


def stamp(text: str, now: float) -> "Optional[float]":
    """Return a time in one of the two forms, in seconds since the epoch; None if it is invalid.

    now: the reference for a time without a year
    """
    try:
        return iso_time(text) if text[0].isdigit() else local_time(text, now)
    except (ValueError, OverflowError):
        return None


def iso_time(text: str) -> float:
    """Return a time of RFC 3339, in seconds since the epoch. Raise ValueError."""
    found = ISO.match(text)
    if not found:
        raise ValueError("not as RFC 3339 has it")
    seconds = calendar.timegm((*map(int, found.group(1, 2, 3, 4, 5, 6)), 0, 0, 0))
    east = 60 * (60 * int(found.group("h") or 0) + int(found.group("m") or 0))
    return seconds + float(found.group("part") or 0) - (-east if found.group("sign") == "-" else east)


def local_time(text: str, now: float) -> float:
    """Return a time without a year, in the host's zone: the latest that is at most a day ahead. Raise ValueError."""
    month, day = MONTHS.index(text[:3]) + 1, int(text[4:6])
    clock = (int(text[7:9]), int(text[10:12]), int(text[13:15]))
    this_year = time.localtime(now).tm_year
    # Next year's if `now`, the last change of a file, is from before midnight, and the line from after it.
    times = (time.mktime((year, month, day, *clock, 0, 0, -1)) for year in (this_year + 1, this_year, this_year - 1))
    return next((at for at in times if at <= now + 86400), 0.0)


def source() -> "Optional[Any]":
    """Return the log that this host has, None if none can be read."""
    if Journal.is_here():
        return Journal()
    return next((LogFile(path) for path in LOG_FILES if os.path.isfile(path) and os.access(path, os.R_OK)), None)
