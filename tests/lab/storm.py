# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A storm of logins: many within a minute on a host, while the webhook takes one message a second, as Slack does.

Real clients (logins/fleet.py) log in to three accounts, with three keys, from four addresses. No login may be lost,
reported twice or reported wrongly, and the load on the host must stay small. `./dev bench storm` makes a thousand
logins, `./dev test storm` fewer.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, quantiles
from typing import Any

from .accounting import LOG, accounted
from .command import LabError
from .containers import INSIDE, Server
from .logins.fleet import Fleet, Visit
from .receiver.client import Alert, Message, Receiver
from .types import UNKNOWN, is_less_and_true

AT_A_TIME = 8  # clients; more of them would only wait for a processor
PORT = 2222  # of the sshd that is measured on a host without systemd
ACCOUNT = f"/usr/bin/python3 -B {INSIDE}/account.py --adopt"
WATCH = f"python3 -B {INSIDE}/watch.py"
PROBE = f"{ACCOUNT} /usr/bin/python3 -B {INSIDE}/probe.py 2>&1 >> {LOG}"  # account.py gives it our standard error
PROBES = "203.0.113.50 port 45006"  # the source of the logins that inside/hold.py simulates
DELIVERY_SECONDS = 120.0  # limit until the last alert must arrive; the time that it took is a result
BARE, HOOK, USED = 0, 1, 2  # indexes of a turn


@dataclass(frozen=True)
class Storm:
    """The data of a storm, and all its results."""

    server: str
    visits: list[Visit]
    reports: list[Alert]  # in the order of their messages, without those of the probes
    probe_reports: list[Alert]
    messages: list[Message]  # every request, also refused ones
    # Milliseconds that bare Python and the hook held a login, and processor time of bare Python; in order of time.
    turns: list[tuple[float, float, float]]
    watch: dict[str, Any]  # the output of inside/watch.py
    milliseconds: float  # processor time of observers, finishers, senders and the hooks' forks

    @property
    def seconds(self) -> float:
        """From the start of the first login to the end of the last one."""
        return max(visit.ended for visit in self.visits) - min(visit.started for visit in self.visits)

    @property
    def failed(self) -> list[Visit]:
        """Logins that failed for the client."""
        return [visit for visit in self.visits if visit.error]

    @property
    def delivered(self) -> list[Message]:
        return [message for message in self.messages if message.delivered]

    @cached_property
    def told(self) -> list[tuple[Visit, list[Alert]]]:
        """Each login with its reports, matched by the client's port and, because ports are reused, by the time."""
        by_source = defaultdict(list)
        for report in self.reports:
            by_source[report.source].append(report)
        return [
            (visit, [report for report in by_source[visit.source] if during(report, visit)]) for visit in self.visits
        ]

    @property
    def lost(self) -> list[Visit]:
        """Logins that no message reports."""
        return [visit for visit, reports in self.told if not visit.error and not reports]

    @property
    def doubled(self) -> int:
        """Repeated reports: of the same login, or, because all probes look alike, with the same id."""
        again = sum(len(reports[1:]) for _visit, reports in self.told)
        return again + len(self.probe_reports) - len({report.id for report in self.probe_reports})

    @property
    def untrue(self) -> list[Alert]:
        """Reports of no login, and reports with a wrong user, key, time or type."""
        right = [report for visit, reports in self.told for report in reports if tells(report, visit)]
        return [report for report in self.reports if report not in right]

    @property
    def unknown(self) -> int:
        """Logins whose type was not seen in time."""
        return sum(report.type == UNKNOWN for report in self.reports)

    @property
    def less(self) -> int:
        """Logins that were reported as over at once, without what they ran."""
        return sum(is_less_and_true(report.type, visit.type) for visit, reports in self.told for report in reports)

    @property
    def bad(self) -> list[Message]:
        """Requests that break or almost break a rule, mention somebody, or contain a link or an invisible character."""
        return [message for message in self.messages if not message.harmless or message.raw["warnings"]]

    @property
    def drain(self) -> float:
        """Seconds from the last login's end to the last message."""
        return self.delivered[-1].received_at - max(visit.ended for visit in self.visits)

    @property
    def refused(self) -> list[Message]:
        """Requests above the rate limit. Raises LabError if there was none, because then this was no storm."""
        found = [message for message in self.messages if message.status == 429]
        if not found:
            raise LabError(f"{self.server}: the limit of one message a second was never met")
        return found

    @property
    def wait(self) -> float:
        """Average seconds from a request above the limit to the next message."""
        waits = []
        for refused in self.refused:
            later = [message.received_at for message in self.delivered if message.number > refused.number]
            waits.append(later[0] - refused.received_at if later else math.inf)
        return mean(waits)

    @property
    def cost(self) -> float:
        """Processor time per login, probes included, as a multiple of starting bare Python meanwhile.

        A slower machine, or one whose caches are shared, takes longer for both.
        """
        logins = len(self.visits) + len(self.turns)
        return self.milliseconds / logins / mean(turn[USED] for turn in self.turns)

    @property
    def held(self) -> float:
        """How long the hook held a login, as a multiple of bare Python."""
        return quick(self.turns, HOOK) / quick(self.turns, BARE)

    @property
    def growth(self) -> float:
        """How long the hook held a login in the last third of the storm, as a multiple of the first third.

        In milliseconds or as a multiple of bare Python, whichever has grown less: a machine that has become busier
        slows both, while a hook that does more has grown by both measures.
        """
        third = len(self.turns) // 3
        first, last = self.turns[:third], self.turns[-third:]
        growth = [quick(last, program) / quick(first, program) for program in (BARE, HOOK)]
        return min(growth[HOOK], growth[HOOK] / growth[BARE])


