# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulate how long many hosts take that share one webhook, while Slack accepts one message a second.

The senders are the product's own (files/ssh_login_notify/delivery.py), each with its own spool on the disk. Only the
clock and the network are simulated: a thread that sleeps yields to the one that wakes next, and the clock jumps to that
time. So an hour of a thousand hosts takes a minute or two, and the same seed gives the same figures.
"""

from __future__ import annotations

import heapq
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tests.lab.tables import table
from tools.command import say

from .report import Finding

if TYPE_CHECKING:
    from .servers import Stage

from ssh_login_notify import alert as alerts
from ssh_login_notify.capture import Capture
from ssh_login_notify.channels.slack import Channel
from ssh_login_notify.config import Configuration
from ssh_login_notify.delivery import Delivery
from ssh_login_notify.queue import Queue
from ssh_login_notify.spool import DIRECTORIES, Spool
from ssh_login_notify.transport import Answer
from ssh_login_notify.triage import Triage

RUNS = 1000  # hosts, at most
SEED = 1
STARTED = 1_800_000_000.0  # seconds since the epoch, of the simulated clock
WITHIN_SECONDS = 60.0  # in which all logins happen
ROUND_TRIP_SECONDS = 0.2
# OnActiveSec= and RandomizedDelaySec= of ssh-login-notify-retry.timer, which a run starts that ends with alerts left.
RETRY_SECONDS = 52.0
RETRY_SPREAD_SECONDS = 5.0
LONGEST_SECONDS = 8 * 3600.0  # then the simulation ends, and the remaining logins count as not delivered
CONFIGURATION = {"webhook_url": "https://slack.invalid/services/T00000000/B00000000/not-a-real-secret"}
HEAD = ["hosts, logins each", "Retry-After, s", "all delivered, min", "at best, min", "median login, min",
        "messages", "refused (429)", "not delivered"]  # fmt: skip


class Clock:
    """Simulated time. Threads take turns: the one that wakes next runs, alone, until it sleeps or ends."""

    def __init__(self) -> None:
        self.now = STARTED
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._count = 0
        self._idle = threading.Event()
        self.over = False

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        turn = threading.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + max(seconds, 0.0), self._count, turn))
        self._idle.set()
        turn.wait()
        if self.over:
            raise SystemExit

    def start(self, life: Callable[[], None]) -> None:
        """Start a thread, and return when it sleeps or has ended."""

        def run() -> None:
            try:
                life()
            finally:
                self._idle.set()

        self._idle.clear()
        threading.Thread(target=run, daemon=True).start()
        self._idle.wait()

    def run(self) -> None:
        """Advance the time until no thread sleeps any more, or until LONGEST_SECONDS have passed."""
        while self._sleepers:
            self.now, _count, turn = heapq.heappop(self._sleepers)
            self.over = self.over or self.now > STARTED + LONGEST_SECONDS
            self._idle.clear()
            turn.set()
            self._idle.wait()

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Use this clock in the whole process during the block."""
        # While a sender waits, a person who runs `flush` can ask it to give way. Here nobody does.
        waits = mock.patch("signal.sigtimedwait", lambda _signals, seconds: self.sleep(seconds))
        with mock.patch.multiple("time", time=self.time, monotonic=self.time, sleep=self.sleep), waits:
            yield


@dataclass
class Slack:
    """A webhook that accepts one message a second, and answers 429 to all others."""

    clock: Clock
    retry_after: int
    free_at: float = 0.0
    taken: int = 0
    refused: int = 0

    def post(self, _body: bytes) -> Answer:
        """Return the answer of a Transport, after a simulated round trip."""
        self.clock.sleep(ROUND_TRIP_SECONDS / 2)
        fits = self.clock.now >= self.free_at
        if fits:
            self.free_at = self.clock.now + 1.0
            self.taken += 1
        else:
            self.refused += 1
        self.clock.sleep(ROUND_TRIP_SECONDS / 2)
        return Answer(200, "ok", None) if fits else Answer(429, "rate_limited", str(self.retry_after))


