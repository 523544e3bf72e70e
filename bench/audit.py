# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the cost of an audit, of a later self-check, and of a line of the ledger.

The audit of a log with a million lines is compared with plainly reading the file, and a line of the ledger with the
alert that the finisher stores as well. The log is a file, and one line in five is an accepted login. All of them are
known. The audit is measured in processor time, which other work on the machine does not change. The ledger's line waits
for the disk, so it is measured in elapsed time.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tests.lab.tables import table

from .report import Finding

if TYPE_CHECKING:
    from ssh_login_notify.alert import Alert

    from .servers import Stage

from ssh_login_notify import audit, ledger, suspects
from ssh_login_notify.spool import DIRECTORIES, Spool
from ssh_login_notify.sshd_history import FileHistory

RUNS = 1_000_000  # lines
LINES_PER_LOGIN = 5
STARTED = 1_763_848_800.0  # seconds since the epoch
STEP_SECONDS = 4.0  # between two logins: 21,600 a day
BUDGET_MICROSECONDS = 60.0  # per line: a minute for a million
LOOK_LOGINS = 75  # the logins of five minutes
WRITES = 200
TITLE = "The audit of a whole log, against reading the file bare; a later look at five minutes; a line of the ledger."
HEAD = [
    "lines", "logins", "bare, s", "audit, s", "µs a line", "ratio", "memory, MiB", "later look, ms",
    "ledger's line, ms", "alert, ms", "ratio",
]  # fmt: skip


def measure(_stage: Stage | None, runs: int) -> Finding:
    """Write a log, read it plainly, and audit it."""
    logins = runs // LINES_PER_LOGIN
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        spool = Spool(str(root))
        for name in (*DIRECTORIES, ledger.DIRECTORY):
            (root / name).mkdir()
        log = root / "auth.log"
        _write(spool, log, 0, logins)
        began = time.process_time()
        with log.open("rb") as file:
            lines = sum(1 for _line in file)
        bare = time.process_time() - began
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        end = STARTED + logins * STEP_SECONDS
        context = suspects.Context(STARTED - 1)
        with mock.patch("ssh_login_notify.overflow.names", list):
            result, tail = audit.compare(
                spool, FileHistory(str(log)), context, STARTED - 1, end, time.monotonic() + 3600
            )
            took = time.process_time() - began
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            _write(spool, log, logins, logins + LOOK_LOGINS)
            began = time.process_time()
            later, _tail = audit.compare(
                spool, FileHistory(str(log)), context, end, end + 3600, time.monotonic() + 3600, result.cursor, tail
            )
            look = time.process_time() - began
        line, stored = _writes(spool)
    row = [
        f"{lines:,}", f"{result.accepted:,}", f"{bare:.2f}", f"{took:.1f}", f"{took / lines * 1e6:.1f}",
        f"{took / bare:.0f}", f"{memory / 1024:.0f}", f"{look * 1e3:.0f}", f"{line * 1e3:.2f}", f"{stored * 1e3:.2f}",
        f"{line / stored:.1f}",
    ]  # fmt: skip
    broken = []
    if result.known != result.accepted or result.accepted != logins:
        broken.append(f"the audit knows {result.known} of {logins} logins")
    if later.known != later.accepted or later.accepted != LOOK_LOGINS:
        broken.append(f"the later look knows {later.known} of {LOOK_LOGINS} logins")
    if took / lines * 1e6 > BUDGET_MICROSECONDS:
        spent = f"{took / lines * 1e6:.0f} µs for a line"
        broken.append(f"the audit takes {spent}; the budget is {BUDGET_MICROSECONDS:.0f}")
    return Finding(f"{TITLE}\n\n{table(HEAD, [row])}", broken)


def _writes(spool: Spool) -> tuple[float, float]:
    """Return the median seconds for writing a line of the ledger, and for storing an alert."""
    found: Alert = {"address": "203.0.113.50", "port": 45006, "service": "sshd", "user": "ada"}  # type: ignore[typeddict-item]
    lines, alerts = [], []
    for number in range(WRITES):
        name = f"{STARTED + number:017.6f}-{number}"
        began = time.perf_counter()
        ledger.note(spool, dict(found, id=name), 77)  # type: ignore[arg-type]
        lines.append(time.perf_counter() - began)
        began = time.perf_counter()
        spool.stage(name, b"x" * 600)
        spool.publish(name)
        alerts.append(time.perf_counter() - began)
    return statistics.median(lines), statistics.median(alerts)


def _write(spool: Spool, log: Path, first: int, after: int) -> None:
    """Append logins to the log, and to the ledger as the finisher does."""
    days: dict[int, list[str]] = {}
    with log.open("a") as file:
        for number in range(first, after):
            at, pid, port = STARTED + number * STEP_SECONDS, 1000 + number % 30000, 1024 + number % 60000
            head = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00 web1 sshd", time.gmtime(at)) + f"[{pid}]: "
            file.write(
                f"{head}Accepted publickey for ada from 203.0.113.50 port {port} ssh2: ED25519 SHA256:6mxD\n"
                f"{head}pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)\n"
                f"{head}Received disconnect from 203.0.113.50 port {port}:11: disconnected by user\n"
                f"{head}Disconnected from user ada 203.0.113.50 port {port}\n"
                f"{head}pam_unix(sshd:session): session closed for user ada\n"
            )
            line = f"\n{at + 0.01:017.6f}-{pid + 1} {pid} 203.0.113.50 {port} sshd ada\n"
            days.setdefault(ledger.day_of(at), []).append(line)
    for day, lines in days.items():
        with Path(spool.path(ledger.DIRECTORY, str(day))).open("a") as file:
            file.write("".join(lines))
