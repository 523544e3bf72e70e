# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what a person notices: the elapsed time of `ssh host true`, with the notifier's PAM line and without it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from statistics import median

from tests.lab.containers import Server
from tests.lab.tables import table
from tools.command import Failure, run, say

from .report import Finding
from .servers import Stage

RUNS = 100
STACK = "/etc/pam.d/sshd"
PAUSE_SECONDS = 0.2  # until sshd and logind have cleaned up the session before
HEAD = ["server", "without, ms", "with, ms", "difference, ms", "ratio"]


def measure(stage: Stage, runs: int) -> Finding:
    """Log in with and without the line, in a random order."""
    rows = []
    for server in stage.servers:
        say(f"login: {server.title}, {runs} logins of each")
        times = logins(server, stage, runs)
        without, with_line = median(times["without"]), median(times["with"])
        figures = [f"{without:.1f}", f"{with_line:.1f}", f"{with_line - without:+.1f}", f"{with_line / without:.2f}"]
        rows.append([server.title, *figures])
    return Finding(f"`ssh host true`, medians of {runs} interleaved logins each.\n\n{table(HEAD, rows)}")


def logins(server: Server, stage: Stage, runs: int) -> dict[str, list[float]]:
    """Return the milliseconds of each login. Raises Failure unless exactly those with the line were reported."""
    last = stage.receiver.last()

    def when_quiet() -> None:
        server.wait_until_quiet()
        time.sleep(PAUSE_SECONDS)

    times = by_turns(server, runs, when_quiet)
    stage.receiver.settle()
    reported = sum(len(message.ids) for message in stage.receiver.messages(after=last))
    if reported != runs + 1:
        raise Failure(f"{server.title}: of {runs + 1} logins with the PAM line {reported} were reported")
    return times


def by_turns(server: Server, runs: int, pause: Callable[[], None]) -> dict[str, list[float]]:
    """Log in, in a random order, and return the milliseconds of each login "with" the line and "without" it.

    pause: called before each login
    """
    server.shell(f"cp {STACK} /root/with; grep -v ssh-login-notify {STACK} > /root/without")
    times: dict[str, list[float]] = {"with": [], "without": []}

    def timed(stack: str) -> float:
        server.output("cp", f"/root/{stack}", STACK)  # libpam reads it again for each login
        pause()
        start = time.perf_counter()
        run(*server.ssh, "true")
        return (time.perf_counter() - start) * 1000

    try:
        for name in times:
            timed(name)  # the first run of each loads its files into memory
        for _run in range(runs):
            for name in random.sample(list(times), len(times)):
                times[name].append(timed(name))
    finally:
        server.shell(f"cp /root/with {STACK}")
    return times
