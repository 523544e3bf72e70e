# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on this host before: each user's keys, networks and types of login, in state/memory.json.

A login is remembered only once its alert was delivered, or once a rule, a mute or a repeat has settled it. So an alert
that waits says `first` until somebody was told. It is judged by its own time: one that is late and older than all that
is known is the first.

The memory is bounded. What was not seen for longest goes first. One user has a tenth of it at most: whoever comes from
many networks makes the notifier forget networks of their own. What is forgotten counts as new: an alert too many, none
too few.

The service user can write to the file, so root uses nothing of it unchecked.
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

    # The user, the kind of thing, and the thing itself.
    Name = Tuple[str, str, str]

FILE = "memory.json"
VERSION = 1
KEY, NETWORK, TYPE = KINDS = ("key", "network", "type")
# What is remembered on a host, and of one user.
MOST = 6000
MOST_OF_A_USER = 600
# Longer names are remembered by their hash.
LONGEST = 120
# The file is read no further. An entry takes at most 6 bytes a character, and some 80 beside them.
LARGEST_BYTES = MOST * (2 * LONGEST * 6 + 80)
PASSWORDS = ("password", "keyboard-interactive", "keyboard-interactive/pam", "keyboard-interactive/bsdauth")


class Seen:
    """When something was seen first and last (seconds since the epoch), and how often."""

    __slots__ = ("count", "first", "last")

    def __init__(self, first: float, last: float, count: int) -> None:
        self.first, self.last, self.count = first, last, count

    def add(self, at: float) -> None:
        """Count it once more."""
        self.first, self.last, self.count = min(self.first, at), max(self.last, at), self.count + 1


class Memory:
    """since: when it begins (seconds since the epoch); it knows nothing of what was before."""

    def __init__(self, spool: "Spool") -> None:
        """Load it. A file that is missing or damaged is an empty memory, which begins now."""
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
        """Return what was never seen of this user before this login: by kind, the things; empty if all was.

        people: the entries of the map of people. before: earlier logins that are told in the same message
        """
        known = {name for other in before if other["time"] <= alert["time"] for name in names(other, people)}
        found: Dict[str, List[str]] = {}
        for name in names(alert, people):
            seen = self._seen.get(_bounded(name))
            if name not in known and (seen is None or alert["time"] < seen.first):
                found.setdefault(name[1], []).append(name[2])
        return found

    def knows(self, user: str) -> bool:
        """Tell whether this user has logged in before."""
        return any(name[0] == _short(user) for name in self._seen)

    def prefers_keys(self, user: str) -> bool:
        """Tell whether most of a user's logins were made with a key."""
        counts = {True: 0, False: 0}
        for (owner, kind, thing), seen in self._seen.items():
            if owner == _short(user) and kind == KEY and (thing.startswith("SHA256:") or thing in PASSWORDS):
                counts[thing.startswith("SHA256:")] += seen.count
        return counts[True] > counts[False]

    def keys(self) -> "List[Dict[str, Any]]":
        """Return the keys that were used: `user`, `key`, `first` and `last` (seconds since the epoch), `count`."""
        return [
            {"user": user, "key": key, "first": seen.first, "last": seen.last, "count": seen.count}
            for (user, kind, key), seen in sorted(self._seen.items())
            if kind == KEY and key.startswith("SHA256:")
        ]

    def remember(self, alert: "Alert", people: "Iterable[str]") -> None:
        """Remember a login that is settled. What is new is saved at once, a repetition by `keep`."""
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
        """Save what is not saved yet."""
        if self._is_kept:
            return
        seen = [[*name, one.first, one.last, one.count] for name, one in self._seen.items()]
        contents = json.dumps({"version": VERSION, "since": self.since, "seen": seen}).encode("ascii")
        try:
            self._spool.write("state", FILE, contents, ALERT_MODE)
            self._is_kept = True
        except OSError as error:  # such as a full disk: the next login counts as a first one once more
            trouble(f"The memory of earlier logins could not be saved: {error}.")

    def _forget_of(self, user: str) -> None:
        """Keep to the limits, after something of a user's was added."""
        own = [name for name in self._seen if name[0] == user]
        if len(own) > MOST_OF_A_USER:
            del self._seen[min(own, key=lambda name: self._seen[name].last)]
        if len(self._seen) > MOST:
            del self._seen[min(self._seen, key=lambda name: self._seen[name].last)]


def names(alert: "Alert", people: "Iterable[str]") -> "Iterator[Name]":
    """Yield all that is remembered of a login. Of a service that is not sshd's nothing but its type is known."""
    if alert["type"] != PAM_SESSION:
        for key in identity.keys_over_time(alert, people):
            yield alert["user"], KEY, key
    yield alert["user"], NETWORK, identity.network_of(alert)
    # Where it is not certain what a login was, its type is neither a first one nor remembered: a busy host sees less.
    login_type = plain(alert["type"])
    if login_type not in UNCERTAIN:
        yield alert["user"], TYPE, COMMAND if login_type == COMMAND_OVER else login_type


def _bounded(name: "Name") -> "Name":
    user, kind, thing = name
    return _short(user), kind, _short(thing)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _entry(kept: "Any") -> "Tuple[Name, Seen]":
    """Return an entry of the file; raise ValueError for what is none."""
    user, kind, thing, first, last, count = kept
    texts = [text for text in (user, thing) if isinstance(text, str) and printable(text, LONGEST + 1) == text]
    if len(texts) < 2 or kind not in KINDS or not (is_number(first) and is_number(last) and is_number(count)):
        raise ValueError("an entry is damaged")
    return (user, kind, thing), Seen(first, last, int(count))
