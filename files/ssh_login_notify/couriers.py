# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several channels: a process for each one that has something to deliver, so that a dead channel delays no other.

The sender routes (routing.py) and starts the couriers. A courier is a delivery (delivery.py) over its channel's queue.

If the disk is full, a channel's queue may have no room for an alert. The courier then keeps the alert only in memory.
When one channel has delivered it, it is removed from the spool: otherwise each run would send it again, because nothing
could be recorded.
"""

import os
import signal
import time
from functools import partial

from . import journal
from .child import Child
from .delivery import LONGEST_RUN_SECONDS, MAKE_WAY, Delivery
from .queue import Queue, enforce_limits
from .routing import Routed
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Set

    from .config import Configuration
    from .heartbeat import Switch
    from .outlets import Outlet
    from .routing import Router
    from .spool import Spool

    Report = Dict[str, Any]

# How soon a new alert is routed while couriers are running.
LOOK_SECONDS = 0.5
# A courier's report. settled: nothing that is due is left. delivered: how many alerts were delivered. released: alerts
# held in memory that are settled. answer: the last answer.
NOTHING = {"settled": False, "delivered": 0, "released": [], "answer": "the process ended without a report"}


class Courier:
    """One process that delivers to a channel, seen from the sender."""

    def __init__(self, work: "Callable[[], Report]") -> None:
        """Start the process."""
        self._child = Child(work)

    def report(self) -> "Optional[Report]":
        """Return the report of a process that has ended, None while it runs."""
        return dict(NOTHING, **(self._child.result() or {})) if self._child.is_over() else None

    def make_way(self) -> None:
        """Make the process end in its next pause."""
        os.kill(self._child.pid, MAKE_WAY)


def _waiting(outlet: "Outlet") -> "List[str]":
    """Return the alerts that wait for a channel. If its place can't be read, only this channel fails."""
    try:
        return outlet.spool.names("outgoing")
    except OSError as error:
        outlet.channel = None
        outlet.fault = f"its part of the spool can't be used ({error}): remove it and run the role again"
        return []


