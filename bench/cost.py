# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert costs behind a login: processor time and memory of observer and sender.

The kernel has counted both when a process ends (wait4(2)): what it did, and what the children did that it waited for.
The sender runs below a wrapper in its unit; the observer comes to one around sshd. See tests/lab/accounting.py.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from statistics import median

from tests.lab.accounting import LOG, accounted
from tests.lab.containers import Server
from tests.lab.tables import table
from tools.command import Failure, run, say

from .report import Finding
from .servers import Stage

RUNS = 20
BURST = 50
BURSTS = 3
WATCHED_SECONDS = 4  # longer than the observer looks for a session
ALERT_SECONDS = 60.0
LOGIN_SECONDS = 120
HEAD = ["login", "observer, ms", "sender, ms", "together, ms", "observer, MiB at most", "sender, MiB at most"]


@dataclass(frozen=True)
class Cost:
    """What one login cost, or each of a burst."""

    observer: float  # milliseconds of processor time; its child that finishes alerts included
    sender: float
    observer_memory: float  # MiB, the largest resident set of any of the processes
    sender_memory: float


def measure(stage: Stage, runs: int) -> Finding:
    """Log in alone with a command, alone with a tunnel that shows nothing to the observer, and fifty at once."""
    rows = []
    for server in stage.servers:
        with accounted(server):
            say(f"cost: {server.title}, {runs} lone logins, {runs} tunnels, {BURSTS} bursts of {BURST}")
            cost_of(server, stage, command)  # the first brings the files into memory
            rows += [
                row(f"{server.title}: `ssh host true`", [cost_of(server, stage, command) for _ in range(runs)]),
                row(f"{server.title}: `ssh -N`", [cost_of(server, stage, tunnel) for _ in range(runs)]),
                row(f"{server.title}: one of {BURST} at once", [cost_of(server, stage, burst) for _ in range(BURSTS)]),
            ]
    text = f"Processor time (user and system) per login, medians of {runs} ({BURSTS} bursts).\n\n{table(HEAD, rows)}"
    return Finding(text)


def command(server: Server) -> int:
    """`ssh host true`; returns the number of logins."""
    run(*server.ssh, "true")
    return 1


def tunnel(server: Server) -> int:
    """`ssh -N`, for longer than the observer looks."""
    with subprocess.Popen([*server.ssh, "-N"], stdin=subprocess.DEVNULL) as client:
        try:
            client.wait(WATCHED_SECONDS)
            raise Failure(f"{server.title}: ssh -N ended by itself")
        except subprocess.TimeoutExpired:
            client.terminate()
    return 1


def burst(server: Server) -> int:
    """Fifty people at once."""
    clients = [subprocess.Popen([*server.ssh, "true"], stdin=subprocess.DEVNULL) for _ in range(BURST)]
    codes = [client.wait(LOGIN_SECONDS) for client in clients]
    if any(codes):
        raise Failure(f"{server.title}: of {BURST} logins at once {sum(map(bool, codes))} failed")
    return BURST


def cost_of(server: Server, stage: Stage, log_in) -> Cost:
    """Log in, wait until all is delivered and over, and read what it cost."""
    server.wait_until_quiet()
    server.output("truncate", "--size=0", LOG)
    last = stage.receiver.last()
    logins = log_in(server)
    wait_for_alerts(stage, last, logins)
    server.wait_until_quiet()
    processes = [json.loads(line) for line in server.output("cat", LOG).splitlines()]
    observers = [process for process in processes if process["orphan"]]
    senders = [process for process in processes if not process["orphan"]]
    if not observers or not senders:
        raise Failure(f"{server.title}: no account of observer or sender in {processes}")
    return Cost(
        observer=sum(process["milliseconds"] for process in observers) / logins,
        sender=sum(process["milliseconds"] for process in senders) / logins,
        observer_memory=max(process["kib"] for process in observers) / 1024,
        sender_memory=max(process["kib"] for process in senders) / 1024,
    )


def wait_for_alerts(stage: Stage, last: int, logins: int) -> None:
    """Wait until each login was reported."""
    reported = 0
    while reported < logins:
        messages = stage.receiver.wait_for(after=last, timeout=ALERT_SECONDS)
        reported += sum(len(message.ids) for message in messages)
        last = messages[-1].number


def row(title: str, costs: list[Cost]) -> list[str]:
    """A line of the table."""
    return [
        title,
        f"{median(cost.observer for cost in costs):.0f}",
        f"{median(cost.sender for cost in costs):.0f}",
        f"{median(cost.observer + cost.sender for cost in costs):.0f}",
        f"{max(cost.observer_memory for cost in costs):.1f}",
        f"{max(cost.sender_memory for cost in costs):.1f}",
    ]