@dataclass
class Host:
    """A host with its spool. Logins happen on it, and its sender runs when systemd would start it."""

    clock: Clock
    slack: Slack
    spool: Spool
    logins: int
    waits: list[float] = field(default_factory=list)  # seconds from each login to its delivery
    running: bool = False

    def log_in(self, at: float, number: int) -> None:
        """Log in after `at` seconds. As systemd's path unit does, start the sender unless it is running."""
        self.clock.sleep(at)
        name = f"{self.clock.now:017.6f}-{number + 2}"
        login = Capture(name, b"capture=1\0\0PAM_USER=deploy\0SSH_CONNECTION=192.0.2.7 40000 192.0.2.1 22\0")
        self.spool.write("outgoing", name, alerts.to_json(alerts.build(login, "SFTP or SCP")), 0o640)
        self.spool.wake()
        if not self.running:
            self.send()

    def send(self) -> None:
        self.running = True
        configuration = Configuration(CONFIGURATION)
        while (Path(self.spool.root) / "state" / "wake").exists():
            Delivery(Queue(self.spool), configuration, _Noting(self), Triage(self.spool, configuration)).run()
        self.running = False

    def keep_trying(self) -> None:
        """Run the sender as the timer does, until every login has happened and is delivered."""
        while len(self.waits) < self.logins:
            self.clock.sleep(RETRY_SECONDS + random.uniform(0, RETRY_SPREAD_SECONDS))
            if not self.running and self.spool.names("outgoing"):
                self.spool.wake()
                self.send()


class _Noting(Channel):
    """The host's channel, which records when each login was delivered."""

    def __init__(self, host: Host) -> None:
        configuration = Configuration(CONFIGURATION)
        super().__init__(configuration.channels[0], configuration, None)
        self._host = host

    def send(self, message: bytes, alerts: list[alerts.Alert]) -> Answer:
        answer = self._host.slack.post(message)
        if answer.status == 200:
            self._host.waits += [self._host.clock.now - sent["time"] for sent in alerts]
        return answer


def simulate(hosts: int, logins: int, retry_after: int) -> list[str]:
    """Return a line of the table, for this many hosts and logins on each within a minute."""
    random.seed(SEED)
    clock = Clock()
    slack = Slack(clock, retry_after)
    with tempfile.TemporaryDirectory(prefix="loginwatch-hosts-") as directory, clock.everywhere():
        fleet = [Host(clock, slack, _spool(Path(directory) / str(number)), logins) for number in range(hosts)]
        for host in fleet:
            clock.start(host.keep_trying)
            for number in range(logins):
                at = random.uniform(0, WITHIN_SECONDS)
                clock.start(partial(host.log_in, at, number))
        clock.run()
    waits = sorted(wait for host in fleet for wait in host.waits)
    missing = hosts * logins - len(waits)
    return [
        f"{hosts:,}, {logins}",
        str(retry_after),
        f"{waits[-1] / 60:.1f}",
        f"{hosts / 60:.1f}",
        f"{waits[len(waits) // 2] / 60:.1f}",
        str(slack.taken),
        str(slack.refused),
        str(missing),
    ]


def _spool(root: Path) -> Spool:
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    return Spool(str(root))


def measure(_stage: Stage | None, runs: int) -> Finding:
    """Simulate one and ten logins on each host, for fleets of growing size, up to `runs` hosts."""
    rows = []
    for hosts in sorted({min(size, runs) for size in (10, 100, 300, runs)}):
        for logins in (1, 10):
            for retry_after in (1, 30):
                say(f"webhook: {hosts} hosts, {logins} logins on each, Retry-After: {retry_after}")
                rows.append(simulate(hosts, logins, retry_after))
    broken = [f"{row[0]}: {row[-1]} logins were not delivered" for row in rows if row[-1] != "0"]
    intro = f"Everybody logs in within a minute; Slack takes one message a second. Simulated, seed {SEED}."
    return Finding(f"{intro}\n\n{table(HEAD, rows)}", broken)
