# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often an address has failed to log in, by the system's own log: the journal, else the file of the auth facility.

sshd's lines are those of OpenSSH 7.4 to 10.x (all log what follows in the monitor, as root, or through it):

    Failed password for [invalid user ]USER from ADDRESS port PORT ssh2           auth.c, auth_log
    Failed keyboard-interactive/pam for USER from ADDRESS port PORT ssh2          the same; often at LogLevel VERBOSE
    Failed publickey for USER from ADDRESS port PORT ssh2: ED25519 SHA256:…       the same
    error: PAM: Authentication failure for [illegal user ]USER from ADDRESS       auth-pam.c, sshpam_query
    error: maximum authentication attempts exceeded for [invalid user ]USER from ADDRESS port PORT ssh2 [preauth]
    Invalid user USER from ADDRESS port PORT                                      auth.c, getpwnamallow
    Connection closed by authenticating user USER ADDRESS port PORT [preauth]     packet.c, sshpkt_vfatal; 7.6 and later
    Connection reset by invalid user USER ADDRESS port PORT [preauth]
    Disconnected from authenticating user USER ADDRESS port PORT [preauth]
    Accepted publickey for USER from ADDRESS port PORT ssh2: ED25519 SHA256:…

What counts is what somebody has tried. Each refused password or answer is one attempt. Keys are not: an agent offers
all that it has, and a user's own login begins so. A connection in which nothing else was refused, and that let nobody
in, is one attempt. `Failed none` is none: it is how a client asks for the methods.

A user's name may hold ` from 192.0.2.1 port 5`, so a line is read from its end. Behind `ssh2: ` stands what a
certificate says, which its owner chooses; a line that can be read in two ways does not count.

