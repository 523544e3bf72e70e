"""The observer: takes every capture in incoming/, watches its connection until the kind is clear, hands the alert over.

The hook forks it away from a login, so it runs when the login has gone on. One runs per host, for as long as there is
something to look at: seconds. It opens no connection and needs no configuration.
"""

import os
import time

from .capture import Capture
from .kind import UNKNOWN, Connection
from .processes import Processes
from .spool import Lock, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Set

PATIENCE = 3.0  # seconds until a connection that shows nothing is taken for a tunnel
# Commands are over in milliseconds, and most come within a few tenths of a second: (age, seconds between two looks).
PACE = ((0.3, 0.001), (1.0, 0.002), (PATIENCE, 0.005))
LISTING = 0.004  # seconds between two looks into incoming/; a session shows itself 20 ms after its hook at the soonest
LOADING = 0.3  # seconds for which an alert may wait with loading what finishes it, while a fresh login is being watched
PROGRAM = "/usr/local/bin/ssh-login-notify"
SYSTEMD = "/run/systemd/system"  # sd_booted(3)
PATH_UNIT = "/etc/systemd/system/ssh-login-notify.path"


def main(unkept: "Dict[str, bytes]") -> None:
    """Finish what is there to finish, and return.

    unkept: captures that could not be written into the spool, by name.
    """
    os.environ.clear()  # the login's, not ours: nothing that is loaded from here on may be led by it
    spool = Spool()
    try:
        observe(spool, unkept)
        start_sender(spool)
    except Exception as error:
        _trouble("the observer failed; what it had not finished stays in the spool: %r" % error)


def observe(spool: Spool, unkept: "Dict[str, bytes]") -> None:
    """Finish all captures in incoming/, unless another process is at it, and those that could not be kept."""
    given_up = set()  # type: Set[str]
    try:
        lock = Lock(spool.path("observer.lock"))
        alone = lock.take()
    except OSError as error:
        _trouble("the spool can't be used, see `ssh-login-notify status`: %s" % error)
        alone = False
    if not alone:
        Observer(spool, unkept, listing=False, given_up=given_up).run()
        return
    while alone:
        Observer(spool, unkept, listing=True, given_up=given_up).run()
        unkept = {}
        lock.give_up()
        # A hook that found the lock held has left. Had it come after the last look, its capture would lie here.
        alone = bool(set(spool.names("incoming")) - given_up) and lock.take()


def start_sender(spool: Spool) -> None:
    """Start the sender where no systemd does, in an environment of its own."""
    if os.path.isdir(SYSTEMD) and os.path.exists(PATH_UNIT):
        return
    if not os.path.exists(spool.path("state", "wake")):
        return
    lock = Lock(spool.path("sender.lock"))
    if not lock.take():
        return  # one is running, and looks once more before it ends
    lock.give_up()
    if os.fork() == 0:
        try:
            os.execve(PROGRAM, [PROGRAM, "send"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        finally:
            os._exit(1)


class Watch:
    """One capture that is being looked at; its kind is None until it is clear."""

    def __init__(self, capture: Capture, connection: Connection, since: float) -> None:
        self.capture = capture
        self.connection = connection
        self.since = since
        self.kind = None  # type: Optional[str]


class Observer:
    """Captures being looked at, from the first look into incoming/ until none is left."""

    def __init__(self, spool: Spool, unkept: "Dict[str, bytes]", listing: bool, given_up: "Set[str]") -> None:
        """given_up: names of captures that can't be finished now; the run adds to them."""
        self._spool = spool
        self._processes = Processes()
        self._listing = listing
        self._given_up = given_up
        self._watches = {}  # type: Dict[str, Watch]
        self._loaded = False
        for name in unkept:
            self._watch(name, unkept[name], time.monotonic())

    def run(self) -> None:
        """Return when nothing is left to look at."""
        if self._listing:
            self._spool.finish_handing_over()
        listed = 0.0
        while True:
            now = time.monotonic()
            if self._listing and now - listed >= LISTING:
                listed = now
                self._take_new(now)
            if not self._watches:
                return
            self._look(now)
            self._hand_over(now)
            time.sleep(self._pause(now))

    def _take_new(self, now: float) -> None:
        for name in self._spool.names("incoming"):
            if name not in self._watches and name not in self._given_up:
                try:
                    raw = self._spool.read("incoming", name)
                except OSError as error:
                    self._give_up(name, error)
                else:
                    self._watch(name, raw, now)

    def _watch(self, name: str, raw: bytes, now: float) -> None:
        capture = Capture(name, raw)
        connection = Connection(self._processes, capture.parent, capture.parent_start, capture.get(b"PAM_USER"))
        self._watches[name] = Watch(capture, connection, now)

    def _look(self, now: float) -> None:
        for watch in self._watches.values():
            if watch.kind is None:
                watch.kind = watch.connection.look()
            if watch.kind is None and now - watch.since >= PATIENCE:
                watch.kind = watch.connection.last_look()

    def _hand_over(self, now: float) -> None:
        clear = [watch for watch in self._watches.values() if watch.kind is not None]
        if not clear or not self._may_load(clear, now):
            return
        from . import alert, journal  # 20 ms, when the login has long gone on

        self._loaded = True
        for watch in clear:
            name = watch.capture.name
            finished = alert.build(watch.capture, watch.kind or UNKNOWN)
            try:
                self._spool.hand_over(name, alert.to_json(finished))
            except OSError as error:
                self._give_up(name, error)
            journal.login(alert.log_line(finished))
            del self._watches[name]

    def _may_load(self, clear: "list[Watch]", now: float) -> bool:
        """Tell whether to load now what finishes an alert: a fresh login might show itself, unseen, just meanwhile."""
        others = [watch for watch in self._watches.values() if watch.kind is None and now - watch.since < LOADING]
        return self._loaded or not others or now - min(watch.since for watch in clear) > 2 * LOADING

    def _give_up(self, name: str, error: OSError) -> None:
        """Leave a capture where it is, for the next run; say so, as nobody else will."""
        self._given_up.add(name)
        _trouble("the login %s was not queued for sending: %s" % (name, error))

    def _pause(self, now: float) -> float:
        youngest = max((watch.since for watch in self._watches.values()), default=now)
        return next((pause for age, pause in PACE if now - youngest < age), PACE[-1][1])


def _trouble(sentence: str) -> None:
    from . import journal

    journal.trouble(sentence)
