# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how long `ssh host true` takes during a fault, with the notifier's PAM line and without it."""

from __future__ import annotations

import time
from statistics import median

from tests.lab.containers import Server
from tests.lab.faults import FAULTS, Fault, NotBrokenError, broken, prepared
from tests.lab.tables import table
from tools.command import Failure, run, say

from .login import by_turns
from .report import Finding, within
from .servers import Stage

RUNS = 20
BUDGET = 1.2
PAUSE_SECONDS = 0.3  # until sshd and logind have cleaned up the session before, and the sender has delivered its alert
HEAD = ["fault", "without, ms", "with, ms", "ratio"]


def measure(stage: Stage, runs: int) -> Finding:
    """Log in with and without the line, in a random order, during each fault."""
    server = stage.servers[-1]
    rows, broken_promises = [], []
    for fault in FAULTS:
        say(f"faults: {server.title}, {fault.name}, {runs} logins of each")
        try:
            times = logins(server, fault, runs)
        except NotBrokenError as error:
            raise Failure(str(error)) from error
        without, with_line = median(times["without"]), median(times["with"])
        ratio = with_line / without
        rows.append([fault.name, f"{without:.1f}", f"{with_line:.1f}", within(ratio, BUDGET)])
        if ratio > BUDGET:
            broken_promises.append(f"{fault.name}: a login takes {ratio:.2f} of its time without the notifier")
    text = f"{server.title}, `ssh host true`, medians of {runs} interleaved logins each.\n\n{table(HEAD, rows)}"
    return Finding(text, broken_promises)


def logins(server: Server, fault: Fault, runs: int) -> dict[str, list[float]]:
    """Return the milliseconds of each login during the fault. Raises NotBrokenError if it was not in place."""
    with prepared(fault, server.shell):
        with broken(fault, server.shell):
            times = by_turns(server, runs, lambda: time.sleep(PAUSE_SECONDS))
        # Leave an idle machine for the next fault: this login's observer also finishes the captures that were left.
        run(*server.ssh, "true")
        server.wait_until_quiet()
        server.shell("ssh-login-notify flush || true")
    return times
