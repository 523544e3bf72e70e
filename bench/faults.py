# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long `ssh host true` takes with something broken: with the notifier's PAM line and without, the fault being there
both times.
"""

from __future__ import annotations

import random
import time
from statistics import median

from tests.faults import FAULTS, Fault, NotBrokenError, broken, prepared
from tools.command import Failure, run, say

from .login import STACK
from .report import Finding, table, within
from .servers import Server, Stage

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
    times: dict[str, list[float]] = {"with": [], "without": []}
    with prepared(fault, server.shell):
        with broken(fault, server.shell):
            # The fault may have its own lines in the stack.
            server.shell(f"cp {STACK} /root/with; grep -v ssh-login-notify {STACK} > /root/without")
            try:
                for name in times:
                    timed(server, name)  # the first of each brings its files into memory
                for _run in range(runs):
                    for name in random.sample(list(times), len(times)):
                        times[name].append(timed(server, name))
            finally:
                server.shell(f"cp /root/with {STACK}")
        # So that the next fault has the machine for itself: this login's observer also finishes what was left lying.
        run(*server.ssh, "true")
        server.wait_until_quiet()
        server.shell("ssh-login-notify flush || true")
    return times


def timed(server: Server, stack: str) -> float:
    """Log in with this PAM stack and return the milliseconds that it took."""
    server.output("cp", f"/root/{stack}", STACK)  # libpam reads it anew for each login
    time.sleep(PAUSE_SECONDS)
    start = time.perf_counter()
    run(*server.ssh, "true")
    return (time.perf_counter() - start) * 1000
