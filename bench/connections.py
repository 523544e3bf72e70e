# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the cost of open connections: processor time and memory of the one process that watches them.

The scheduler counts the time in nanoseconds (/proc/PID/schedstat). The value for an hour is extrapolated from a minute.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.containers import Server
from tests.lab.tables import table
from tools.command import Failure, say

from .report import Finding
from .servers import Stage

RUNS = 100
MEASURED_SECONDS = 60.0
HOUR_SECONDS = 3600.0
SETTLING_SECONDS = 6.0  # until the last tunnel is reported, and watched like all others
SPOOL = "/var/spool/ssh-login-notify"
HEAD = ["server", "open tunnels", "processes", "processor, s an hour", "memory, MiB", "of its own, MiB"]


def measure(stage: Stage, runs: int) -> Finding:
    """Open this many tunnels to each server, and measure the cost of watching them."""
    rows = []
    for server in stage.servers:
        say(f"open: {server.title}, {runs} tunnels for {MEASURED_SECONDS:.0f} s")
        with tunnels(server, runs):
            rows.append(row(server, runs))
    return Finding(f"An hour, from {MEASURED_SECONDS:.0f} s of it, of tunnels that nobody uses.\n\n{table(HEAD, rows)}")


@contextmanager
def tunnels(server: Server, count: int) -> Iterator[None]:
    """Keep this many `ssh -N` open during the block, which begins once all are reported."""
    clients: list[subprocess.Popen[bytes]] = []
    try:
        for _client in range(count):
            clients.append(subprocess.Popen([*server.ssh, "-N"], stdin=subprocess.DEVNULL))
            time.sleep(0.05)
        time.sleep(SETTLING_SECONDS)
        followed = len(server.shell(f"ls {SPOOL}/open").split())
        if followed != count:
            raise Failure(f"{server.title}: of {count} open tunnels only {followed} are watched")
        yield
    finally:
        for client in clients:
            client.terminate()
        for client in clients:
            client.wait()


def row(server: Server, count: int) -> list[str]:
    """Return a line of the table."""
    followers = server.shell("pgrep -f '^[^ ]*python[^ ]* .*/ssh-login-notify'").split()
    if len(followers) != 1:
        raise Failure(f"{server.title}: {len(followers)} processes are running instead of one")
    (pid,) = followers
    before = nanoseconds(server, pid)
    time.sleep(MEASURED_SECONDS)
    used = (nanoseconds(server, pid) - before) / 1e9
    resident, own = (memory(server, pid, field) for field in ("Rss", "Private_Dirty"))
    hour = used * HOUR_SECONDS / MEASURED_SECONDS
    return [server.title, str(count), "1", f"{hour:.1f}", f"{resident:.1f}", f"{own:.1f}"]


def nanoseconds(server: Server, pid: str) -> int:
    """Return the processor time that a process has used."""
    return int(server.output("cat", f"/proc/{pid}/schedstat").split()[0])


def memory(server: Server, pid: str, field: str) -> float:
    """Return a field of /proc/PID/smaps_rollup, in MiB."""
    lines = server.output("cat", f"/proc/{pid}/smaps_rollup").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))