class Couriers:
    """One run of the sender over the queues of several channels. sender.py uses it in place of a Delivery.

    delivered: how many alerts were delivered, counted once for each channel. last_answer: the answer of a channel that
    could not deliver, else of any channel.
    """

    def __init__(
        self,
        queue: Queue,
        configuration: "Configuration",
        outlets: "List[Outlet]",
        router: "Router",
        switch: "Optional[Switch]" = None,
    ) -> None:
        """Keep references to the queue, the settings and the channels. switch: as for a Delivery"""
        self._queue = queue
        self._configuration = configuration
        self._outlets = outlets
        self._router = router
        self._switch = switch
        self._working: Dict[str, Courier] = {}
        # Alerts that a channel's queue had no room for, by the channel, then by the alert's name.
        self._held: Dict[str, Dict[str, bytes]] = {outlet.name: {} for outlet in outlets}
        # Alerts that a channel's courier may not have seen. A running one may have looked for the last time.
        self._new: Dict[str, Set[str]] = {outlet.name: set(_waiting(outlet)) for outlet in outlets}
        self._unsettled: Set[str] = set()
        self.delivered = 0
        self.last_answer = ""

    def run(self, patient: bool = True) -> bool:
        """Route and deliver the waiting alerts. Return True if nothing that is due is left.

        patient: as for a Delivery
        """
        # A blocked signal stays pending for sigtimedwait(2).
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        until = time.monotonic() + LONGEST_RUN_SECONDS
        goes_on = True
        self._router.pass_on_dropped()
        try:
            while True:
                if goes_on:
                    self._send_off(patient, until)
                if not self._working:
                    return not self._unsettled and goes_on
                said = signal.sigtimedwait([signal.SIGCHLD, MAKE_WAY], LOOK_SECONDS)
                is_asked = said is not None and said.si_signo == MAKE_WAY
                if is_asked or (goes_on and time.monotonic() > until):
                    for courier in self._working.values():
                        courier.make_way()
                    if not is_asked:
                        self._queue.wake()
                    goes_on = False
                self._take_reports()
        finally:
            self._keep_to_limits(self._queue.spool)
            self._router.close()

    def is_due(self) -> bool:
        """Return whether an alert waits that has not been routed."""
        return bool(self._queue.names())

    def _send_off(self, patient: bool, until: float) -> None:
        """Route the waiting alerts. Start a courier for each channel that has new ones and no running courier."""
        held_anywhere = {name for held in self._held.values() for name in held}
        arrived = self._router.waiting() - held_anywhere
        for channel, held in self._router.route(arrived).items():
            self._held[channel].update(held)
        for outlet in self._outlets:
            held, new = self._held[outlet.name], self._new[outlet.name]
            new |= arrived
            due = new & {*_waiting(outlet), *held}
            if outlet.channel is None:
                self._report_fault(outlet)
            elif due and outlet.name not in self._working:
                new.clear()
                work = partial(self._work, outlet, dict(held), patient, until)
                self._working[outlet.name] = Courier(work)

    def _keep_to_limits(self, spool: "Spool") -> None:
        """Drop the alerts over the limits from a queue that has no courier."""
        most, most_mib = self._configuration.most_waiting, self._configuration.most_waiting_mib
        try:
            enforce_limits(spool, State(spool), most, most_mib)
        except OSError as error:
            journal.trouble(f"The queue in {spool.root} can't be kept to its limits: {error}.")

    def _report_fault(self, outlet: "Outlet") -> None:
        """Report once a run why nothing is sent to a channel."""
        if outlet.name not in self._unsettled:
            self._unsettled.add(outlet.name)
            self.last_answer = outlet.fault
            State(outlet.spool).troubled(outlet.fault, "nothing is sent there until then")
            self._keep_to_limits(outlet.spool)
            journal.trouble(f"The channel {outlet.name}: {outlet.fault}")

    def _work(self, outlet: "Outlet", held: "Dict[str, bytes]", patient: bool, until: float) -> "Report":
        """Deliver in the courier's process, and return its report."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        if outlet.channel is None or not outlet.lock.take():
            return dict(NOTHING, answer="the courier of a killed sender is still running")
        queue = Queue(outlet.spool)
        queue.hold(held)
        others = [other.spool for other in self._outlets]
        delivery = Delivery(queue, self._configuration, outlet.channel, Routed(outlet.spool, others), self._switch)
        try:
            settled = delivery.run(patient, until)
            released = [name for name in held if name not in queue.names()]
            done = {"delivered": delivery.delivered, "released": released, "answer": delivery.last_answer}
            return dict(done, settled=settled)
        except OSError as error:
            why = f"its part of the spool can't be used ({error}): run the role again"
            journal.trouble(f"The channel {outlet.name}: {why}.")
            return dict(NOTHING, delivered=delivery.delivered, answer=str(error))
        except Exception as error:  # a traceback would show values
            sentence = journal.defect(error)
            journal.trouble(f"The channel {outlet.name}: {sentence}")
            return dict(NOTHING, delivered=delivery.delivered, answer=sentence)

    def _take_reports(self) -> None:
        for name, courier in list(self._working.items()):
            report = courier.report()
            if report is None:
                continue
            del self._working[name]
            self.delivered += report["delivered"]
            if report["settled"]:
                self._unsettled.discard(name)
                self.last_answer = self.last_answer or report["answer"]
            else:
                self._unsettled.add(name)
                self.last_answer = report["answer"] or self.last_answer
            self._release(name, report["released"])

    def _release(self, channel: str, released: "List[str]") -> None:
        """Settle alerts that a courier held in memory: once one channel has delivered them, they leave the spool."""
        for name in released:
            self._held[channel].pop(name, None)
            for other, held in self._held.items():
                if other not in self._working:
                    held.pop(name, None)
            self._router.sent_without_room(name)