Whose words they are: in the journal, `_UID` and `_EXE` come from the kernel (systemd.journal-fields(7)), so lines of
logger(1) do not count. A file has no such fields: there, a local user can add attempts that were none, of any address.
That makes a login heavier than it is, and never lighter, as no line takes attempts away. Whoever floods the log can
push the lines out of the part that is read. So a number is always a least one.
"""

import calendar
import ipaddress
import json
import os
import re
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

    # When it was (seconds since the epoch), the process that said it, and what it said.
    Line = Tuple[float, int, str]

# How long before a login attempts count.
BEFORE_SECONDS = 600
# From so many on a login is heavy (the weight `failures`). A person who mistypes a password has three tries in one
# connection, six at most (MaxAuthTries), and seldom a second connection: below ten nobody needs to have guessed.
HEAVY_FROM = 10
# How long a look into the log may take, and one at a whole day of it.
READ_SECONDS = 0.8
DAY_READ_SECONDS = 10.0
# How much is read at once: of the journal some 8000 lines, of a file some 40000.
MOST_BYTES = 1 << 22
DAY_BYTES = 1 << 26
# How many lines and how many addresses are kept.
MOST_EVENTS = 20000
MOST_ADDRESSES = 1000
# When alerts are late, so much more is read at once: the next alerts need it.
AHEAD_SECONDS = 60
# How long a line may be on its way into the log.
LAG_SECONDS = 0.5
# Nobody asks for what is older, or for the future.
OLDEST_SECONDS = 7 * 86400
SKEW_SECONDS = 60

JOURNALCTL = ("/usr/bin/journalctl", "/bin/journalctl")
MACHINE_ID = "/etc/machine-id"
FIELDS = "--output-fields=MESSAGE,_PID,_EXE,_UID,_TRANSPORT,_SOURCE_REALTIME_TIMESTAMP"
JOURNALS = ("/run/log/journal", "/var/log/journal")
# What is said by these names; sshd's own since OpenSSH 9.8, and that of Alpine's sshd with PAM.
NAMES = ("sshd", "sshd-session", "sshd.pam")
# Debian and Ubuntu; RHEL and Fedora; Alpine and SUSE.
LOG_FILES = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages")

PASSWORD, KEYBOARD, PAM, SIGN, ACCEPTED = "password", "keyboard", "pam", "sign", "accepted"
ORIGIN = r"(?P<address>[0-9A-Fa-f.:]+(?:%\S+)?)"
FAILED = re.compile(r"Failed (?P<method>\S+) for .* from " + ORIGIN + r" port [0-9]+ ssh2(?P<more>: .*)?\Z", re.S)
TWICE = re.compile(r" from \S+ port [0-9]+ ssh2")
OF_PAM = re.compile(r"error: PAM: [A-Z][^:]* for .* from (?P<address>\S+)\Z", re.S)
SIGNS = (
    re.compile(r"Invalid user .* from " + ORIGIN + r"(?: port [0-9]+)?\Z", re.S),
    re.compile(
        r"(?:Connection (?:closed|reset) by|Disconnected from) (?:authenticating|invalid) user .* "
        + ORIGIN
        + r" port [0-9]+ \[preauth\]\Z",
        re.S,
    ),
    re.compile(
        r"error: maximum authentication attempts exceeded for .* from " + ORIGIN + r" port [0-9]+ ssh2 \[preauth\]\Z",
        re.S,
    ),
)
# These are no attempts of a person's.
NO_ATTEMPTS = ("none",)
KEYS = ("publickey", "hostbased")

# A line of a file, with a traditional time (RFC 3164) or that of RFC 3339; BusyBox writes the facility behind the host.
TIME = r"(?P<time>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\S*)"
NAME = "|".join(map(re.escape, NAMES))
LINE = re.compile(TIME + r" \S+ (?:[a-z0-9]+\.[a-z]+ )?(?:" + NAME + r")\[(?P<pid>[0-9]{1,9})\]: (?P<message>.*)\Z")
ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?P<part>\.[0-9]+)?"
    r"(?:Z|(?P<sign>[+-])(?P<h>[0-9]{2}):?(?P<m>[0-9]{2}))\Z"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def same(address: str) -> "Optional[str]":
    """Return an address as it compares: an IPv4 address in IPv6 form is the IPv4 address; None for what is none."""
    plain, percent, zone = address.partition("%")
    try:
        found: Any = ipaddress.ip_address(plain)
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found) + percent + zone


# -- what the lines say -----------------------------------------------------------------------------------------------


def meaning(message: str) -> "Optional[Tuple[str, str]]":
    """Return what a line of sshd's says: one of the kinds above, and the address, empty if it names none."""
    if message.startswith("Accepted "):
        return ACCEPTED, ""
    failed = FAILED.match(message)
    if failed:
        method = failed.group("method")
        if method in NO_ATTEMPTS or (failed.group("more") and len(TWICE.findall(message)) > 1):
            return None
        kind = SIGN if method in KEYS else KEYBOARD if method.startswith("keyboard-interactive") else PASSWORD
        return kind, failed.group("address")
    found = OF_PAM.match(message)
    if found:
        return PAM, found.group("address")
    for sign in SIGNS:
        found = sign.match(message)
        if found:
            return SIGN, found.group("address")
    return None


class Attempts:
    """What is known of failed attempts."""

    def __init__(self) -> None:
        # Time, pid, kind and address. Of too many, the newest stay.
        self._events: Deque[Tuple[float, int, str, str]] = deque(maxlen=MOST_EVENTS)
        self._addresses: Dict[int, str] = {}

    def add(self, lines: "Iterable[Line]") -> None:
        """Take in what lines say."""
        for at, pid, message in sorted(lines, key=lambda line: line[0]):
            found = meaning(message)
            if found:
                kind, named = found
                # With `UseDNS yes` PAM's line has a name: then it is the address that the process has named before.
                address = (same(named) if named else None) or self._addresses.get(pid)
                if address:
                    self._addresses[pid] = address
                    self._events.append((at, pid, kind, address))

    def forget(self, before: float) -> None:
        """Forget what was before that time."""
        self._events = deque((event for event in self._events if event[0] >= before), maxlen=MOST_EVENTS)
        self._addresses = {pid: address for _at, pid, _kind, address in self._events}

    def count(self, since: float, until: float, only: str = "") -> "Dict[str, int]":
        """Return how many attempts came from each address in that time, both ends included.

        only: look at no other address
        """
        kinds: Dict[Tuple[str, int], Dict[str, int]] = {}
        for at, pid, kind, address in self._events:
            if since <= at <= until and (not only or address == only):
                counts = kinds.setdefault((address, pid), {})
                counts[kind] = counts.get(kind, 0) + 1
        found: Dict[str, int] = {}
        for (address, _pid), counts in kinds.items():
            found[address] = found.get(address, 0) + _attempts(counts)
        return found


