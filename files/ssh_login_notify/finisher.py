"""The finisher: makes the alert of a capture whose kind is clear, hands it over, and writes it into the system's log.

A child of the observer, forked when there is something to finish, so that the observer never stops looking: loading
what is needed here takes 20 ms, and a disk or a log may take their time.
"""

import os
import time

from .journal import login, trouble
from .processes import lift_file_size_limit, set_priority
from .spool import LARGEST_FILE, Lock, Spool, is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List

    from .alert import Alert
    from .capture import Capture

PROGRAM = "/usr/local/bin/ssh-login-notify"
PATIENCE = 10.0  # seconds for whoever else is at a capture; then it is the timer's run that looks what has become of it
AGAIN = 0.05  # seconds between two tries
SYSTEMD = "/run/systemd/system"  # sd_booted(3)
PATH_UNIT = "/etc/systemd/system/ssh-login-notify.path"
FOLLOW_UNIT = "/etc/systemd/system/ssh-login-notify-follow.path"


class Finisher:
    """The child, and the pipe through which it learns what is clear: a line `NAME REMEMBERED KIND` for each."""

    def __init__(self, spool: Spool, unkept: "Dict[str, bytes]") -> None:
        """unkept: captures that are not in the spool, by name."""
        self._spool = spool
        self._unkept = unkept
        self._given: Dict[str, str] = {}  # the rest of the line
        self._children: List[int] = []
        self._pipe = -1

    def finish(self, name: str, kind: str, remembered: str = "") -> None:
        """Have a capture finished, soon.

        remembered: how to go on with the connection (kind.Connection.go_on) that is still open; empty if it is not.
        """
        self._given[name] = f"{remembered} {kind}"
        try:
            self._tell([name])
        except BrokenPipeError:  # the child was killed
            self._close()
            self._give_again()

    def is_done(self) -> bool:
        """Tell whether all is finished; until then, ask again. More may be given in between."""
        self._close()
        self._children = [child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)]
        return not self._children and not self._give_again()

    def _tell(self, names: "List[str]") -> None:
        if self._pipe < 0:
            self._start()
        os.write(self._pipe, "".join(f"{name} {self._given[name]}\n" for name in names).encode())

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1

    def _give_again(self) -> bool:
        """Give what a child that was killed has left to another, once; return whether there was such."""
        left = [name for name in self._given if os.path.exists(self._spool.path("incoming", name))]
        if left:
            try:
                self._tell(left)
            except BrokenPipeError:
                self._close()  # the timer's run will finish it
        self._given.clear()
        return bool(left)

    def _start(self) -> None:
        its_end, self._pipe = os.pipe()
        child = os.fork()
        if child:
            os.close(its_end)
            self._children.append(child)
            return
        try:
            os.close(self._pipe)
            os.setsid()  # a scheduling group of its own (sched(7), autogroup): the observer's hurries
            set_priority(0)
            lift_file_size_limit()
            with os.fdopen(its_end, encoding="utf-8") as lines:
                self._finish_all(lines)
        finally:
            os._exit(0)

    def _finish_all(self, lines: "Iterable[str]") -> None:
        claimed = self._finish_unclaimed(line.rstrip("\n").split(" ", 2) for line in lines)
        until = time.monotonic() + PATIENCE
        while claimed and time.monotonic() < until:
            time.sleep(AGAIN)
            claimed = self._finish_unclaimed(claimed)

    def _finish_unclaimed(self, given: "Iterable[List[str]]") -> "List[List[str]]":
        """Finish these, [name, remembered, kind] each; return those that another process is at."""
        claimed = []
        for name, remembered, kind in given:
            if not finish(self._spool, self._unkept, name, kind, remembered):
                claimed.append([name, remembered, kind])
        return claimed


def finish(spool: Spool, unkept: "Dict[str, bytes]", name: str, kind: str, remembered: str = "") -> bool:
    """Make the alert of one capture and hand it over; whatever happens, the system's log has the login.

    Return False where another process is at it, which may be killed before it has done so.
    """
    if name in unkept:
        if not _finish(spool, name, unkept[name], kind, remembered):
            from . import ballast

            ballast.count_lost(spool)
        return True
    try:
        with spool.claim(name) as capture:
            _finish(spool, name, capture.read(LARGEST_FILE), kind, remembered)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        pass  # the child of an observer that was killed has finished it
    except OSError as error:
        _stays(name, error)
    return True


