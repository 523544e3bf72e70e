# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finisher: makes the alert of a login whose type is clear, queues it, and logs the login to syslog.

It is a child of the observer, which forks it when there is something to finish, and continues watching. Loading the
modules that it needs takes 20 ms, and a disk or a log can be slow.
"""

import os
import time

from .journal import login, trouble
from .processes import lift_file_size_limit, set_priority
from .spool import LARGEST_FILE_BYTES, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List

    from .alert import Alert
    from .capture import Capture

# How long to wait for another finisher. After that, the timer's run takes over.
OTHER_FINISHER_SECONDS = 10.0
# The delay between two attempts while waiting.
RETRY_SECONDS = 0.05


class Finisher:
    """The child, and the pipe to it: a line `NAME REMEMBERED TYPE` for each capture whose type is clear."""

    def __init__(self, spool: Spool, unkept: "Dict[str, bytes]") -> None:
        """Start no child yet. unkept: captures that are not in the spool, by name"""
        self._spool = spool
        self._unkept = unkept
        # The rest of each line, by the name at its beginning.
        self._submitted: Dict[str, str] = {}
        self._children: List[int] = []
        self._pipe = -1

    def submit(self, name: str, login_type: str, remembered: str = "") -> None:
        """Hand a capture to the child.

        remembered: the state of an open connection, for Connection.resume; "" if there is nothing left to watch
        """
        self._submitted[name] = f"{remembered} {login_type}"
        try:
            self._tell([name])
        except BrokenPipeError:  # the child was killed
            self._close()
            self._resubmit()

    def is_done(self) -> bool:
        """Return whether everything is finished. If not, ask again later. More can be submitted in between."""
        self._close()
        self._children = [child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)]
        return not self._children and not self._resubmit()

    def _tell(self, names: "List[str]") -> None:
        if self._pipe < 0:
            self._start()
        os.write(self._pipe, "".join(f"{name} {self._submitted[name]}\n" for name in names).encode())

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1

    def _resubmit(self) -> bool:
        """Pass the unfinished captures of a killed child to another child, once. Return whether there were any."""
        left = [name for name in self._submitted if os.path.exists(self._spool.path("incoming", name))]
        if left:
            try:
                self._tell(left)
            except BrokenPipeError:
                self._close()  # the timer's run will finish it
        self._submitted.clear()
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
            os.setsid()  # a scheduling group of its own (sched(7), autogroup): the observer's has a high priority
            set_priority(0)
            lift_file_size_limit()
            with os.fdopen(its_end, encoding="utf-8") as lines:
                self._work_through(lines)
        finally:
            os._exit(0)

    def _work_through(self, lines: "Iterable[str]") -> None:
        claimed = self._work_once(line.rstrip("\n").split(" ", 2) for line in lines)
        until = time.monotonic() + OTHER_FINISHER_SECONDS
        while claimed and time.monotonic() < until:
            time.sleep(RETRY_SECONDS)
            claimed = self._work_once(claimed)

    def _work_once(self, submitted: "Iterable[List[str]]") -> "List[List[str]]":
        """Finish these captures, each [name, remembered, type]. Return those that another process has claimed."""
        claimed = []
        for name, remembered, login_type in submitted:
            if not finish(self._spool, self._unkept, name, login_type, remembered):
                claimed.append([name, remembered, login_type])
        return claimed


def finish(spool: Spool, unkept: "Dict[str, bytes]", name: str, login_type: str, remembered: str = "") -> bool:
    """Make the alert of one capture and queue it. The login is logged to syslog even if this fails.

    Return False if another process has claimed the capture. That process may be killed before it finishes.
    """
    if name in unkept:
        if not _make_alert(spool, name, unkept[name], login_type, remembered):
            from . import ballast, ledger

            ballast.count_lost(spool)
            ledger.note_lost(spool, name)
        return True
    try:
        with spool.claim(name) as capture:
            _make_alert(spool, name, capture.read(LARGEST_FILE_BYTES), login_type, remembered)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        pass  # the finisher of a killed observer has finished it
    except OSError as error:
        _log_unfinished(name, error)
    return True


def _make_alert(spool: Spool, name: str, raw: bytes, login_type: str, remembered: str) -> bool:
    """Make and queue an alert. Return False if it can't be stored. A capture in the spool stays for a later attempt."""
    from . import alert, ledger, outbox, units
    from .capture import Capture

    try:
        capture = Capture(name, raw)
        found = alert.build(capture, login_type)
    except Exception as error:
        _log_unfinished(name, error)
        return True
    queued = True
    tells_end = found["about"] == alert.LOGIN and _has_an_end(capture) and units.Installed().logouts
    if remembered or tells_end:
        # Before the alert leaves: if a kill follows, the capture is finished again, and the record is written again.
        _record_open_connection(spool, capture, found, remembered, tells_end)
    ledger.note(spool, found, capture.parent)
    try:
        outbox.put(spool, name, alert.to_json(found))
    except OSError as error:
        trouble(f"The alert of login {name} was not queued for sending: {error}.")
        queued = False
    login(alert.log_line(found))
    start_follower(spool)
    return queued


def _has_an_end(capture: "Capture") -> bool:
    """Return whether this is a connection of sshd whose process is known, so that its end can be detected."""
    return capture.is_sshds and bool(capture.parent and capture.parent_start)


def _record_open_connection(spool: Spool, capture: "Capture", found: "Alert", remembered: str, tells_end: bool) -> None:
    """Have the follower watch the connection while it is open. tells_end: whether it also reports the end"""
    from .open_connections import OpenConnections, Record

    try:
        record = Record(found, capture.parent, capture.parent_start or 0, remembered, tells_end)
        OpenConnections(spool).keep(record)
    except OSError as error:
        what = "The end and later sessions of" if tells_end else "Later sessions over"
        trouble(f"{what} the connection of login {capture.name} will not be reported: {error}.")


def start_follower(spool: Spool) -> None:
    """Start the follower if there is something to follow, unless systemd starts it."""
    from . import units

    if units.systemd_starts_the_sender():
        return
    from . import follower

    try:
        follower.start(spool)
    except OSError as error:
        trouble(f"Later sessions over open connections are not reported until the next login: {error}.")


def _log_unfinished(name: str, error: Exception) -> None:
    trouble(f"No alert could be made for login {name}. Its capture stays in the spool: {error!r}.")
