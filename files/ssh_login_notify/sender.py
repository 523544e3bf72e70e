"""The sender: takes alerts from outgoing/, the oldest first, sends them, keeps those that must wait.

One per host. It reads the configuration as root, then gives root up for good before it opens a socket. It ends when
nothing is left, or when what is left must wait for longer than a run stays: a timer starts it again, and each new alert
does.
"""

import json
import random
import time
from email.utils import parsedate_to_datetime

from . import alert, heartbeat, limits, rules, slack
from .config import Configuration
from .journal import trouble
from .spool import ALERT_MODE, Spool
from .state import State
from .text import printable
from .transport import Answer, Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

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
UNDELIVERED = 300  # seconds until the next try, once a run has tried for as long as it does


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
        self._tries = 0
        # How many times in a row Slack has asked for a wait, if only in the run before.
        self._asked = int(self._state.asked)
        self.delivered = 0
        self.last_answer = ""

    def run(self, patient: bool = True) -> bool:
        """Send what waits. Return True when nothing is left.

        patient: obey an earlier run's wait, and try again for a while; else obey only what Slack asked for, and end at
        the first trouble.
        """
        self._keep_to_limits()
        if not self._pause(self._state.seconds_left(asked=not patient)):
            return False
        began = time.monotonic()
        while True:
            self._spool.stop_waking()
            names = self._names()
            if not names:
                return True
            if time.monotonic() - began > LONGEST_RUN:
                self._spool.wake()
                return False
            seconds = self._send(self._next(names))
            if seconds and not (patient and self._pause(seconds)):
                return False
            if seconds:
                self._keep_to_limits()

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

    def _next(self, names: "List[str]") -> "List[str]":
        """Return the names of the alerts that go into the next message: one, or the head of a backlog."""
        enough = DIGEST_FROM_LIMITED if self._asked else DIGEST_FROM
        backlog = len(names) >= enough and names[0] not in self._one_by_one
        return names[: slack.DIGEST_LIMIT] if backlog else names[:1]

    def _send(self, names: "List[str]") -> float:
        """Send a message for these alerts; return the seconds to wait before the next try, 0 when it is settled."""
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
        try:
            answer = self._transport.post(json.dumps(message).encode("ascii"))
        except TransportError as error:
            self.last_answer = str(error)
            self._state.refused(_refusal(alerts[0], None, str(error), WAY))
            return self._later(str(error), "it is tried again", None)
        self.last_answer = f"{answer.status} {printable(answer.text)}"
        return self._settle(alerts, answer)

    def _settle(self, alerts: "List[Alert]", answer: Answer) -> float:
        if answer.status == 200 and answer.text == "ok":
            for sent in alerts:
                self._remove(sent["id"])
            self._tries = self._asked = 0
            self.delivered += len(alerts)
            self._state.delivered([_delivery(sent, answer.status) for sent in alerts])
            for sent in alerts:
                if sent["service"] == alert.HEARTBEAT_SERVICE:
                    self._ping(sent)
            return 0
        mend = slack.mend(answer.status, answer.text)
        self._state.refused(_refusal(alerts[0], answer.status, printable(answer.text), mend))
        if answer.status not in slack.PERMANENT:
            return self._later(self.last_answer, mend, retry_after(answer.retry_after))
        if len(alerts) > 1 and answer.status == 400:
            # One of them may be to blame: each on its own, and only that one is set aside.
            self._one_by_one.update(refused["id"] for refused in alerts)
            return 0
        reason = f"{self.last_answer}: {mend}\n".encode()
        for refused in alerts:
            if refused["service"] == alert.TEST_SERVICE:
                self._remove(refused["id"])  # who waits for a test has the answer from the state
            else:
                self._set_aside(refused["id"], reason)
        return 0

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

    def _later(self, why: str, mend: str, asked: "Optional[float]") -> float:
        """Return the seconds until the next try: what Slack asked for, or longer each time.

        A part of it is left to chance, so that a fleet that shares a webhook does not come back as one.
        """
        self._tries += 1
        if asked is not None:
            seconds = asked + random.uniform(0, min(2**self._asked, WIDEST_SPREAD))  # noqa: S311
            self._asked += 1
        else:
            delay = DELAYS[self._tries - 1] if self._tries <= len(DELAYS) else UNDELIVERED
            seconds = delay * random.uniform(1, 1.25)  # noqa: S311
        self._state.waiting(why, mend, seconds, asked is not None)
        return seconds

    @staticmethod
    def _pause(seconds: float) -> bool:
        """Wait; return False if that is longer than a run may stay."""
        if seconds > LONGEST_STAY:
            return False
        if seconds > 0:
            time.sleep(seconds)
        return True


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
