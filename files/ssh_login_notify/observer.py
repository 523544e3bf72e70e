# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observer: takes each capture in incoming/, and watches its connection until the type is clear.

The hook forks it, so it runs while the login continues. One per host takes the captures in incoming/. A hook that can't
store its capture in the spool starts another one for this capture alone. An observer ends after some seconds, when no
capture is left. It opens no network connection and reads no configuration. This process only watches, because a command
can be over within milliseconds. A child (finisher.py) builds the alert.
"""

import os
import time

from .capture import Capture
from .connection import Connection
from .finisher import Finisher
from .journal import trouble
from .login_types import INTERACTIVE, PAM_SESSION, SOMETHING_OVER, seriousness
from .processes import Processes, run_first, set_priority
from .spool import Lock, Spool, is_older

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Set, Tuple

    from .exits import Exits

# A connection that sshd serves and that opens nothing for this long counts as a tunnel.
TUNNEL_SECONDS = 3.0
# How long to wait until sshd serves the connection: the rest of the PAM stack (such as a slow motd) runs after the
# hook.
UNSERVED_SECONDS = 30.0
# The shortest pause during that wait: when sshd begins to serve, the client has not sent its request yet.
UNSERVED_PACE_SECONDS = 0.001
# A capture that is older than this is orphaned: its observer was killed.
ORPHAN_SECONDS = 60.0
# Up to each age of a connection, the seconds between two looks. Most sessions are clear after a few tenths of a second.
PACES = ((0.3, 0.0005), (1.0, 0.002), (TUNNEL_SECONDS, 0.005))
# For this long after the client opened a session, its program can start at any moment, and end two milliseconds later.
OPENING_SECONDS = 0.2
OPENING_PACE_SECONDS = 0.0002
# For this long after the first type was found, a more serious one replaces it.
SETTLING_SECONDS = 1.0
# The pause between two looks during that time. A program that starts and ends in between is noticed by its traces.
SETTLING_PACE_SECONDS = 0.05
# The pause between two looks into incoming/. A session appears 10 ms after its hook at the earliest.
LISTING_SECONDS = 0.004
# Sleep at least this many times as long as the last looks took, to use no more than half a processor.
REST_FACTOR = 1.0
# While a connection is younger than this, watching it takes precedence over all other work of the host. REST_FACTOR
# still applies.
YOUNG_SECONDS = 0.3
# Only up to this number of young connections: in a storm of logins, the host's own work must continue.
MOST_YOUNG = 4
# The nice value: a look takes a tenth of a millisecond, but must not come too late on a busy host.
NICE = -15


def main(unkept: "Dict[str, bytes]", exits: "Optional[Exits]" = None) -> None:
    """Finish all waiting captures, and return.

    unkept: captures that could not be written into the spool, by name
    exits: the kernel's records of ended processes, None if the kernel provides none
    """
    os.environ.clear()  # it is the login's, and code that is loaded later must not depend on it
    spool = Spool()
    try:
        observe(spool, unkept, exits)
    except Exception as error:
        trouble(f"The observer failed. Its unfinished captures stay in the spool: {error!r}.")


def observe(spool: Spool, unkept: "Dict[str, bytes]", exits: "Optional[Exits]" = None) -> None:
    """Finish the captures that could not be kept, and all captures in incoming/ unless another observer does."""
    try:
        lock = Lock(spool.path("observer.lock"))
        spool.names("incoming")
        alone = lock.take()
    except OSError as error:
        trouble(f"The spool can't be used ({error}): see `ssh-login-notify status`.")
        alone = False
    if not alone:
        Observer(spool, unkept, listing=False, exits=exits).run()
        return
    taken: Set[str] = set()
    while alone:
        observer = Observer(spool, unkept, listing=True, taken=taken, exits=exits)
        observer.run()
        unkept, taken = {}, observer.taken
        lock.give_up()
        # A hook that found the lock held started no observer. Its capture may have come after the last look.
        alone = bool(set(spool.names("incoming")) - taken) and lock.take()


def recover_orphans(spool: Spool) -> None:
    """Finish orphaned captures: their observer was killed, and no login has started another one since then."""
    spool.recover(ORPHAN_SECONDS)
    captures = {name: _read(spool, name) for name in spool.names("incoming") if is_older(name, ORPHAN_SECONDS)}
    readable = {name: raw for name, raw in captures.items() if raw is not None}
    if readable:
        observer = Observer(spool, {}, listing=False)
        observer.take(readable)
        observer.run()
        set_priority(0)  # an observer has a high priority, which its caller does not need


def _read(spool: Spool, name: str) -> "Optional[bytes]":
    """Return a capture. If it can't be read, log that and return None, so that the other captures need not wait."""
    try:
        return spool.read("incoming", name)
    except OSError as error:
        trouble(f"The capture {name} can't be read: {error}.")
        return None