def quick(turns: list[tuple[float, float, float]], program: int) -> float:
    """Return the lower quartile, because a run that waited for a processor does not show the work that it did."""
    return quantiles([turn[program] for turn in turns], n=4)[0]


def during(report: Alert, visit: Visit) -> bool:
    """Return whether the reported login began during this visit."""
    return visit.started <= report.time <= visit.ended


def tells(report: Alert, visit: Visit) -> bool:
    """Return whether a report is true of a visit. A type not seen in time can be shown in part, or as `unknown`."""
    return (
        (report.user, report.key) == (visit.user, f"publickey ED25519 {visit.fingerprint}")
        and (report.type in (visit.type, UNKNOWN) or is_less_and_true(report.type, visit.type))
        and report.seconds == int(report.time)
    )


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    title: str
    value: Callable[[Storm], float]
    highest: float = math.inf
    lowest: float = -math.inf

    @property
    def budget(self) -> str:
        """The limit, in words."""
        if self.highest == math.inf:
            return ""
        return f"{self.highest:g}" if self.highest in (0, self.lowest) else f"at most {self.highest:g}"

    def holds(self, storm: Storm) -> bool:
        return self.lowest <= self.value(storm) <= self.highest

    def cell(self, storm: Storm) -> str:
        """Return the value, followed by BROKEN if it is outside the limit."""
        value = self.value(storm)
        text = f"{value:,}" if isinstance(value, int) else f"{value:.2f}" if value < 10 else f"{value:.1f}"
        return text if self.holds(storm) else f"{text} BROKEN"


FIGURES = [
    Figure("logins", lambda storm: len(storm.visits)),
    Figure("in how many seconds", lambda storm: storm.seconds),
    Figure("logins that failed", lambda storm: len(storm.failed), highest=0),
    Figure("lost", lambda storm: len(storm.lost), highest=0),
    Figure("doubled", lambda storm: storm.doubled, highest=0),
    Figure("reported wrongly", lambda storm: len(storm.untrue), highest=0),
    Figure("type unknown", lambda storm: storm.unknown),
    Figure("type known in part", lambda storm: storm.less),
    Figure("messages", lambda storm: len(storm.delivered)),
    Figure("requests above the limit", lambda storm: len(storm.refused)),
    Figure("requests against Slack's rules", lambda storm: len(storm.bad), highest=0),
    # The second that Slack requests, up to two more by chance, and the delay of a busy machine.
    Figure("from there to the next message, s", lambda storm: storm.wait, highest=5),
    Figure("last login to last message, s", lambda storm: storm.drain, highest=15),
    Figure("observers at a time", lambda storm: storm.watch["observers"], highest=1, lowest=1),
    Figure("senders at a time", lambda storm: storm.watch["senders"], highest=1, lowest=1),
    Figure("memory of both, MiB", lambda storm: storm.watch["kib"] / 1024, highest=60),
    # 2.0 to 2.9 alone, and up to 3.2 next to four busy processes on two processors. Twice the cost is at least 4.1.
    Figure("processor time a login ÷ bare Python", lambda storm: storm.cost, highest=4),
    Figure("hook ÷ bare Python", lambda storm: storm.held, highest=1.5),  # 1.15 when idle: ./dev bench hook
    Figure("last third of it ÷ first third", lambda storm: storm.growth, highest=1.5),  # no growth with the backlog
]