def _attempts(counts: "Dict[str, int]") -> int:
    """Return how many attempts one connection made, by how many lines of each kind it has left."""
    # For one wrong answer, PAM has a line, and sshd another one at some levels.
    refused = counts.get(PASSWORD, 0) + max(counts.get(KEYBOARD, 0), counts.get(PAM, 0))
    return refused or int(SIGN in counts and ACCEPTED not in counts)


# -- where they are read ----------------------------------------------------------------------------------------------


class Journal:
    """systemd's journal, read by journalctl(1) from where the last look ended."""

    def __init__(self) -> None:
        self._cursor = ""

    @staticmethod
    def is_here() -> bool:
        """Tell whether there is a journal of this host that can be read. Root owns it: that takes no capability."""
        try:
            with open(MACHINE_ID, encoding="ascii") as file:
                machine = file.read().strip()
        except (OSError, ValueError):
            return False
        found = any(os.access(f"{place}/{machine}/system.journal", os.R_OK) for place in JOURNALS)
        return found and journalctl() != ""

    def lines(self, since: float, until: float, most: int, deadline: float) -> "Iterator[Line]":
        """Yield the lines of a time, after a first look those that have come since; see output for the limits."""
        where = [f"--after-cursor={self._cursor}"] if self._cursor else [f"--since=@{int(since)}", "--reverse"]
        words = [
            journalctl(), "--quiet", "--no-pager", "--output=json", FIELDS, f"--until=@{int(until) + 1}", *where,
            "_UID=0", "_TRANSPORT=syslog", *(f"SYSLOG_IDENTIFIER={name}" for name in NAMES),
        ]  # fmt: skip
        is_first, newest = not self._cursor, ""
        for raw in output(words, most, deadline):
            cursor, line = _entry(raw)
            # The other way round, the newest comes first.
            newest = (newest or cursor) if is_first else (cursor or newest)
            if line:
                yield line
        self._cursor = newest or self._cursor


def journalctl() -> str:
    """Return the path of journalctl(1), "" if there is none."""
    return next((path for path in JOURNALCTL if os.access(path, os.X_OK)), "")


def _entry(raw: bytes) -> "Tuple[str, Optional[Line]]":
    """Return an entry's cursor, and what it says if it is sshd's own."""
    try:
        entry = json.loads(raw.decode("utf-8"))
        cursor = str(entry["__CURSOR"])
        message = entry["MESSAGE"]
        if isinstance(message, list):  # not UTF-8, or with a control character
            message = bytes(message).decode("utf-8", "backslashreplace")
        at = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]
        line = (int(at) / 1e6, int(entry["_PID"]), str(message))
    except (ValueError, LookupError, TypeError):
        return "", None
    # journald reads the file of a process from /proc, and the last lines of one may come when it is gone.
    name = os.path.basename(str(entry.get("_EXE") or "sshd")).replace(" (deleted)", "")
    is_sshds = entry.get("_UID") == "0" and entry.get("_TRANSPORT") == "syslog" and "sshd" in name
    return cursor, line if is_sshds else None


def output(words: "List[str]", most: int, deadline: float) -> "Iterator[bytes]":
    """Yield the lines that a command prints, as many as there are in so many bytes, and until the deadline.

    deadline: of time.monotonic(). Raise OSError where the command fails.
    """
    import select  # nobody who asks for nothing loads these
    import subprocess

    silent = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603
        words, stdin=silent, stdout=subprocess.PIPE, stderr=silent, env={"LC_ALL": "C"}, bufsize=0
    ) as process:
        rest = b""
        while process.stdout and most > 0:
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
        process.kill()