def _finish(spool: Spool, name: str, raw: bytes, kind: str, remembered: str) -> bool:
    """Return False where there is no room for the alert anywhere; a capture in the spool then stays for a later try."""
    from . import alert
    from .capture import Capture

    try:
        capture = Capture(name, raw)
        finished = alert.build(capture, kind)
    except Exception as error:
        _stays(name, error)
        return True
    queued = True
    if remembered:
        # Before the alert leaves: killed in between, the capture is finished once more, and with it the record is made.
        _keep_open(spool, capture, finished, remembered)
    try:
        queue(spool, name, alert.to_json(finished))
    except OSError as error:
        trouble(f"the login {name} was not queued for sending: {error}")
        queued = False
    login(alert.log_line(finished))
    start_follower(spool)
    return queued


def _keep_open(spool: Spool, capture: "Capture", finished: "Alert", remembered: str) -> None:
    """Have the connection looked at again, for as long as it is open."""
    from .open_connections import OpenConnections, Record

    try:
        record = Record(finished, capture.parent, capture.parent_start or 0, remembered)
        OpenConnections(spool).keep(record)
    except OSError as error:
        trouble(f"what the connection of {capture.name} opens later will not be seen: {error}")


def start_follower(spool: Spool) -> None:
    """Start the follower where no systemd does, if there is something to follow."""
    if is_started_by(FOLLOW_UNIT):
        return
    from . import follower

    try:
        follower.start(spool)
    except OSError as error:
        trouble(f"the open connections are not looked at until the next login: {error}")


def _stays(name: str, error: Exception) -> None:
    trouble(f"the login {name} could not be made an alert, its capture stays in the spool: {error!r}")


def queue(spool: Spool, name: str, contents: bytes) -> None:
    """Put a finished alert among those that wait, and wake the sender. Raise OSError where nothing takes it."""
    from . import overflow

    try:
        spool.finish(name, contents)
    except OSError as error:
        if _keep_elsewhere(spool, name, contents, error):
            return
    if not spool.hand_over(name) and not overflow.wake():
        from . import ballast

        ballast.wake(spool)
    overflow.forget(name)  # by the observer of a capture that such a disk has kept
    start_sender(spool)


def _keep_elsewhere(spool: Spool, name: str, contents: bytes, error: OSError) -> bool:
    """Keep an alert that the spool does not take in /run. Return False if it became ballast of the spool instead."""
    from . import overflow

    try:
        overflow.keep(name, contents)
    except OSError:
        from . import ballast

        ballast.finish(spool, name, contents)
        return False
    trouble(f"the spool took no alert ({error}); {name} waits in {overflow.ROOT}")
    try:
        spool.remove("incoming", name)
        start_sender(spool)
    except OSError:
        pass  # a disk that can only be read; when it takes alerts again, the capture goes
    return True


def _is_there(path: str) -> bool:
    """Tell whether something has this path, also where this process may not look.

    Under SELinux sshd's domain need not be allowed to. A sender that it started would stay in that domain, which may
    open no connection, and would hold the lock against systemd's, which may.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def is_started_by(unit: str) -> bool:
    """Tell whether this path unit of systemd's starts its service, so that nobody else has to."""
    return _is_there(SYSTEMD) and _is_there(unit)


def start_sender(spool: Spool) -> None:
    """Start the sender where no systemd does, in an environment of its own."""
    if is_started_by(PATH_UNIT):
        return
    if is_locked(spool.path("sender.lock")):
        return  # one is running, and looks once more before it ends
    import signal  # it takes longer than all that the observer, which loads this module too, needs to begin

    # Two forks, so that the sender is nobody's to wait for.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        # Locked before the program is loaded: of several that are started at once, all but one end here.
        lock = Lock(spool.path("sender.lock"))
        if os.fork() == 0 and lock.take():
            lock.keep_through_exec()
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # an observer ignores them, and exec hands that on
            os.execve(PROGRAM, [PROGRAM, "send"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    finally:
        os._exit(0)
