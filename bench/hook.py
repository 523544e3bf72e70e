# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the hook holds a login, against a bare interpreter and against a shell hook of the usual kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tools.command import Failure, say

from .plot import Series, strips
from .report import Finding, table, within
from .servers import INSIDE, SENDER_STARTERS, SETTINGS, Server, Stage

RUNS = 100
CROWD = 1500
# The promises of the design.
OF_BARE = 1.15
OF_SHELL = 0.2  # with the crowd: what the shell hook does takes the longer the more processes there are
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
    """Run all programs in turn on each server, idle and crowded."""
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
    """No sender runs meanwhile, and the alerts that nobody logged in for are never sent."""
    provide_shell_hook(server)
    server.shell(f"systemctl stop {SENDER_STARTERS}")
    try:
        yield
    finally:
        server.wait_until_quiet()
        server.shell("cd /var/spool/ssh-login-notify; rm -f outgoing/* state/wake")
        server.shell(f"systemctl start {SENDER_STARTERS}")


def provide_shell_hook(server: Server) -> None:
    """Install what the shell hook needs, and tell it where the receiver is."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends curl"
    server.shell(f"command -v curl || {{ apt-get -qq update && {install}; }}")
    webhook, authority = SETTINGS["ssh_login_notify_webhook_url"], SETTINGS["ssh_login_notify_ca_file"]
    server.shell(f"printf 'WEBHOOK=%s\\nAUTHORITY=%s\\n' '{webhook}' '{authority}' > /etc/bench-shell-hook.conf")


def runs_of(server: Server, runs: int, crowd: int, stage: Stage) -> Times:
    """The times of all programs, with so many idle processes around. Raises Failure if a hook did not do its work."""
    last = stage.receiver.last()
    with crowded(server, crowd):
        times = json.loads(server.output("python3", "-B", f"{INSIDE}/hold.py", str(runs)))
    posted = len(stage.receiver.messages(after=last))
    if posted != runs + 1:  # one more to warm up
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
        yield  # the block's end closes its standard input, and it ends


def row(title: str, times: Times, crowd: int) -> list[str]:
    """A line of the table."""
    middle = {name: median(values) for name, values in times.items()}
    slower = max(middle["running"], middle["starting"])
    return [
        title,
        *(f"{middle[name]:.1f}" for name in PROGRAMS),
        within(middle["running"] / middle["bare"], OF_BARE),
        within(middle["starting"] / middle["bare"], OF_BARE),
        within(slower / middle["shell"], OF_SHELL if crowd else float("inf")),
    ]
