# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the cost of an alert after a login: processor time and memory of observer and sender.

The kernel counts both for a process and its reaped children, and reports them when the process ends (wait4(2)). The
sender's unit runs it below a wrapper, and a wrapper around sshd adopts the observer. See tests/lab/accounting.py.
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
WATCHED_SECONDS = 4  # longer than the observer watches for a session
ALERT_SECONDS = 60.0
LOGIN_SECONDS = 120
# Prints the processor time of a look for tampering that finds nothing new, and of bare Python, in milliseconds each. A
# first look, which is not counted, records the state for the others.
LOOKS = """
import os, resource, subprocess, sys, time
for path in ("/usr/local/lib/ssh-login-notify/manifest.json", "/usr/local/etc/ssh-notify.conf"):
    os.utime(path, (time.time() - 3600,) * 2)
def cost(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(int(sys.argv[1])):
        subprocess.run(words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * spent / int(sys.argv[1])
look = ["/usr/local/bin/ssh-login-notify", "tamper-check"]
subprocess.run(look, check=True)
print(cost(look), cost(["/usr/bin/python3", "-ISB", "-c", "pass"]))
"""
LOOK_HEAD = ["server", "a look, ms", "bare Python, ms", "ratio"]
HEAD = ["login", "observer, ms", "sender, ms", "together, ms", "observer, MiB at most", "sender, MiB at most"]


@dataclass(frozen=True)
class Cost:
    """The cost of one login, alone or in a burst."""

    observer: float  # milliseconds of processor time, with the child that finishes alerts
    sender: float
    observer_memory: float  # MiB, the largest resident set of any of the processes
    sender_memory: float


def measure(stage: Stage, runs: int) -> Finding:
    """Log in alone with a command, alone with a tunnel that shows the observer nothing, and fifty at once."""
    rows, looks = [], []
    for server in stage.servers:
        looks.append(look(server, runs))
        with accounted(server):
            say(f"cost: {server.title}, {runs} lone logins, {runs} tunnels, {BURSTS} bursts of {BURST}")
            cost_of(server, stage, command)  # the first login loads its files into memory
            rows += [
                row(f"{server.title}: `ssh host true`", [cost_of(server, stage, command) for _ in range(runs)]),
                row(f"{server.title}: `ssh -N`", [cost_of(server, stage, tunnel) for _ in range(runs)]),
                row(f"{server.title}: one of {BURST} at once", [cost_of(server, stage, burst) for _ in range(BURSTS)]),
            ]
    text = f"Processor time (user and system) per login, medians of {runs} ({BURSTS} bursts).\n\n{table(HEAD, rows)}"
    text += (
        "\n\nProcessor time of a look for [tampering](tamper.md) that finds nothing new. There are two a minute.\n\n"
        f"{table(LOOK_HEAD, looks)}"
    )
    return Finding(text)


def look(server: Server, runs: int) -> list[str]:
    """Return a line of the table of looks for tampering."""
    spent, bare = map(float, server.output("python3", "-c", LOOKS, str(runs)).split())
    return [server.title, f"{spent:.0f}", f"{bare:.1f}", f"{spent / bare:.1f}"]


def command(server: Server) -> int:
    """Run `ssh host true`. Return the number of logins."""
    run(*server.ssh, "true")
    return 1


def tunnel(server: Server) -> int:
    """Keep `ssh -N` open for longer than the observer watches. Return the number of logins."""
    with subprocess.Popen([*server.ssh, "-N"], stdin=subprocess.DEVNULL) as client:
        try:
            client.wait(WATCHED_SECONDS)
            raise Failure(f"{server.title}: ssh -N ended by itself")
        except subprocess.TimeoutExpired:
            client.terminate()
    return 1


def burst(server: Server) -> int:
    """Log in fifty times at once. Return the number of logins."""
    clients = [subprocess.Popen([*server.ssh, "true"], stdin=subprocess.DEVNULL) for _ in range(BURST)]
    codes = [client.wait(LOGIN_SECONDS) for client in clients]
    if any(codes):
        raise Failure(f"{server.title}: of {BURST} logins at once {sum(map(bool, codes))} failed")
    return BURST


def cost_of(server: Server, stage: Stage, log_in) -> Cost:
    """Log in, wait until all alerts are delivered and no process is left, and return the cost."""
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
    """Wait until each login is reported."""
    reported = 0
    while reported < logins:
        messages = stage.receiver.wait_for(after=last, timeout=ALERT_SECONDS)
        reported += sum(len(message.ids) for message in messages)
        last = messages[-1].number


def row(title: str, costs: list[Cost]) -> list[str]:
    """Return a line of the table."""
    return [
        title,
        f"{median(cost.observer for cost in costs):.0f}",
        f"{median(cost.sender for cost in costs):.0f}",
        f"{median(cost.observer + cost.sender for cost in costs):.0f}",
        f"{max(cost.observer_memory for cost in costs):.1f}",
        f"{max(cost.sender_memory for cost in costs):.1f}",
    ]
