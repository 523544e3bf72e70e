"""The observer: takes every capture in incoming/, watches its connection until the kind is clear, hands the alert over.

The hook forks it away from a login, so it runs when the login has gone on. One runs per host, for as long as there is
something to look at: seconds. It opens no connection and needs no configuration. Looking is all that this process does,
since a command can be over in a few milliseconds; a child (finisher.py) does the rest.
"""

import os
import time

from .capture import Capture
from .finisher import Finisher
from .journal import trouble
from .kind import Connection, seriousness
from .login_types import INTERACTIVE, SOMETHING_OVER
from .processes import Processes, run_first, set_priority
from .spool import Lock, Spool, is_older

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Set

    from .exits import Exits

PATIENCE = 3.0  # seconds that a connection, once sshd serves it, may show nothing until it is taken for a tunnel
LONGEST = 30.0  # seconds until sshd serves it, for the rest of the PAM stack (a slow motd) comes after the hook
ABANDONED = 60.0  # seconds after which a capture that still lies there is nobody's
BEFORE = 0.001  # seconds between two looks until then; the client's request has yet to come when sshd begins to serve
# Most sessions show themselves within a few tenths of a second: (age, seconds between two looks).
PACE = ((0.3, 0.0005), (1.0, 0.002), (PATIENCE, 0.005))
AT_ONCE = 0.0002  # seconds between two looks once the client has opened a session: what it runs is there any moment,
BRIEFLY = 0.2  # seconds, and may be gone in two milliseconds
# Seconds, from the first kind that shows, in which a more serious one still takes its place.
SETTLING = 1.0
# Seconds between two looks meanwhile; what comes and goes in between is noticed by what it leaves.
SETTLING_PACE = 0.05
LISTING = 0.004  # seconds between two looks into incoming/; a session shows itself 10 ms after its hook at the soonest
REST = 1.0  # of the time that the last looks took, at least, is not spent on looking: never more than half a processor
YOUNG = 0.3  # seconds for which a connection is looked at before all that the host has to do; REST holds for it too
MOST_YOUNG = 4  # connections for which that is done: in a storm of logins the host's own work goes on
HURRY = -15  # nice(2); a look takes a tenth of a millisecond, but on a busy host it must not come too late


def main(unkept: "Dict[str, bytes]", exits: "Optional[Exits]" = None) -> None:
    """Finish what is there to finish, and return.

    unkept: captures that could not be written into the spool, by name.
    exits: what the hook has registered for, None where the kernel does not tell it.
    """
    os.environ.clear()  # the login's, not ours: nothing that is loaded from here on may be led by it
    spool = Spool()
    try:
        observe(spool, unkept, exits)
    except Exception as error:
        trouble(f"the observer failed; what it had not finished stays in the spool: {error!r}")


def observe(spool: Spool, unkept: "Dict[str, bytes]", exits: "Optional[Exits]" = None) -> None:
    """Finish all captures in incoming/, unless another process is at it, and those that could not be kept."""
    try:
        lock = Lock(spool.path("observer.lock"))
        spool.names("incoming")
        alone = lock.take()
    except OSError as error:
        trouble(f"the spool can't be used, see `ssh-login-notify status`: {error}")
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
        # A hook that found the lock held has left. Had it come after the last look, its capture would lie here.
        alone = bool(set(spool.names("incoming")) - taken) and lock.take()


def finish_abandoned(spool: Spool) -> None:
    """Finish the captures that no observer will: those of an observer that was killed, when no login has come since."""
    spool.finish_handing_over(ABANDONED)
    captures = {name: _read(spool, name) for name in spool.names("incoming") if is_older(name, ABANDONED)}
    readable = {name: raw for name, raw in captures.items() if raw is not None}
    if readable:
        observer = Observer(spool, {}, listing=False)
        observer.take(readable)
        observer.run()
        set_priority(0)  # an observer hurries; what its caller does next need not


def _read(spool: Spool, name: str) -> "Optional[bytes]":
    """Return a capture; None, with a line in the system's log, where it can't be read: the others must not wait."""
    try:
        return spool.read("incoming", name)
    except OSError as error:
        trouble(f"{name} in the spool's incoming/ can't be read: {error}")
        return None


