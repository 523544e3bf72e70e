"""The sender: takes alerts from outgoing/, the oldest first, sends them, keeps those that must wait.

One per host. It reads the configuration as root, then gives root up for good before it opens a socket. It ends when
nothing is left, or when it has tried for a while: a timer starts it again within a minute, and each new alert does.

Only Slack's own words settle a message. Whatever else is answered, the alert waits and is tried again. Where it is one
message that does not pass, and not the way, the others overtake it: after a few tries others are tried as well, and
what fails once more after one of them was delivered is stuck. That one is tried now and then.

Where no answer comes, the message may be in the channel. So it is not repeated more than a few times before Slack has
answered to something else: to another alert, or to a message without a text, which it refuses (`knock`).
"""

import json
import random
import signal
import time
from email.utils import parsedate_to_datetime

from . import alert, config, heartbeat, limits, rules, slack
from .config import Configuration
from .journal import trouble
from .spool import ALERT_MODE, Spool
from .state import NEVER, State
from .text import printable
from .transport import Answer, Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from .alert import Alert
    from .overflow import Rest
    from .state import Entry

DIGEST_FROM = 11  # alerts that wait; fewer are sent one by one
DIGEST_FROM_LIMITED = 2  # the same, once Slack has said that this is too much
DELAYS = (1, 2, 4, 8, 15, 30, 30, 30)  # seconds between two tries of one run, made up to a quarter longer by chance
WIDEST_SPREAD = 64  # seconds, by chance up to that many after a wait that Slack asked for; one at the first time
LONGEST_STAY = 120  # seconds that a run waits for Slack's leave to go on
LONGEST_WAIT = 3600  # seconds; no more than that is waited at Slack's wish, which never asks for as much
LONGEST_RUN = 600  # seconds; then the next run goes on, before systemd takes this one for stuck
WAY = "look at the way to the webhook's host: DNS, firewall, proxy, CA file"
# Between two tries once a run has tried for as long as it does. The timer, or cron, comes within a minute.
UNDELIVERED_SECONDS = 40
# The same, when Slack has said for an hour that the webhook is closed: only a person can change that.
CLOSED_SECONDS = 300
CLOSED_FOR_LONG_SECONDS = 3600
# Tries of one message before others are tried, too; or, when it may have been taken, before it is stuck.
FEW_TRIES = 4
# The first wait of a stuck alert; the next ones double, up to the longest.
STUCK_SECONDS = 600
LONGEST_STUCK_SECONDS = 3600
MOST_DOUBLINGS = 10
# Slack answers to it with one of its own words, and posts nothing.
KNOCK = b"{}"
# How often a message is repeated that may have been taken each time. After that only a person, or another
# configuration, has it sent again.
MOST_UNSURE = 8
# Asks a sender that waits to leave the rest to somebody who flushes. To all who don't wait for it, it does nothing.
MAKE_WAY = signal.SIGURG