class LogFile:
    """The end of a file that a syslog daemon writes, read from where the last look ended."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inode = 0
        self._position = 0

    def lines(self, _since: float, _until: float, most: int, deadline: float) -> "Iterator[Line]":
        """Yield the lines that have come since the last look, or the file's end; at most so many bytes."""
        now = time.time()
        with open(self._path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            end = max(status.st_size - most, 0)
            is_known = status.st_ino == self._inode and end <= self._position <= status.st_size
            start = self._position if is_known else end
            file.seek(start)
            read = file.read(most) or b""
        whole = read[: read.rfind(b"\n") + 1]
        self._inode, self._position = status.st_ino, start + len(whole)
        # The first line may have lost its beginning.
        for raw in whole.split(b"\n")[int(start > 0 and not is_known) :]:
            if b"sshd" in raw:
                line = of_file(raw.decode("utf-8", "backslashreplace"), now)
                if line:
                    yield line
                if time.monotonic() > deadline:
                    return


def of_file(text: str, now: float) -> "Optional[Line]":
    """Return what a line of a log file says, None if it is not sshd's."""
    found = LINE.match(text)
    if not found:
        return None
    try:
        at = _iso_time(found.group("time")) if found.group("time")[0].isdigit() else _time(found.group("time"), now)
    except (ValueError, OverflowError):
        return None
    return at, int(found.group("pid")), found.group("message")


def _iso_time(text: str) -> float:
    found = ISO.match(text)
    if not found:
        raise ValueError("not as RFC 3339 has it")
    seconds = calendar.timegm((*map(int, found.group(1, 2, 3, 4, 5, 6)), 0, 0, 0))
    east = 60 * (60 * int(found.group("h") or 0) + int(found.group("m") or 0))
    return seconds + float(found.group("part") or 0) - (-east if found.group("sign") == "-" else east)


def _time(text: str, now: float) -> float:
    """Return a time without a year, in the host's zone: the last that is not a day ahead."""
    month, day = MONTHS.index(text[:3]) + 1, int(text[4:6])
    clock = (int(text[7:9]), int(text[10:12]), int(text[13:15]))
    year = time.localtime(now).tm_year
    at = time.mktime((year, month, day, *clock, 0, 0, -1))
    return at if at <= now + 86400 else time.mktime((year - 1, month, day, *clock, 0, 0, -1))


class Log:
    """The log of this host, and what has been read of it. For root."""

    def __init__(self) -> None:
        self._source: Optional[Any] = None
        self._attempts = Attempts()
        # The time that was read.
        self._since = self._until = 0.0

    def before(self, address: str, at: float) -> "Optional[int]":
        """Return how many attempts came from an address in the ten minutes before a time; None if nothing tells it."""
        now, wanted = time.time(), same(address)
        if wanted is None or not now - OLDEST_SECONDS < at < now + SKEW_SECONDS:
            return None
        since = at - BEFORE_SECONDS
        # Many logins at once: one look serves them all.
        if not (self._since <= since and at + LAG_SECONDS <= self._until) and not self._read(since, at, now):
            return None
        return self._attempts.count(since, at, wanted).get(wanted, 0)

    def _read(self, since: float, at: float, now: float) -> bool:
        """Read what is not known yet of a time; return False where nothing tells it."""
        if not self._since <= since <= self._until:
            self._source, self._attempts, self._since, self._until = source(), Attempts(), since, 0.0
        if self._source is None:
            return False
        until = min(now, max(at, self._until) + AHEAD_SECONDS)
        deadline = time.monotonic() + READ_SECONDS
        try:
            lines = list(self._source.lines(since, until, MOST_BYTES, deadline))
        except OSError:
            lines = []
            deadline = 0.0
        if not lines and time.monotonic() > deadline:
            self._until = 0.0  # failed, or too slow to say anything: the next request looks again
            return False
        self._attempts.forget(since - AHEAD_SECONDS)
        self._attempts.add(lines)
        self._since, self._until = max(self._since, since - AHEAD_SECONDS), until
        return True


def source() -> "Optional[Any]":
    """Return what can be read on this host, None for nothing."""
    if Journal.is_here():
        return Journal()
    return next((LogFile(path) for path in LOG_FILES if os.path.isfile(path) and os.access(path, os.R_OK)), None)


def counted(since: float) -> "Optional[Dict[str, int]]":
    """Return how many attempts each address made since a time, the most first; None if nothing tells it. For root.

    Of a log that is very long, the newest part is read; and of many addresses, those that failed most are named.
    """
    found, now = source(), time.time()
    if found is None:
        return None
    attempts = Attempts()
    try:
        attempts.add(found.lines(since, now, DAY_BYTES, time.monotonic() + DAY_READ_SECONDS))
    except OSError:
        return None
    counts = attempts.count(since, now)
    most = sorted((address for address in counts if counts[address]), key=lambda address: -counts[address])
    return {address: counts[address] for address in most[:MOST_ADDRESSES]}
