# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk that hangs, simulated for one file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

# A write lease (fcntl(2), F_SETLEASE) makes the open() of other processes wait in the kernel until its holder releases
# it. This holder ignores the request. The kernel breaks the lease after /proc/sys/fs/lease-break-time, 45 s.
HOLD = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
for attempt in range(100):
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        break
    except BlockingIOError:  # another process has it open
        time.sleep(0.1)
else:
    sys.exit("always in use: " + sys.argv[1])
print("holding", flush=True)
sys.stdin.read()
"""


@contextmanager
def stalled_disk(host, path: str) -> Iterator[None]:
    """Make every process on the server that opens this file wait until the end of the block."""
    container = host.backend.hostname
    command = ["docker", "exec", "--interactive", container, "python3", "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "holding\n"
        yield
        holder.stdin.close()
