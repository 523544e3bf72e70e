# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how long the hook holds a login, against a bare interpreter and against a usual shell hook."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.lab.containers import INSIDE, Server
from tests.lab.tables import table
from tools.command import Failure, say

from .plot import Series, strips
from .report import Finding, within
from .servers import SENDER_STARTERS, SETTINGS, Stage

RUNS = 100
CROWD = 1500
# The budgets in docs/bench.md.
OF_BARE = 1.15
OF_SHELL = 0.2  # with the crowd, because the shell hook takes longer the more processes there are
PROGRAMS = {
    "bare": "bare python3 -IS -c pass",
    "running": "hook, an observer is running",
    "starting": "hook, starts the observer",
    "shell": "shell hook",
}
HEAD = [
    "server", "bare Python", "hook, observer runs", "hook, starts it", "shell hook",
    "÷ bare, observer runs", "÷ bare, starts it", "÷ shell hook",
]  # fmt: skip

Times = dict[str, list[float]]  # milliseconds of each run, by program


def measure(stage: Stage, runs: int) -> Finding:
    """Run all programs by turns on each server, idle and crowded."""
    rows, panels = [], []
    for server in stage.servers:
        with alone(server):
            for crowd in (0, CROWD):
                title = f"{server.title}, {f'{crowd:,} idle processes' if crowd else 'idle'}"
                say(f"hook: {title}, {runs} runs of each program")
                times = runs_of(server, runs, crowd, stage)
                rows.append(row(title, times, crowd))
                panels.append((title, [Series(label, times[name]) for name, label in PROGRAMS.items()]))
    text = f"Milliseconds, medians of {runs} interleaved runs; ratios are of medians.\n\n{table(HEAD, rows)}"
    figure = strips(panels, "How long a login is held", "milliseconds (each run, and the median)")
    return Finding(text, plots={"bench-hook.png": figure})


@contextmanager
def alone(server: Server) -> Iterator[None]:
    """Run no sender during the block, and delete the alerts of the simulated logins."""
    provide_shell_hook(server)
    server.shell(f"systemctl stop {SENDER_STARTERS}")
    try:
        yield
    finally:
        server.wait_until_quiet()
        server.shell("cd /var/spool/ssh-login-notify; rm -f outgoing/* state/wake")
        server.shell(f"systemctl start {SENDER_STARTERS}")


def provide_shell_hook(server: Server) -> None:
    """Install what the shell hook needs, and write its configuration."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends curl"
    server.shell(f"command -v curl || {{ apt-get -qq update && {install}; }}")
    webhook, authority = SETTINGS["ssh_login_notify_webhook_url"], SETTINGS["ssh_login_notify_ca_file"]
    server.shell(f"printf 'WEBHOOK=%s\\nAUTHORITY=%s\\n' '{webhook}' '{authority}' > /etc/bench-shell-hook.conf")


def runs_of(server: Server, runs: int, crowd: int, stage: Stage) -> Times:
    """Return the times of all programs, next to this many idle processes. Raises Failure if a hook did not work."""
    last = stage.receiver.last()
    with crowded(server, crowd):
        times = json.loads(server.output("python3", "-B", f"{INSIDE}/hold.py", str(runs)))
    posted = len(stage.receiver.messages(after=last))
    if posted != runs + 1:  # one more as a warm-up
        raise Failure(f"{server.title}: {runs + 1} runs of the shell hook posted {posted} messages")
    return times


@contextmanager
def crowded(server: Server, number: int) -> Iterator[None]:
    """Keep this many idle processes on the server."""
    command = ["docker", "exec", "--interactive", server.container, "python3", "-B", f"{INSIDE}/crowd.py", str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise Failure(f"{server.title}: {number} idle processes can't be started")
        yield  # the end of the block closes its standard input, which ends it


def row(title: str, times: Times, crowd: int) -> list[str]:
    """Return a line of the table."""
    middle = {name: median(values) for name, values in times.items()}
    slower = max(middle["running"], middle["starting"])
    return [
        title,
        *(f"{middle[name]:.1f}" for name in PROGRAMS),
        within(middle["running"] / middle["bare"], OF_BARE),
        within(middle["starting"] / middle["bare"], OF_BARE),
        within(slower / middle["shell"], OF_SHELL if crowd else float("inf")),
    ]