class Observer:
    """The captures being processed, from the first look into incoming/ until none is left."""

    def __init__(
        self,
        spool: Spool,
        unkept: "Dict[str, bytes]",
        listing: bool,
        taken: "Optional[Set[str]]" = None,
        exits: "Optional[Exits]" = None,
    ) -> None:
        """Prepare without watching anything yet.

        listing: whether to take captures from incoming/, which only one observer at a time may do
        taken: names in incoming/ that were already processed; a later run handles those that remain there
        """
        self._spool = spool
        self._unkept = unkept
        self._listing = listing
        self._processes = Processes(exits=exits)
        self._finisher = Finisher(spool, unkept)
        self._watched: Dict[str, Watched] = {}
        # By pid and start time of the connection's process: the capture's name, and whether it is a withheld one.
        self._captured: Dict[Tuple[int, int], Tuple[str, bool]] = {}
        self._runs_first: Optional[bool] = None
        self.taken = set(taken or ())

    def run(self) -> None:
        """Watch and finish all captures, then return."""
        if self._listing:
            try:
                self._spool.recover()
            except OSError as error:
                trouble(f"Alerts that an earlier run staged could not be published: {error}.")
        self.take(self._unkept)
        set_priority(NICE)
        listed = 0.0
        while True:
            now = time.monotonic()
            if self._listing and now - listed >= LISTING_SECONDS:
                listed = now
                self._take_new(now)
            self._run_first_while_it_counts(now)
            if not self._watched and self._finisher.is_done():
                return
            used = time.process_time()
            self._look(now)
            time.sleep(self._pause(time.process_time() - used, time.monotonic()))

    def take(self, captures: "Dict[str, bytes]") -> None:
        """Watch the connections of these captures as well."""
        for name in captures:
            self._watch(name, captures[name], time.monotonic())

    def _take_new(self, now: float) -> None:
        for name in self._spool.names("incoming"):
            if name not in self.taken:
                raw = _read(self._spool, name)
                if raw is not None:
                    self._watch(name, raw, now)
                self.taken.add(name)

    def _watch(self, name: str, raw: bytes, now: float) -> None:
        capture = Capture(name, raw)
        if not capture.is_sshds:
            self._finisher.submit(name, PAM_SESSION)  # there is no connection to watch
            return
        if self._is_repeated(capture):
            return
        self._processes.make_room_for_ended(now)
        connection = Connection(self._processes, capture.parent, capture.parent_start, capture.parent_name)
        self._watched[name] = Watched(connection, now)

    def _is_repeated(self, capture: Capture) -> bool:
        """Return whether another capture of the same login says more. If this one says more, drop the other.

        If the hook is killed after its fork, PAM runs it once more without sshd's text about the authentication
        (docs/pam-line.md). Its first child has the whole login. Usually, it also comes first.
        """
        if not capture.parent_start:
            return False
        process = capture.parent, capture.parent_start
        other, is_withheld = self._captured.setdefault(process, (capture.name, capture.is_withheld))
        if is_withheld == capture.is_withheld:
            return False
        if capture.is_withheld:
            self._drop(capture.name, other)
            return True
        self._captured[process] = capture.name, False
        if other in self._watched:
            self._watched.pop(other).close()
            self._drop(other, capture.name)
        return False

    def _drop(self, name: str, kept: str) -> None:
        """Remove the second capture of a login, unless it is finished already."""
        try:
            with self._spool.claim(name):
                self._spool.remove("incoming", name)
        except OSError:
            return
        trouble(f"The hook of login {kept} was killed, so PAM ran it again. The login is reported once.")

    def _look(self, now: float) -> None:
        for name, watched in list(self._watched.items()):
            if watched.due <= now:
                login_type = watched.look(now)
                if login_type is not None:
                    self._finisher.submit(name, login_type, watched.remembered)
                    del self._watched[name]

    def _run_first_while_it_counts(self, now: float) -> None:
        """Take precedence over ordinary processes, as the hook did, while there are a few young connections."""
        wanted = 0 < sum(watched.is_young(now) for watched in self._watched.values()) <= MOST_YOUNG
        if wanted != self._runs_first:
            run_first(wanted)
            self._runs_first = wanted

    def _pause(self, used: float, now: float) -> float:
        """Return the seconds until the next look, of any kind. used: processor time of the last looks, in seconds."""
        due = min((watched.due for watched in self._watched.values()), default=now + LISTING_SECONDS)
        return max(min(due - now, LISTING_SECONDS), REST_FACTOR * used, OPENING_PACE_SECONDS)


