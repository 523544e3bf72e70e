# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of earlier logins: each user's keys, networks and types of login, in state/memory.json.

A login is remembered once its alert was delivered, or once a rule, a mute or a repeat has settled it. So a waiting
alert counts as `first` until it is delivered. A login is judged by its own time: a late alert that is older than every
remembered login is a first one.

The memory is bounded. The entry that was last seen longest ago is dropped first. One user has at most a tenth of the
entries, so a user who logs in from many networks displaces only entries of their own. A dropped entry counts as new
when it comes again: that can cause an alert too many, but never one too few.

The service user can write to the file, so root checks everything that it reads from it.
"""

import hashlib
import json
import time

from . import identity
from .journal import trouble
from .login_types import COMMAND, COMMAND_OVER, PAM_SESSION, UNCERTAIN, plain
from .spool import ALERT_MODE
from .state import is_number
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Tuple

    from .alert import Alert
    from .spool import Spool

    # The user, the kind (one of KINDS), and the key, network or type itself.
    Name = Tuple[str, str, str]

FILE = "memory.json"
VERSION = 1
KEY, NETWORK, TYPE = KINDS = ("key", "network", "type")
# The most entries of a host, and of one user.
MOST = 6000
MOST_OF_A_USER = 600
# A longer name, in characters, is replaced by its hash.
LONGEST = 120
# The rest of a larger file is not read. An entry takes at most 6 bytes for each character, and about 80 more.
LARGEST_BYTES = MOST * (2 * LONGEST * 6 + 80)
PASSWORDS = ("password", "keyboard-interactive", "keyboard-interactive/pam", "keyboard-interactive/bsdauth")


class Seen:
    """When an entry was first and last seen (seconds since the epoch), and how often."""

    __slots__ = ("count", "first", "last")

    def __init__(self, first: float, last: float, count: int) -> None:
        self.first, self.last, self.count = first, last, count

    def add(self, at: float) -> None:
        """Count one more login."""
        self.first, self.last, self.count = min(self.first, at), max(self.last, at), self.count + 1


class Memory:
    """The memory of this host. since: when it begins, in seconds since the epoch; it has nothing from before."""

    def __init__(self, spool: "Spool") -> None:
        """Load it. If the file is missing or damaged, the memory is empty and begins now."""
        self._spool = spool
        self._seen: Dict[Name, Seen] = {}
        self._is_kept = True
        self.since = time.time()
        try:
            kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
            if kept["version"] != VERSION or not is_number(kept["since"]):
                raise ValueError("another version, or another time")
            self._seen = dict(map(_entry, kept["seen"]))
            self.since = kept["since"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            self._seen = {}
            trouble(f"The memory of earlier logins can't be read ({error!r}): every login counts as a first one again.")

    def news(self, alert: "Alert", people: "Iterable[str]", before: "Iterable[Alert]" = ()) -> "Dict[str, List[str]]":
        """Return the keys, networks and types that are new for this user, in a list for each kind that has any.

        people: the keys of the map of people. before: earlier logins in the same message
        """
        known = {name for other in before if other["time"] <= alert["time"] for name in names(other, people)}
        found: Dict[str, List[str]] = {}
        for name in names(alert, people):
            seen = self._seen.get(_bounded(name))
            if name not in known and (seen is None or alert["time"] < seen.first):
                found.setdefault(name[1], []).append(name[2])
        return found

    def knows(self, user: str) -> bool:
        """Return whether the memory has a login of this user."""
        return any(name[0] == _short(user) for name in self._seen)

    def prefers_keys(self, user: str) -> bool:
        """Return whether most of a user's logins were made with a key."""
        counts = {True: 0, False: 0}
        for (owner, kind, thing), seen in self._seen.items():
            if owner == _short(user) and kind == KEY and (thing.startswith("SHA256:") or thing in PASSWORDS):
                counts[thing.startswith("SHA256:")] += seen.count
        return counts[True] > counts[False]

    def keys(self) -> "List[Dict[str, Any]]":
        """Return the keys that were used: `user`, `key`, `first` and `last` (in seconds since the epoch), `count`."""
        return [
            {"user": user, "key": key, "first": seen.first, "last": seen.last, "count": seen.count}
            for (user, kind, key), seen in sorted(self._seen.items())
            if kind == KEY and key.startswith("SHA256:")
        ]

    def remember(self, alert: "Alert", people: "Iterable[str]") -> None:
        """Remember a settled login. A new entry is saved at once, a repeated one by the next call of `keep`."""
        is_new = False
        for name in map(_bounded, names(alert, people)):
            if name in self._seen:
                self._seen[name].add(alert["time"])
            else:
                is_new = True
                self._seen[name] = Seen(alert["time"], alert["time"], 1)
                self._forget_of(name[0])
        self._is_kept = False
        if is_new:
            self.keep()

    def keep(self) -> None:
        """Save the memory if it has changed since it was last saved."""
        if self._is_kept:
            return
        seen = [[*name, one.first, one.last, one.count] for name, one in self._seen.items()]
        contents = json.dumps({"version": VERSION, "since": self.since, "seen": seen}).encode("ascii")
        try:
            self._spool.write("state", FILE, contents, ALERT_MODE)
            self._is_kept = True
        except OSError as error:  # such as a full disk: the next login counts as a first one again
            trouble(f"The memory of earlier logins could not be saved: {error}.")

    def _forget_of(self, user: str) -> None:
        """Enforce the limits after an entry of a user was added."""
        own = [name for name in self._seen if name[0] == user]
        if len(own) > MOST_OF_A_USER:
            del self._seen[min(own, key=lambda name: self._seen[name].last)]
        if len(self._seen) > MOST:
            del self._seen[min(self._seen, key=lambda name: self._seen[name].last)]


def names(alert: "Alert", people: "Iterable[str]") -> "Iterator[Name]":
    """Yield the entries for a login. A login through another service than sshd has no key."""
    if alert["type"] != PAM_SESSION:
        for key in identity.keys_over_time(alert, people):
            yield alert["user"], KEY, key
    yield alert["user"], NETWORK, identity.network_of(alert)
    # An uncertain type is not remembered, and is never a first one: it depends on how busy the host was.
    login_type = plain(alert["type"])
    if login_type not in UNCERTAIN:
        yield alert["user"], TYPE, COMMAND if login_type == COMMAND_OVER else login_type


def _bounded(name: "Name") -> "Name":
    user, kind, thing = name
    return _short(user), kind, _short(thing)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _entry(kept: "Any") -> "Tuple[Name, Seen]":
    """Return an entry of the file. Raise ValueError or TypeError if it is damaged."""
    user, kind, thing, first, last, count = kept
    texts = [text for text in (user, thing) if isinstance(text, str) and printable(text, LONGEST + 1) == text]
    if len(texts) < 2 or kind not in KINDS or not (is_number(first) and is_number(last) and is_number(count)):
        raise ValueError("an entry is damaged")
    return (user, kind, thing), Seen(first, last, int(count))
