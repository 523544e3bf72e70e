# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the sender over a queue: which alert goes into the next message, and what the answer means for it.

Only the service's own words settle a message. After any other answer the alert waits and is retried. If one message
fails although the service accepts others, the others overtake it: after a few attempts, others are tried as well. If
one of them is delivered and the first fails once more, the first is stuck (retries.py).

If no answer comes, the message may still be in the channel. So it is repeated only a few times until the service
has answered another request: another alert, or a message without a text, which it refuses (`knock`).
"""

import random
import signal
import time

from . import alert, config, identity, wording
from .channels import CLOSED, DELIVERED, FAILED, LIMITED, OWN_WORDS, REFUSED, UNSURE, BaseChannel, Verdict
from .config import Configuration
from .journal import trouble
from .queue import Queue, enforce_limits
from .retries import FEW_TRIES
from .transport import Answer, TransportError
from .triage import heaviest_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Union

    from .alert import Alert
    from .heartbeat import Switch
    from .routing import Routed
    from .state import Entry
    from .triage import Triage

# From this many waiting alerts on, one message reports many of them. Fewer are sent one by one.
DIGEST_FROM = 11
# The same, after the service has reported that the rate limit is reached.
DIGEST_FROM_LIMITED = 2
# The delays between the attempts of one run, each increased by up to a quarter at random.
RETRY_SECONDS = (1, 2, 4, 8, 15, 30, 30, 30)
# The delay after the last retry. The timer, or cron, starts a run within a minute.
AFTER_LAST_RETRY_SECONDS = 40
# The same, if the service has reported for an hour that the webhook is closed: only a person can change that.
CLOSED_SECONDS = 300
CLOSED_FOR_LONG_SECONDS = 3600
# Up to this much is added at random to a pause that the service requested; to the first pause, up to one second.
WIDEST_SPREAD_SECONDS = 64
# The longest pause that a run waits for.
LONGEST_PAUSE_SECONDS = 120
# After this time the next run continues, before systemd considers this one stuck.
LONGEST_RUN_SECONDS = 600
# The verdict if there is no answer, or an answer that proves nothing.
AGAIN = Verdict(FAILED, "it is tried again", None)
# Asks a waiting sender to leave the rest to a `flush`. A sender that does not wait is not disturbed.
MAKE_WAY = signal.SIGURG


class Delivery:
    """One run over the queue of a channel."""

    def __init__(
        self,
        queue: Queue,
        configuration: Configuration,
        channel: BaseChannel,
        triage: "Union[Triage, Routed]",
        switch: "Optional[Switch]" = None,
    ) -> None:
        """Keep references to the queue, the configuration, the channel and the triage.

        switch: the dead man's switch that a delivered heartbeat pings, None for none
        """
        self._queue = queue
        self._configuration = configuration
        self._channel = channel
        self._triage = triage
        self._switch = switch
        self._state = triage.state
        self._retries = self._state.retries
        self._one_by_one: set[str] = set()
        # Alerts to try next, out of order, to find out whether the service accepts messages.
        self._probes: List[str] = []
        self._is_probe = False
        # The alerts that failed since the last pause, and whether each was alone in its message; whether an alert was
        # delivered since then.
        self._failed: Dict[str, bool] = {}
        self._is_open = False
        self._patient = True
        # Whether this run has used up its retries.
        self._is_over = False
        # How many times in a row the service has requested a pause. The last run's request counts as one.
        self._asked = int(self._state.asked)
        self.delivered = 0
        self.last_answer = ""

    def run(self, patient: bool = True, until: "Optional[float]" = None) -> bool:
        """Send the waiting alerts. Return True if nothing that is due is left.

        patient: obey an earlier run's pause, and retry for a while. Otherwise obey only a pause that the channel
        requested, and end at the first failure. until: when to leave the rest to the next run (time.monotonic); None:
        after LONGEST_RUN_SECONDS
        """
        try:
            return self._run(patient, until or time.monotonic() + LONGEST_RUN_SECONDS)
        finally:
            self._triage.close()

    def _run(self, patient: bool, until: float) -> bool:
        self._patient = patient
        self._triage.queue_follow_ups()
        self._keep_to_limits()
        if config.changed_at() > self._state.agreed_at and not self._state.asked:
            self._state.failures = 0  # the webhook may be another one
        elif not self._pause(self._state.seconds_left(asked=not patient)):
            return False
        while True:
            self._queue.stop_waking()
            waiting = self._queue.names()
            self._retries.keep(waiting)
            names = self._next(waiting, patient)
            if not names:
                return True
            if time.monotonic() > until:
                self._queue.wake()
                return False
            seconds = self._send(names)
            if seconds and (not patient or self._is_over or not self._pause(seconds)):
                return False
            if seconds:
                self._keep_to_limits()
                self._failed = {}
                self._is_open = False

    def is_due(self) -> bool:
        """Return whether an alert waits that can be tried now."""
        names = [name for name in self._queue.names() if name not in self._failed]
        return any(self._retries.is_due(name, config.changed_at()) for name in names)

    def _keep_to_limits(self) -> None:
        most, most_mib = self._configuration.most_waiting, self._configuration.most_waiting_mib
        enforce_limits(self._queue.spool, self._state, most, most_mib)

    def _next(self, names: "List[str]", patient: bool) -> "List[str]":
        """Return the names of the alerts for the next message: one, or the head of a backlog."""
        self._is_probe = bool(self._probes)
        if self._is_probe:
            return [self._probes.pop(0)]
        waiting = [name for name in names if not self._retries.is_stuck(name)]
        if not waiting:
            stuck = [name for name in names if name not in self._failed]
            return [name for name in stuck if not patient or self._retries.is_due(name, config.changed_at())][:1]
        enough = DIGEST_FROM_LIMITED if self._asked else DIGEST_FROM
        backlog = len(waiting) >= enough and waiting[0] not in self._one_by_one
        return waiting[: self._channel.DIGEST_LIMIT] if backlog else waiting[:1]

    def _send(self, names: "List[str]") -> float:
        """Send a message for these alerts. Return the delay before the next attempt in seconds, 0 for none."""
        alerts: List[Alert] = []
        for name in names:
            found = self._load(name, alerts)
            if found:
                alerts.append(found)
        if not alerts:
            return 0
        now = time.time()
        alerts = heaviest_first(self._channel.fitting(alerts, now))
        message = self._channel.message(alerts, now, self._state.untold)
        seconds = self._knock_first(alerts)
        if seconds:
            return seconds
        try:
            answer = self._channel.send(message, alerts)
        except TransportError as error:
            self.last_answer = str(error)
            self._state.refused(_refusal(alerts[0], None, str(error), Verdict(FAILED, self._channel.WAY, None)))
            if error.sent and not self._channel.IS_REPEATABLE:
                return self._in_vain(alerts, None, AGAIN)
            return self._later(str(error), AGAIN.mend, None)
        self.last_answer = str(answer)
        return self._settle(alerts, answer)

    def _knock_first(self, alerts: "List[Alert]") -> float:
        """Before repeating a message that may be in the channel, ask the service for an answer, except in a `flush`.

        Return 0 if the message can be sent, else the delay before the next attempt in seconds.
        """
        changed_at = config.changed_at()
        unclear = any(self._retries.may_be_there(sent["id"], changed_at) for sent in alerts)
        return self._knock(alerts) if unclear and self._patient and not self._is_open else 0

    def _knock(self, alerts: "List[Alert]") -> float:
        """Ask the service for an answer. Return 0 if it came, else the delay before the next attempt in seconds."""
        asked = None
        try:
            answer = self._channel.knock()
            found = self._channel.read(answer) if answer else None
            if found is None or found.kind in OWN_WORDS:
                self._is_open = True
                # On a kept connection, the transport would repeat a message once by itself.
                self._channel.close()
                return 0
            self.last_answer, asked = str(answer), found.asked
        except TransportError as error:
            self.last_answer = str(error)
        lost = max(self._retries.lost(sent["id"]) for sent in alerts)
        stuck = f"an alert is stuck: no answer came {lost} times, so it may be in the channel already"
        why = f"{self.last_answer}; {stuck}"
        return self._later(why, self._channel.WAY, asked)

    def _settle(self, alerts: "List[Alert]", answer: Answer) -> float:
        found = self._channel.read(answer)
        if found.kind == DELIVERED:
            self._done(alerts, answer)
            return 0
        self._state.refused(_refusal(alerts[0], answer.status, answer.words, found))
        if found.asked is not None or found.kind == LIMITED:
            return self._later(self.last_answer, found.mend, found.asked)
        if found.kind == REFUSED:
            self._refuse(alerts, f"{self.last_answer}: {found.mend}\n".encode())
            return 0
        if found.kind in (CLOSED, UNSURE):
            alerts = self._without_tests(alerts)
        return self._in_vain(alerts, answer, found)

    def _done(self, alerts: "List[Alert]", answer: Answer) -> None:
        for sent in alerts:
            self._queue.remove(sent["id"])
        self._asked = 0
        self._is_open = True
        self._probes = []
        self.delivered += len(alerts)
        self._state.delivered([entry_of(sent, answer.status) for sent in alerts], forgive=not self._failed)
        self._triage.delivered(alerts)
        self._channel.delivered(alerts, answer)
        for sent in alerts:
            if sent["about"] == alert.HEARTBEAT and self._triage.is_everywhere(sent):
                self._ping(sent)

    def _refuse(self, alerts: "List[Alert]", reason: bytes) -> None:
        """Handle alerts whose message the service refuses for good."""
        if len(alerts) > 1:
            # One of them may be the reason: send each on its own, and set only that one aside.
            self._one_by_one.update(refused["id"] for refused in alerts)
            return
        for refused in self._without_tests(alerts):
            self._queue.set_aside(refused["id"], reason)

    def _without_tests(self, alerts: "List[Alert]") -> "List[Alert]":
        """Remove test alerts, and return the others. A command that waits for a test reads the state."""
        for test in alerts:
            if test["about"] == alert.TEST:
                self._queue.remove(test["id"])
        return [other for other in alerts if other["about"] != alert.TEST]

    def _in_vain(self, alerts: "List[Alert]", answer: "Optional[Answer]", found: Verdict) -> float:
        """Return the delay before the next attempt, in seconds, after a message that was sent without success.

        The service may be unreachable, or the message may be the reason. Other alerts show which (see the module's
        docstring).
        """
        names = [tried["id"] for tried in alerts]
        if not names:
            return 0
        status = answer.status if answer else None
        unsure = found.kind == UNSURE
        was_stuck = self._retries.is_stuck(names[0])
        self._state.in_vain(names, status, unsure)
        self._failed.update(dict.fromkeys(names, len(names) == 1))
        if was_stuck or min(map(self._retries.tries, names)) >= FEW_TRIES:
            if was_stuck or unsure or self._is_open:
                if len(names) == 1:
                    self._stick(names[0], found.mend)
                else:
                    self._one_by_one.update(names)
                return 0
            if not self._is_probe:
                self._probes = self._others()
        if self._probes:
            return 0
        return self._later(self.last_answer, found.mend, None, found.kind == CLOSED)

    def _others(self) -> "List[str]":
        """Return two alerts that show whether the service accepts messages, of those with the fewest attempts.

        They are the oldest, which would be next, and the newest, because a user who causes alerts that can't be
        delivered can cause many.
        """
        others = [name for name in self._queue.names() if not self._failed.get(name)]
        others = self._retries.fewest([name for name in others if not self._retries.is_stuck(name)])
        return sorted({*others[:1], *others[-1:]})

    def _stick(self, name: str, mend: str) -> None:
        """Let other alerts overtake this one, and log that once."""
        if not self._retries.is_stuck(name):
            trouble(f"The alert {name} is stuck, others are sent before it. The answer was {self.last_answer}: {mend}")
        self._state.stick(name)

    def _ping(self, beat: "Alert") -> None:
        """Ping the dead man's switch, if there is one and all is well."""
        if self._switch and not beat["notes"]:
            self._state.pinged(self._switch.ping())

    def _load(self, name: str, before: "List[Alert]") -> "Optional[Alert]":
        """Return an alert to send, weighed. Set aside one that can't be read, remove one that gets no message.

        before: earlier alerts of the same message
        """
        try:
            found = self._queue.load(name)
            if found["about"] == alert.HEARTBEAT and not self._configuration.heartbeat_message:
                self._queue.remove(name)
                self._ping(found)
                return None
            # If the login itself still waits, it is reported later, and the end of its connection gets its own message.
            if not self._channel.wants(found, before) and found["follows"] not in self._queue.names():
                self._queue.remove(name)
                return None
            weighed = self._triage.weigh(found, before)
            self._channel.message([weighed], time.time())
            if not self._triage.settle(weighed):
                return self._triage.in_context(weighed)
            self._queue.remove(name)
        except FileNotFoundError:
            pass
        except Exception as error:  # whatever is wrong with one file must not block the alerts behind it
            self._queue.set_aside_damaged(name, error)
        return None

    def _later(self, why: str, mend: str, asked: "Optional[float]", closed: bool = False) -> float:
        """Return the delay before the next attempt, in seconds: as the service requested, or longer each time.

        A part of it is random, so that the hosts of a fleet that share a webhook do not all retry at the same time.
        closed: the service reports that the webhook accepts nothing
        """
        self._state.failures += 1
        self._probes = []
        if asked is not None:
            seconds = asked + random.uniform(0, min(2**self._asked, WIDEST_SPREAD_SECONDS))  # noqa: S311
            self._asked += 1
        else:
            seconds = self._delay(closed) * random.uniform(1, 1.25)  # noqa: S311
        self._state.waiting(why, mend, seconds, asked is not None)
        return seconds

    def _delay(self, closed: bool) -> float:
        if self._state.failures <= len(RETRY_SECONDS):
            return RETRY_SECONDS[self._state.failures - 1]
        self._is_over = True
        seconds = time.time() - self._state.trouble["since"] if self._state.trouble else 0
        return CLOSED_SECONDS if closed and seconds > CLOSED_FOR_LONG_SECONDS else AFTER_LAST_RETRY_SECONDS

    @staticmethod
    def _pause(seconds: float) -> bool:
        """Wait. Return False if the pause is too long for one run, or if a `flush` asks this run to end."""
        if seconds > LONGEST_PAUSE_SECONDS:
            return False
        return seconds <= 0 or signal.sigtimedwait([MAKE_WAY], seconds) is None


def entry_of(sent: "Alert", status: int) -> "Entry":
    """Return the record of an alert that was delivered now (state.DELIVERY)."""
    # Only a login can be repeated.
    facts = identity.facts_of(sent) if sent["about"] == alert.LOGIN else dict.fromkeys(("address", "key", "type"), "")
    return {
        **facts,
        "id": sent["id"],
        "user": alert.subject(sent),
        "from": wording.origin(sent),
        "login_time": sent["time"],
        "delivered_at": time.time(),
        "status": status,
    }


def _refusal(refused: "Alert", status: "Optional[int]", answer: str, found: Verdict) -> "Entry":
    return {
        "id": refused["id"],
        "from": wording.origin(refused),
        "status": status,
        "answer": answer,
        "kind": found.kind,
        "mend": found.mend,
        "at": time.time(),
    }
