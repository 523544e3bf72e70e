# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long `ssh host true` takes with something broken: with the notifier's PAM line and without, the fault being there
both times.
"""

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
PAUSE_SECONDS = 0.3  # until sshd and logind are done with the session before, and the sender with its alert
HEAD = ["fault", "without, ms", "with, ms", "ratio"]


def measure(stage: Stage, runs: int) -> Finding:
    """Log in by turns with the line and without, in an order left to chance, while each fault is there."""
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
    """The milliseconds of each login while the fault is there. Raises NotBrokenError if it was not."""
    with prepared(fault, server.shell):
        with broken(fault, server.shell):
            times = by_turns(server, runs, lambda: time.sleep(PAUSE_SECONDS))
        # So that the next fault has the machine for itself: this login's observer also finishes what was left lying.
        run(*server.ssh, "true")
        server.wait_until_quiet()
        server.shell("ssh-login-notify flush || true")
    return times