def rows_of(storms: list[Storm]) -> list[list[str]]:
    """Return the lines of the table."""
    return [[figure.title, figure.budget, *map(figure.cell, storms)] for figure in FIGURES]


def breaches(storm: Storm) -> list[str]:
    """Return every broken promise, one sentence each."""
    return [
        f"{storm.server}: {figure.title}: {figure.cell(storm)}; promised: {figure.budget}"
        for figure in FIGURES
        if not figure.holds(storm)
    ]


def raise_storm(server: Server, receiver: Receiver, people: Fleet, logins: int) -> Storm:
    """Have people log in this often while the webhook takes one message a second. Returns when all is reported."""
    prepare(server, people)
    with accounting(server) as port, receiver.misbehaving("rate_limit"):
        last = receiver.last()
        with meter(server, WATCH) as watch, meter(server, PROBE) as probe:
            visits = people.log_in(server.address, port, logins, AT_A_TIME)
            turns = read(probe)
            messages = told(receiver, last, expected=len(turns) + sum(not visit.error for visit in visits))
            seen = read(watch)
        server.wait_until_quiet()
        account = [json.loads(line) for line in server.output("cat", LOG).splitlines()]
    reports = [report for message in messages if message.delivered for report in message.alerts]
    return Storm(
        server=server.title,
        visits=visits,
        reports=[report for report in reports if report.source != PROBES],
        probe_reports=[report for report in reports if report.source == PROBES],
        messages=messages,
        turns=[(bare, hook, used) for bare, hook, used in turns],
        watch=seen,
        milliseconds=sum(process["milliseconds"] for process in account),
    )


def prepare(server: Server, people: Fleet) -> None:
    """Create the accounts, authorize the keys, and let sshd accept as many connections at once as come."""
    server.shell("echo MaxStartups 1000 > /etc/ssh/sshd_config.d/storm.conf; kill -HUP $(cat /run/sshd.pid)")
    keys = "\n".join(people.public_keys)
    for user in people.accounts:
        directory = f"/home/{user}/.ssh"
        server.shell(
            f"id {user} || useradd -m -s /bin/bash {user}; install -d -m 700 -o {user} -g {user} {directory}; "
            f"echo '{keys}' > {directory}/authorized_keys; chown {user}: {directory}/authorized_keys"
        )


@contextmanager
def accounting(server: Server) -> Iterator[int]:
    """Measure the notifier's processes during the block (inside/account.py). Yields the port to log in at."""
    if server.shell("[ ! -d /run/systemd/system ] || echo systemd"):
        with accounted(server):
            server.wait_until_quiet()
            server.output("truncate", "--size=0", LOG)
            yield 22
        return
    # Without systemd, sshd is the container's first process and can't be restarted, so another sshd is measured.
    sshd = f"/usr/sbin/sshd -D -e -p {PORT} -o PidFile=none"
    pid = server.shell(f"truncate --size=0 {LOG}; {ACCOUNT} {sshd} >> {LOG} 2> /dev/null & echo $!")
    try:
        yield PORT
    finally:
        server.output("kill", pid)


@contextmanager
def meter(server: Server, command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a measuring script on the server until its standard input is closed; see read()."""
    words = ["docker", "exec", "--interactive", server.container, "sh", "-c", f"exec {command}"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process  # the end of the block closes its standard input, and waits for it


def read(process: subprocess.Popen[str]) -> Any:
    """End a measuring script, and return its result. Raises LabError if the script has failed."""
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    line = process.stdout.readline()
    try:
        return json.loads(line)
    except ValueError as error:
        raise LabError(f"{process.args!r} printed: {line}{process.stdout.read()}") from error


def told(receiver: Receiver, last: int, expected: int) -> list[Message]:
    """Return the requests since message `last`, once all logins are reported and no more arrive, or on timeout."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        delivered = receiver.messages(after=last)
        if sum(len(message.alerts) for message in delivered) >= expected:
            break
        time.sleep(0.5)
    receiver.settle()
    return receiver.attempts(after=last)