class Watched:
    """A connection, and when the next look at it is due.

    remembered: once the type is clear, the data with which another process continues to watch (Connection.resume). It
    is empty if the connection is over, or can't show a more serious type.
    """

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._since = now
        # The most serious type so far.
        self._type: Optional[str] = None
        self._type_since = now
        self.due = now
        self.remembered = ""

    def look(self, now: float) -> "Optional[str]":
        """Return the type once it is clear or the time is up, or None before that."""
        shown = self._connection.look(now)
        served = self._connection.served_since
        if self._connection.over:
            login_type = self._type or shown
        elif shown or self._type:
            login_type = self._settle(shown, now)
        elif now - served >= TUNNEL_SECONDS if served else now - self._since >= UNSERVED_SECONDS:
            login_type = self._most_serious(self._connection.last_look())
        else:
            login_type = None
        if login_type is not None:
            if login_type != INTERACTIVE:
                self.remembered = self._connection.remembered()
            self._connection.close()
        self.due = now + self._pace(now - (served or self._since), now)
        return login_type

    def is_young(self, now: float) -> bool:
        """Return whether the connection is so young that its session may appear at any moment."""
        return now - (self._connection.served_since or self._since) < YOUNG_SECONDS

    def close(self) -> None:
        """Stop watching."""
        self._connection.close()

    def _settle(self, shown: "Optional[str]", now: float) -> "Optional[str]":
        """Return the most serious type so far once no other can replace it, or None before that."""
        if self._type is None:
            self._type_since = now
        self._type = self._most_serious(self._type, shown)
        is_settled = self._type == INTERACTIVE or now - self._type_since >= SETTLING_SECONDS
        return self._type if is_settled else None

    def _most_serious(self, *login_types: "Optional[str]") -> str:
        missed = SOMETHING_OVER if self._connection.has_missed_one() else None
        return max(filter(None, (*login_types, missed)), key=seriousness)

    def _pace(self, age: float, now: float) -> float:
        if self._type:
            return SETTLING_PACE_SECONDS
        if self._connection.is_opening(now, OPENING_SECONDS):
            return OPENING_PACE_SECONDS
        pace = next((pause for limit, pause in PACES if age < limit), PACES[-1][1])
        return pace if self._connection.served_since else max(pace, UNSERVED_PACE_SECONDS)
