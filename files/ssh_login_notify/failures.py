# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often an address failed to log in, according to the journal, or else the log file of the auth facility.

sshd's lines are those of OpenSSH 7.4 to 10.x. All of these are logged by the monitor, as root, or through it:

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

What a person tried is counted: each refused password or answer is one attempt. Keys are not attempts: an agent offers
all the keys that it has, so a user's ordinary login begins with refused keys. A connection in which nothing else was
refused, and which did not lead to a login, is one attempt. `Failed none` is no attempt: it is how a client asks for the
methods. `Accepted key …` and `Accepted certificate …` are no logins: at LogLevel VERBOSE, sshd logs them even about a
key that the client only asks about (auth2-pubkeyfile.c).

A user's name can contain ` from 192.0.2.1 port 5`, so a line is read from its end. The text after `ssh2: ` can come
from a certificate, whose owner chooses it. A line that can be read in two ways does not count.

If the log is a file (sshd_log.py), a local user can add false attempts from any address. That can make a login heavier
than it is, but never lighter, because no line removes attempts. A user who floods the log can push lines out of the
part that is read. So each number is a lower bound.
"""

import ipaddress
import re
import time
from collections import deque

from . import sshd_lines, sshd_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, Iterable, Optional, Tuple

    from .sshd_log import Line

# How long before a login an attempt counts.
BEFORE_SECONDS = 600
# A login after at least this many attempts is heavy (the weight `failures`). A person who mistypes a password has three
# attempts in one connection, six at most (MaxAuthTries), and seldom makes a second connection: fewer than ten need not
# be guesses.
HEAVY_FROM = 10
# How long reading the log before a login can take, and how long reading a whole day of it.
READ_SECONDS = 0.8
DAY_READ_SECONDS = 10.0
# How much is read at once: some 8000 lines of the journal, or some 40000 lines of a file.
MOST_BYTES = 1 << 22
DAY_BYTES = 1 << 26
# How many lines and how many addresses are kept.
MOST_EVENTS = 20000
MOST_ADDRESSES = 1000
# When alerts are late, this much more is read at once, because the next alerts need it.
AHEAD_SECONDS = 60
# How long a line can take to get into the log.
LAG_SECONDS = 0.5
# Nothing is read for logins that are older, or further in the future.
OLDEST_SECONDS = 7 * 86400
SKEW_SECONDS = 60

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
# These methods are not attempts of a person.
NO_ATTEMPTS = ("none",)
KEYS = ("publickey", "hostbased")


def same(address: str) -> "Optional[str]":
    """Return an address in a form that can be compared, None if it is not one.

    An IPv4 address in IPv6 form becomes the IPv4 address.
    """
    plain, percent, zone = address.partition("%")
    try:
        found: Any = ipaddress.ip_address(plain)
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found) + percent + zone


# -- parsing the lines -------------------------------------------------------------------------------------------------


def meaning(message: str) -> "Optional[Tuple[str, str]]":
    """Return what a line of sshd means: one of the kinds above, and the address, "" if the line has none."""
    if sshd_lines.accepted(message):
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
    """The failed attempts in the lines that were read."""

    def __init__(self) -> None:
        # Time, pid, kind and address. If there are too many, the oldest are dropped.
        self._events: Deque[Tuple[float, int, str, str]] = deque(maxlen=MOST_EVENTS)
        self._addresses: Dict[int, str] = {}

    def add(self, lines: "Iterable[Line]") -> None:
        """Add the attempts in these lines."""
        for at, pid, message in sorted(lines, key=lambda line: line[0]):
            found = meaning(message)
            if found:
                kind, named = found
                # With `UseDNS yes`, PAM's line has a name. Then use the address from an earlier line of the process.
                address = (same(named) if named else None) or self._addresses.get(pid)
                if address:
                    self._addresses[pid] = address
                    self._events.append((at, pid, kind, address))

    def forget(self, before: float) -> None:
        """Forget everything before that time."""
        self._events = deque((event for event in self._events if event[0] >= before), maxlen=MOST_EVENTS)
        self._addresses = {pid: address for _at, pid, _kind, address in self._events}

    def count(self, since: float, until: float, only: str = "") -> "Dict[str, int]":
        """Return how many attempts came from each address in that period, both ends included.

        only: ignore all other addresses
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
    """Return how many attempts one connection made. counts: how many lines of each kind it has in the log"""
    # For one wrong answer PAM logs a line, and at some log levels sshd logs another one.
    refused = counts.get(PASSWORD, 0) + max(counts.get(KEYBOARD, 0), counts.get(PAM, 0))
    return refused or int(SIGN in counts and ACCEPTED not in counts)


# -- reading the log ---------------------------------------------------------------------------------------------------


class Log:
    """The log of this host, and the part of it that was read. Needs root."""

    def __init__(self) -> None:
        self._source: Optional[Any] = None
        self._attempts = Attempts()
        # The period that was read.
        self._since = self._until = 0.0

    def before(self, address: str, at: float) -> "Optional[int]":
        """Return how many attempts came from an address in the ten minutes before a time, None if unknown."""
        now, wanted = time.time(), same(address)
        if wanted is None or not now - OLDEST_SECONDS < at < now + SKEW_SECONDS:
            return None
        since = at - BEFORE_SECONDS
        # If many users log in at the same time, reading once serves all of them.
        if not (self._since <= since and at + LAG_SECONDS <= self._until) and not self._read(since, at, now):
            return None
        return self._attempts.count(since, at, wanted).get(wanted, 0)

    def _read(self, since: float, at: float, now: float) -> bool:
        """Read the part of a period that has not been read yet. Return False if the log can't be read."""
        if not self._since <= since <= self._until:
            self._source, self._attempts, self._since, self._until = sshd_log.source(), Attempts(), since, 0.0
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
            self._until = 0.0  # failed, or too slow to prove anything: the next request reads again
            return False
        self._attempts.forget(since - AHEAD_SECONDS)
        self._attempts.add(lines)
        self._since, self._until = max(self._since, since - AHEAD_SECONDS), until
        return True


def counted(since: float) -> "Optional[Dict[str, int]]":
    """Return how many attempts each address made since a time, the most first; None if unknown. Needs root.

    If the log is very long, only its newest part is read. If there are many addresses, only those with the most
    attempts are returned.
    """
    found, now = sshd_log.source(), time.time()
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