class Observer:
    """Captures being looked at, from the first look into incoming/ until none is left."""

    def __init__(
        self,
        spool: Spool,
        unkept: "Dict[str, bytes]",
        listing: bool,
        taken: "Optional[Set[str]]" = None,
        exits: "Optional[Exits]" = None,
    ) -> None:
        """listing: look into incoming/, which one observer may do at a time.

        taken: names there that have had their chance; what still lies there of them is left to a later run.
        """
        self._spool = spool
        self._unkept = unkept
        self._listing = listing
        self._processes = Processes(exits=exits)
        self._finisher = Finisher(spool, unkept)
        self._watched: Dict[str, Watched] = {}
        self._runs_first: Optional[bool] = None
        self.taken = set(taken or ())

    def run(self) -> None:
        """Return when all is finished that there was."""
        if self._listing:
            try:
                self._spool.finish_handing_over()
            except OSError as error:
                trouble(f"what an earlier run had begun could not be ended: {error}")
        self.take(self._unkept)
        set_priority(HURRY)
        listed = 0.0
        while True:
            now = time.monotonic()
            if self._listing and now - listed >= LISTING:
                listed = now
                self._take_new(now)
            self._run_first_while_it_counts(now)
            if not self._watched and self._finisher.is_done():
                return
            used = time.process_time()
            self._look(now)
            time.sleep(self._pause(time.process_time() - used, time.monotonic()))

    def take(self, captures: "Dict[str, bytes]") -> None:
        """Watch what these captures tell of, too."""
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
        user = capture.get(b"PAM_USER")
        self._processes.make_room_for_ended(now)
        connection = Connection(self._processes, capture.parent, capture.parent_start, user)
        self._watched[name] = Watched(connection, now)

    def _look(self, now: float) -> None:
        for name, watched in list(self._watched.items()):
            if watched.due <= now:
                kind = watched.look(now)
                if kind is not None:
                    self._finisher.finish(name, kind, watched.remembered)
                    del self._watched[name]

    def _run_first_while_it_counts(self, now: float) -> None:
        """Run before all ordinary processes, as the hook has begun it, while a few sessions may show themselves."""
        wanted = 0 < sum(watched.is_young(now) for watched in self._watched.values()) <= MOST_YOUNG
        if wanted != self._runs_first:
            run_first(wanted)
            self._runs_first = wanted

    def _pause(self, used: float, now: float) -> float:
        """Return the seconds until the next look of any kind is due, after looks that took so much of a processor."""
        due = min((watched.due for watched in self._watched.values()), default=now + LISTING)
        return max(min(due - now, LISTING), REST * used, AT_ONCE)


class Watched:
    """A connection, and when it is to be looked at.

    remembered: how another process goes on with it (Connection.go_on), once it is clear; empty when the connection is
    over, or can show nothing more serious than it has.
    """

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._since = now
        self._kind: Optional[str] = None  # the most serious yet
        self._kind_since = now
        self.due = now
        self.remembered = ""

    def look(self, now: float) -> "Optional[str]":
        """Return the kind as soon as it is clear or the patience is over, and until then None."""
        shown = self._connection.look(now)
        served = self._connection.served_since
        if self._connection.over:
            kind = self._kind or shown
        elif shown or self._kind:
            kind = self._settle(shown, now)
        elif now - served >= PATIENCE if served else now - self._since >= LONGEST:
            kind = self._most_serious(self._connection.last_look())
        else:
            kind = None
        if kind is not None:
            if kind != INTERACTIVE:
                self.remembered = self._connection.remembered()
            self._connection.close()
        self.due = now + self._pace(now - (served or self._since), now)
        return kind

    def is_young(self, now: float) -> bool:
        """Tell whether the session may show itself any moment."""
        return now - (self._connection.served_since or self._since) < YOUNG

    def _settle(self, shown: "Optional[str]", now: float) -> "Optional[str]":
        """Return the most serious kind yet, once nothing can be more so or it has had the time; until then None."""
        if self._kind is None:
            self._kind_since = now
        self._kind = self._most_serious(self._kind, shown)
        return self._kind if self._kind == INTERACTIVE or now - self._kind_since >= SETTLING else None

    def _most_serious(self, *kinds: "Optional[str]") -> str:
        missed = SOMETHING_OVER if self._connection.has_missed_one() else None
        return max(filter(None, (*kinds, missed)), key=seriousness)

    def _pace(self, age: float, now: float) -> float:
        if self._kind:
            return SETTLING_PACE
        if self._connection.is_opening(now, BRIEFLY):
            return AT_ONCE
        pace = next((pause for limit, pause in PACE if age < limit), PACE[-1][1])
        return pace if self._connection.served_since else max(pace, BEFORE)
