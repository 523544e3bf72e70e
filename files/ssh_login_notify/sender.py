# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sender: sends the alerts in the queue, the oldest first, and keeps those that must wait.

One sender runs per host. It reads the configuration as root, then drops root for good before it opens a socket. It ends
when nothing is left, or after it has tried for a while. Then a timer starts it again within a minute, and each new
alert starts it at once.
"""

import os
import signal
import sys
import time

from . import channels, config, exit_codes, mutes, outlets, overflow, self_check
from .config import ConfigurationError
from .delivery import MAKE_WAY, Delivery
from .heartbeat import Switch
from .journal import trouble
from .lookups import Lookups
from .outlets import Outlet
from .privileges import PrivilegeError, give_up
from .queue import Queue, enforce_limits
from .recovery import recover
from .root_reader import RootReader
from .spool import Lock, Spool
from .state import State
from .transport import TransportError
from .triage import Triage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Union

    from .channels import BaseChannel
    from .couriers import Couriers

# A run lasts this much longer if the wake-up file can't be removed, because systemd then starts the next run at once.
SIGN_STAYS_SECONDS = 60.0
# How long `flush` waits for a running sender.
AT_WORK_SECONDS = 5.0


def main() -> int:
    """Send the waiting alerts, and keep trying for a while. Return the exit code. For systemd and cron."""
    spool = Spool()
    # Blocked: a request of `flush` for the lock is noticed in the next pause.
    signal.pthread_sigmask(signal.SIG_BLOCK, [MAKE_WAY])
    stopped = _stop_waking(spool)
    try:
        code = _run(spool)
    except (ConfigurationError, PrivilegeError, TransportError) as error:
        code = _fail(spool, str(error))
    except OSError as error:
        code = _fail(spool, f"the spool can't be used ({error}): run the role again")
    if not stopped:
        time.sleep(SIGN_STAYS_SECONDS)
    return code


def _run(spool: Spool) -> int:
    lock = Lock(spool.path("sender.lock"))
    if not lock.take():
        return exit_codes.OK  # the running sender checks the queue once more before it ends
    recover(spool)
    self_check.run_if_due(spool)
    mutes.finish(spool)
    queue = Queue(spool)
    dispatcher = _become_sender(queue)
    try:
        while lock.take():
            delivery = dispatcher.begin()
            settled = delivery.run()
            queue.close()
            lock.give_up()
            # A process that found the lock held has left its alert to this run.
            if not settled or not delivery.is_due():
                return exit_codes.OK if settled else exit_codes.TRY_LATER
        return exit_codes.OK
    finally:
        dispatcher.close()


def flush(spool: Spool, put_back: bool) -> "Optional[Union[Delivery, Couriers]]":
    """Send the waiting alerts now, and obey only a pause that a channel requested.

    Return the run, None if another sender is busy.

    put_back: first move the refused alerts back into the queue. Raise ConfigurationError, PrivilegeError, OSError.
    """
    lock = Lock(spool.path("sender.lock"))
    if not _take_over(lock):
        return None
    recover(spool)
    mutes.finish(spool)
    queue = Queue(spool)
    dispatcher = _become_sender(queue)
    if put_back:
        dispatcher.put_back()
    delivery = dispatcher.begin()
    delivery.run(patient=False)
    queue.close()
    dispatcher.close()
    return delivery


class Dispatcher:
    """Holds everything that the sender can only get as root, for any number of runs."""

    def __init__(self, queue: Queue) -> None:
        """Read and prepare everything that needs root. Raise ConfigurationError, OSError."""
        self._queue = queue
        self._configuration = config.load()
        entries = self._configuration.channels
        self._channel: Optional[BaseChannel] = None
        self._outlets: List[Outlet] = []
        if outlets.is_one(entries):
            outlets.prepare(queue.spool, [], [entries[0]["name"]])
            self._channel = channels.load(entries[0], self._configuration, queue.spool)
        else:
            from . import couriers, routing  # noqa: F401 - loaded as root; most hosts have one channel

            outlets.prepare(queue.spool, [entry["name"] for entry in entries])
            self._outlets = [Outlet(queue.spool, entry, self._configuration) for entry in entries]
        self._switch = Switch(self._configuration) if self._configuration.heartbeat_ping_url else None
        self._reader = RootReader()
        self._lookups = Lookups(self._configuration, queue.spool, self._reader.sender_of_key)

    def begin(self) -> "Union[Delivery, Couriers]":
        """Return a run for the queue, or for the queues of several channels."""
        reader = self._reader
        asked = {"failures": reader.before, "comments": reader.comment_of}
        triage = Triage(self._queue.spool, self._configuration, self._lookups, **asked)
        if self._channel:
            return Delivery(self._queue, self._configuration, self._channel, triage, self._switch)
        from .couriers import Couriers
        from .routing import Router

        router = Router(self._queue, self._configuration, self._outlets, triage)
        return Couriers(self._queue, self._configuration, self._outlets, router, self._switch)

    def put_back(self) -> None:
        """Move the refused alerts back into their queues. Raise OSError."""
        for spool in (self._queue.spool, *(outlet.spool for outlet in self._outlets)):
            for name in spool.names("failed"):
                spool.put_back(name)

    def close(self) -> None:
        """End the child that reads as root."""
        self._reader.close()


def _stop_waking(spool: Spool) -> bool:
    """Remove both wake-up files. Return False if one of them can't be removed."""
    stopped = True
    for stop in (overflow.stop_waking, spool.stop_waking):
        try:
            stop()
        except OSError:
            stopped = False
    return stopped


def _become_sender(queue: Queue) -> Dispatcher:
    """Get everything that needs root, then drop root. Raise ConfigurationError, PrivilegeError, OSError."""
    queue.load_overflow()
    try:
        dispatcher = Dispatcher(queue)
        give_up()
    except (ConfigurationError, PrivilegeError):
        # Nothing is sent until this is fixed, and meanwhile the alerts must not fill the disk.
        defaults = config.DEFAULTS
        enforce_limits(queue.spool, State(queue.spool), defaults["most_waiting"], defaults["most_waiting_mib"])
        raise
    return dispatcher


def _fail(spool: Spool, sentence: str) -> int:
    """Report why nothing is sent: to `status`, to the system's log, and, except under systemd, to stderr (cron)."""
    State(spool).troubled(sentence, "nothing is sent until then")
    trouble(sentence)
    if "JOURNAL_STREAM" not in os.environ:  # under systemd, the journal already has the line from syslog
        print("ssh-login-notify: " + sentence, file=sys.stderr)
    return exit_codes.CRITICAL


def _take_over(lock: Lock) -> bool:
    """Take the sender's lock. Ask a sender that is only waiting to release it. Return False if it is busy."""
    until = time.monotonic() + AT_WORK_SECONDS
    asked = 0
    while not lock.take():
        if time.monotonic() > until:
            return False
        holder = lock.holder()
        if holder and holder != asked:
            try:
                os.kill(holder, MAKE_WAY)
            except (ProcessLookupError, PermissionError):
                pass  # it has just ended, or root has no CAP_KILL here, as in the unit of the watch (tamper.py)
            asked = holder
        time.sleep(0.05)
    return True
