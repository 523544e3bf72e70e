"""The sender: takes alerts from outgoing/, the oldest first, sends them, keeps those that must wait.

One per host. It reads the configuration as root, then gives root up for good before it opens a socket. It ends when
nothing is left, or when what is left must wait for longer than a run stays: a timer starts it again, and each new alert
does.
"""

import json
import random
import time
from email.utils import parsedate_to_datetime

from . import alert, rules, slack
from .config import Configuration
from .spool import Spool
from .state import State
from .text import printable
from .transport import Answer, Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from .alert import Alert
    from .state import Entry

DIGEST_FROM = 11  # alerts that wait; fewer are sent one by one
DELAYS = (1, 2, 4, 8, 15, 30, 30, 30)  # seconds between two tries of one run, made up to a quarter longer by chance
LONGEST_STAY = 120  # seconds that a run waits for Slack's leave to go on
LONGEST_WAIT = 3600  # seconds; a longer wait than Slack ever asks for is a clock that jumped
WAY = "look at the way to the webhook's host: DNS, firewall, proxy, CA file"
UNDELIVERED = 300  # seconds until the next try, once a run has tried for as long as it does


class Sender:
    """One run over outgoing/."""

    def __init__(self, spool: Spool, configuration: Configuration, transport: Transport) -> None:
        self._spool = spool
        self._configuration = configuration
        self._transport = transport
        self._state = State(spool)
        self._one_by_one: set[str] = set()
        self._tries = 0
        self.delivered = 0
        self.last_answer = ""

    def run(self, patient: bool = True) -> bool:
        """Send what waits. Return True when nothing is left.

        patient: obey an earlier run's wait, and try again for a while; else end at the first trouble.
        """
        if patient and not self._pause(self._state.not_before - time.time()):
            return False
        while True:
            self._spool.remove("state", "wake")
            names = self._spool.names("outgoing")
            if not names:
                return True
            seconds = self._send(self._next(names))
            if seconds and not (patient and self._pause(seconds)):
                return False

    def _next(self, names: "List[str]") -> "List[str]":
        """Return the names of the alerts that go into the next message: one, or the head of a backlog."""
        backlog = len(names) >= DIGEST_FROM and names[0] not in self._one_by_one
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
        try:
            answer = self._transport.post(json.dumps(message).encode("ascii"))
        except TransportError as error:
            self.last_answer = str(error)
            self._state.refused(_refusal(alerts[0], None, str(error), WAY))
            return self._later(str(error), "it is tried again", 0)
        self.last_answer = f"{answer.status} {printable(answer.text)}"
        return self._settle(alerts, answer)

    def _settle(self, alerts: "List[Alert]", answer: Answer) -> float:
        if answer.status == 200 and answer.text == "ok":
            for sent in alerts:
                self._spool.remove("outgoing", sent["id"])
            self._tries = 0
            self.delivered += len(alerts)
            self._state.delivered([_delivery(sent, answer.status) for sent in alerts])
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
                self._spool.remove("outgoing", refused["id"])  # who waits for a test has the answer from the state
            else:
                self._spool.set_aside(refused["id"], reason)
        return 0

    def _load(self, name: str) -> "Optional[Alert]":
        """Return an alert to send; one that can't be read is set aside, one that needs no message is done with."""
        try:
            found = alert.from_json(self._spool.read("outgoing", name))
            if found["id"] != name:
                raise ValueError("its id is not its name")
            if not rules.is_ignored(found, self._configuration):
                slack.single(found, self._configuration, time.time())
                return found
            self._spool.remove("outgoing", name)
        except FileNotFoundError:
            pass
        except Exception as error:  # whatever is wrong with a file, those behind it must not wait for it
            why = str(error) if isinstance(error, (OSError, ValueError)) else f"damaged: {error!r}"
            self._spool.set_aside(name, printable(why).encode("utf-8") + b"\n")
        return None

    def _later(self, why: str, mend: str, asked: float) -> float:
        """Return the seconds until the next try: what Slack asked for, or longer each time."""
        self._tries += 1
        delay = DELAYS[self._tries - 1] if self._tries <= len(DELAYS) else UNDELIVERED
        # By chance, so that a fleet does not try as one.
        seconds = max(delay * random.uniform(1, 1.25), asked)  # noqa: S311
        self._state.waiting(why, mend, seconds)
        return seconds

    @staticmethod
    def _pause(seconds: float) -> bool:
        """Wait; return False if that is longer than a run may stay."""
        if LONGEST_STAY < seconds <= LONGEST_WAIT:
            return False
        if 0 < seconds <= LONGEST_STAY:
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


def retry_after(header: "Optional[str]") -> float:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date), 0 for none."""
    if not header:
        return 0
    text = header.strip()
    if text.isdecimal():
        return float(min(int(text[:9]), LONGEST_WAIT))  # Python refuses to read thousands of digits
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0), LONGEST_WAIT)
    except (TypeError, ValueError, OverflowError):
        return 0
