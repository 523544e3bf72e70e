# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sender: takes alerts from the queue, the oldest first, sends them, keeps those that must wait.

One runs per host. It reads the configuration as root, then gives root up for good before it opens a socket. It ends
when nothing is left, or when it has tried for a while: a timer starts it again within a minute, and each new alert
does.
"""

import os
import signal
import sys
import time

from . import channels, config, exit_codes, mutes, overflow, self_check
from .channels import BaseChannel
from .config import Configuration, ConfigurationError
from .delivery import MAKE_WAY, Delivery
from .journal import trouble
from .privileges import PrivilegeError, give_up
from .queue import Queue, enforce_limits
from .recovery import recover
from .root_reader import RootReader
from .spool import Lock, Spool
from .state import State
from .transport import TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple


# How much longer a run lasts when the sign that has started it can't be taken away: systemd starts the next at once.
SIGN_STAYS_SECONDS = 60.0
# How long somebody who flushes waits for a sender that is at work.
AT_WORK_SECONDS = 5.0


def main() -> int:
    """Send what waits, and keep trying for a while; return the exit code. For systemd and cron."""
    spool = Spool()
    # Whenever somebody who flushes asks for the lock, it is heard in the next pause.
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
        return exit_codes.OK  # the sender at work looks once more before it ends
    recover(spool)
    self_check.run_if_due(spool)
    mutes.finish(spool)
    queue = Queue(spool)
    configuration, channel, reader = _become_sender(queue)
    try:
        while lock.take():
            delivery = Delivery(queue, configuration, channel, failures=reader.before, comments=reader.comment_of)
            settled = delivery.run()
            queue.close()
            lock.give_up()
            # An observer that found the lock held has left its alert to this run.
            if not settled or not delivery.is_due():
                return exit_codes.OK if settled else exit_codes.TRY_LATER
        return exit_codes.OK
    finally:
        reader.close()


def flush(spool: Spool, put_back: bool) -> "Optional[Delivery]":
    """Send what waits, and wait for nothing but what Slack has asked for; return the run, None if a sender is at work.

    put_back: first put back what was refused. Raise ConfigurationError, PrivilegeError, OSError.
    """
    lock = Lock(spool.path("sender.lock"))
    if not _take_over(lock):
        return None
    recover(spool)
    mutes.finish(spool)
    queue = Queue(spool)
    configuration, channel, reader = _become_sender(queue)
    for name in spool.names("failed") if put_back else []:
        spool.put_back(name)
    delivery = Delivery(queue, configuration, channel, failures=reader.before, comments=reader.comment_of)
    delivery.run(patient=False)
    queue.close()
    reader.close()
    return delivery


def _stop_waking(spool: Spool) -> bool:
    """Take both signs away; return False if one of them stays."""
    stopped = True
    for stop in (overflow.stop_waking, spool.stop_waking):
        try:
            stop()
        except OSError:
            stopped = False
    return stopped


def _become_sender(queue: Queue) -> "Tuple[Configuration, BaseChannel, RootReader]":
    """Read what takes root to read, leave a child that can read more, and give root up.

    Raise ConfigurationError, PrivilegeError, OSError.
    """
    queue.load_overflow()
    try:
        configuration = config.load()
        channel = channels.load(configuration.channels[0], configuration, queue.spool)
        reader = RootReader()
        give_up()
    except (ConfigurationError, PrivilegeError):
        # Nothing is sent until that is put right, and that must not fill the disk.
        defaults = config.DEFAULTS
        enforce_limits(queue.spool, State(queue.spool), defaults["most_waiting"], defaults["most_waiting_mib"])
        raise
    return configuration, channel, reader


def _fail(spool: Spool, sentence: str) -> int:
    """Report why nothing is sent: to `status`, to the system's log, and to systemd's journal or cron."""
    State(spool).troubled(sentence, "nothing is sent until then")
    trouble(sentence)
    if "JOURNAL_STREAM" not in os.environ:  # systemd's service, whose journal has the line by syslog already
        print("ssh-login-notify: " + sentence, file=sys.stderr)
    return exit_codes.CRITICAL


def _take_over(lock: Lock) -> bool:
    """Take the lock of a sender, and have one that only waits make way; return False if it is at work."""
    until = time.monotonic() + AT_WORK_SECONDS
    asked = 0
    while not lock.take():
        if time.monotonic() > until:
            return False
        holder = lock.holder()
        if holder and holder != asked:
            try:
                os.kill(holder, MAKE_WAY)
            except ProcessLookupError:
                pass  # it has just ended
            asked = holder
        time.sleep(0.05)
    return True