class Sender:
    """One run over outgoing/."""

    def __init__(
        self, spool: Spool, configuration: Configuration, transport: Transport, rest: "Optional[Rest]" = None
    ) -> None:
        """rest: alerts that the spool had no room for."""
        self._spool = spool
        self._rest = rest
        self._configuration = configuration
        self._transport = transport
        self._state = State(spool)
        self._one_by_one: set[str] = set()
        # Alerts to try next, out of turn.
        self._probes: List[str] = []
        self._is_probe = False
        # Since the last wait: what failed, and whether it was alone in its message; whether something was delivered.
        self._failed: Dict[str, bool] = {}
        self._is_open = False
        self._patient = True
        # Whether this run has tried for as long as it does.
        self._is_over = False
        # How many times in a row Slack has asked for a wait, if only in the run before.
        self._asked = int(self._state.asked)
        self.delivered = 0
        self.last_answer = ""

    def run(self, patient: bool = True) -> bool:
        """Send what waits. Return True when nothing is left that is due.

        patient: obey an earlier run's wait, and try again for a while; else obey only what Slack asked for, and end at
        the first trouble.
        """
        self._patient = patient
        self._keep_to_limits()
        if config.changed_at() > self._state.agreed_at and not self._state.asked:
            self._state.failures = 0  # another webhook, perhaps
        elif not self._pause(self._state.seconds_left(asked=not patient)):
            return False
        began = time.monotonic()
        while True:
            self._spool.stop_waking()
            waiting = self._names()
            self._state.keep_tried(waiting)
            names = self._next(waiting, patient)
            if not names:
                return True
            if time.monotonic() - began > LONGEST_RUN:
                self._spool.wake()
                return False
            seconds = self._send(names)
            if seconds and (not patient or self._is_over or not self._pause(seconds)):
                return False
            if seconds:
                self._keep_to_limits()
                self._failed = {}
                self._is_open = False

    def is_due(self) -> bool:
        """Tell whether something waits that is to be tried now."""
        names = [name for name in self._names() if name not in self._failed]
        return any(self._state.is_due(name, config.changed_at()) for name in names)

    def _keep_to_limits(self) -> None:
        limits.enforce(self._spool, self._state, self._configuration.most_waiting, self._configuration.most_waiting_mib)

    def _names(self) -> "List[str]":
        """Return the names of all that waits, the oldest first."""
        waiting = self._spool.names("outgoing")
        return sorted({*waiting, *self._rest.names()}) if self._rest else waiting

    def _read(self, name: str) -> bytes:
        kept = self._rest.get(name) if self._rest else None
        return self._spool.read("outgoing", name) if kept is None else kept

    def _remove(self, name: str) -> None:
        self._spool.remove("outgoing", name)
        if self._rest:
            self._rest.remove(name)

    def _next(self, names: "List[str]", patient: bool) -> "List[str]":
        """Return the names of the alerts that go into the next message: one, or the head of a backlog."""
        self._is_probe = bool(self._probes)
        if self._is_probe:
            return [self._probes.pop(0)]
        waiting = [name for name in names if not self._state.is_stuck(name)]
        if not waiting:
            stuck = [name for name in names if name not in self._failed]
            return [name for name in stuck if not patient or self._state.is_due(name, config.changed_at())][:1]
        enough = DIGEST_FROM_LIMITED if self._asked else DIGEST_FROM
        backlog = len(waiting) >= enough and waiting[0] not in self._one_by_one
        return waiting[: slack.DIGEST_LIMIT] if backlog else waiting[:1]

    def _send(self, names: "List[str]") -> float:
        """Send a message for these alerts; return the seconds to wait before the next try, 0 for none."""
        alerts = [found for found in map(self._load, names) if found]
        if not alerts:
            return 0
        now = time.time()
        alerts = slack.fitting(alerts, self._configuration, now)
        if len(alerts) > 1:
            message = slack.digest(alerts, self._configuration, now)
        else:
            message = slack.single(alerts[0], self._configuration, now)
        if self._state.untold:
            slack.add_dropped(message, self._state.untold)
        if any(self._may_be_there(sent["id"]) for sent in alerts) and not self._is_open:
            seconds = self._knock(alerts)
            if seconds:
                return seconds
        try:
            answer = self._transport.post(json.dumps(message).encode("ascii"))
        except TransportError as error:
            self.last_answer = str(error)
            self._state.refused(_refusal(alerts[0], None, str(error), WAY))
            if error.sent:
                return self._in_vain(alerts, None, "it is tried again")
            return self._later(str(error), "it is tried again", None)
        self.last_answer = str(answer)
        return self._settle(alerts, answer)

    def _may_be_there(self, name: str) -> bool:
        """Tell whether an alert may be in the channel after too many lost answers to try it again as it is.

        Once an hour it is tried all the same, and by whoever flushes, and with another configuration.
        """
        at = self._state.tried_at(name)
        is_new = time.time() - LONGEST_STUCK_SECONDS < at <= time.time() and at >= config.changed_at()
        return self._patient and is_new and self._state.lost(name) >= FEW_TRIES

    def _knock(self, alerts: "List[Alert]") -> float:
        """Ask Slack for an answer, and return 0 when it has come; else the seconds until the next try."""
        asked = None
        try:
            answer = self._transport.post(KNOCK)
            if slack.is_slacks(answer.status, answer.text):
                self._is_open = True
                # On a kept connection the transport would repeat a message once by itself.
                self._transport.close()
                return 0
            self.last_answer, asked = str(answer), retry_after(answer.retry_after)
        except TransportError as error:
            self.last_answer = str(error)
        lost = max(self._state.lost(sent["id"]) for sent in alerts)
        stuck = f"an alert is stuck, {lost} times no answer came to it, so the channel may have it"
        why = f"{self.last_answer}; {stuck}"
        return self._later(why, WAY, asked)

    def _settle(self, alerts: "List[Alert]", answer: Answer) -> float:
        if slack.is_delivered(answer.status, answer.text):
            self._done(alerts, answer)
            return 0
        mend = slack.mend(answer.status, answer.text)
        self._state.refused(_refusal(alerts[0], answer.status, answer.words, mend))
        asked = retry_after(answer.retry_after)
        if asked is not None or answer.status == 429:
            return self._later(self.last_answer, mend, asked)
        if slack.is_refused(answer.status, answer.text):
            self._refuse(alerts, f"{self.last_answer}: {mend}\n".encode())
            return 0
        if slack.is_closed(answer.status, answer.text) or slack.may_be_taken(answer.status, answer.text):
            alerts = self._without_tests(alerts)
        return self._in_vain(alerts, answer, mend)

    def _done(self, alerts: "List[Alert]", answer: Answer) -> None:
        for sent in alerts:
            self._remove(sent["id"])
        self._asked = 0
        self._is_open = True
        self._probes = []
        self.delivered += len(alerts)
        self._state.delivered([_delivery(sent, answer.status) for sent in alerts], forgive=not self._failed)
        for sent in alerts:
            if sent["service"] == alert.HEARTBEAT_SERVICE:
                self._ping(sent)

    def _refuse(self, alerts: "List[Alert]", reason: bytes) -> None:
        """Be done with what Slack refuses for the message's sake."""
        if len(alerts) > 1:
            # One of them may be to blame: each on its own, and only that one is set aside.
            self._one_by_one.update(refused["id"] for refused in alerts)
            return
        for refused in self._without_tests(alerts):
            self._set_aside(refused["id"], reason)

    def _without_tests(self, alerts: "List[Alert]") -> "List[Alert]":
        """Be done with test alerts, and return the others: who waits for a test has the answer from the state."""
        for test in alerts:
            if test["service"] == alert.TEST_SERVICE:
                self._remove(test["id"])
        return [other for other in alerts if other["service"] != alert.TEST_SERVICE]

    def _in_vain(self, alerts: "List[Alert]", answer: "Optional[Answer]", mend: str) -> float:
        """Return the seconds until the next try after a message that was seen and not taken.

        It may be the way, or it may be the message. Others tell: see the module's text.
        """
        names = [tried["id"] for tried in alerts]
        if not names:
            return 0
        status = answer.status if answer else None
        unsure = answer is not None and slack.may_be_taken(answer.status, answer.text)
        was_stuck = self._state.is_stuck(names[0])
        self._state.in_vain(names, status, unsure)
        self._failed.update(dict.fromkeys(names, len(names) == 1))
        if was_stuck or min(map(self._state.tries, names)) >= FEW_TRIES:
            if was_stuck or unsure or self._is_open:
                if len(names) == 1:
                    self._stick(names[0], mend)
                else:
                    self._one_by_one.update(names)
                return 0
            if not self._is_probe:
                self._probes = self._others()
        if self._probes:
            return 0
        closed = answer is not None and slack.is_closed(answer.status, answer.text)
        return self._later(self.last_answer, mend, None, closed)

    def _others(self) -> "List[str]":
        """Return alerts by which to find out whether the way is open: of those that were tried least, two.

        The oldest, as it would be the next one; and the newest, for what somebody has made not to pass may have been
        made in numbers.
        """
        others = [name for name in self._names() if not self._failed.get(name) and not self._state.is_stuck(name)]
        fewest = min(map(self._state.tries, others), default=0)
        others = [name for name in others if self._state.tries(name) == fewest]
        return sorted({*others[:1], *others[-1:]})

    def _stick(self, name: str, mend: str) -> None:
        """Let others go before an alert, and have it tried again after a while, each time a longer one."""
        entry = self._state.tried.get(name)
        if not entry:
            return  # there are too many of them to keep account of
        if not entry["again_at"]:
            trouble(f"{name} is stuck, others are sent before it: {self.last_answer}: {mend}")
        doublings = min(max(entry["tries"] - FEW_TRIES - 1, 0), MOST_DOUBLINGS)
        seconds = min(STUCK_SECONDS * 2**doublings, LONGEST_STUCK_SECONDS)
        never = entry["unsure"] >= MOST_UNSURE
        self._state.stick(name, NEVER if never else seconds * random.uniform(1, 1.25))  # noqa: S311

    def _set_aside(self, name: str, reason: bytes) -> None:
        kept = self._rest.get(name) if self._rest else None
        if self._rest and kept is not None:
            try:
                self._spool.write("failed", name, kept, ALERT_MODE)
            except OSError as error:
                trouble(f"{name} can't be set aside, and is gone: {error}")
            self._rest.remove(name)
        else:
            self._spool.set_aside(name, reason)
        trouble("{} is set aside in the spool's failed/: {}".format(name, reason.decode("utf-8").rstrip()))

    def _ping(self, beat: "Alert") -> None:
        """Tell the dead man's switch, if there is one and if all is well."""
        if self._configuration.heartbeat_ping_url and not beat["notes"]:
            self._state.pinged(heartbeat.ping(self._transport, self._configuration))

    def _load(self, name: str) -> "Optional[Alert]":
        """Return an alert to send; one that can't be read is set aside, one that needs no message is done with."""
        try:
            found = alert.from_json(self._read(name))
            if found["id"] != name:
                raise ValueError("its id is not its name")
            silent = found["service"] == alert.HEARTBEAT_SERVICE and not self._configuration.heartbeat_message
            if not silent and not rules.is_ignored(found, self._configuration):
                slack.single(found, self._configuration, time.time())
                return found
            self._remove(name)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever is wrong with a file, those behind it must not wait for it
            why = str(error) if isinstance(error, (OSError, ValueError)) else f"damaged: {error!r}"
            self._set_aside(name, printable(why).encode("utf-8") + b"\n")
            return None
        if silent:
            self._ping(found)
        return None

    def _later(self, why: str, mend: str, asked: "Optional[float]", closed: bool = False) -> float:
        """Return the seconds until the next try: what Slack asked for, or longer each time.

        A part of it is left to chance, so that a fleet that shares a webhook does not come back as one.
        closed: Slack says that it takes nothing from this webhook.
        """
        self._state.failures += 1
        self._probes = []
        if asked is not None:
            seconds = asked + random.uniform(0, min(2**self._asked, WIDEST_SPREAD))  # noqa: S311
            self._asked += 1
        else:
            seconds = self._delay(closed) * random.uniform(1, 1.25)  # noqa: S311
        self._state.waiting(why, mend, seconds, asked is not None)
        return seconds

    def _delay(self, closed: bool) -> float:
        if self._state.failures <= len(DELAYS):
            return DELAYS[self._state.failures - 1]
        self._is_over = True
        seconds = time.time() - self._state.trouble["since"] if self._state.trouble else 0
        return CLOSED_SECONDS if closed and seconds > CLOSED_FOR_LONG_SECONDS else UNDELIVERED_SECONDS

    @staticmethod
    def _pause(seconds: float) -> bool:
        """Wait; return False if that is longer than a run may stay, or if somebody who flushes asks us to leave."""
        if seconds > LONGEST_STAY:
            return False
        return seconds <= 0 or signal.sigtimedwait([MAKE_WAY], seconds) is None


def _delivery(sent: "Alert", status: int) -> "Entry":
    return {
        "id": sent["id"],
        "user": sent["user"],
        "from": slack.origin(sent),
        "login_time": sent["time"],
        "delivered_at": time.time(),
        "status": status,
    }


def _refusal(refused: "Alert", status: "Optional[int]", answer: str, mend: str) -> "Entry":
    return {
        "id": refused["id"],
        "from": slack.origin(refused),
        "status": status,
        "answer": answer,
        "mend": mend,
        "at": time.time(),
    }


def retry_after(header: "Optional[str]") -> "Optional[float]":
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date), None for none."""
    text = (header or "").strip()
    if text.isdecimal():
        return float(min(int(text[:9]), LONGEST_WAIT))  # Python refuses to read thousands of digits
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0), LONGEST_WAIT)
    except (TypeError, ValueError, OverflowError):
        return None
