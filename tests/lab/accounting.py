# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the processor time and memory of the notifier's processes.

The kernel counts both and reports them when a process ends (wait4(2)). So the sender's unit runs it below a wrapper,
inside/account.py. The same wrapper runs sshd, and adopts the observer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .containers import INSIDE, Server

LOG = "/var/log/bench-account.jsonl"
UNITS = {
    # unit: (its settings that start the measured process, options of the wrapper)
    "ssh": ("ExecStart", "--adopt"),
    "ssh-login-notify": ("ExecStartPre|ExecStart", ""),
}


@contextmanager
def accounted(server: Server) -> Iterator[None]:
    """Have the observer and the sender append a line to LOG when they end."""
    for unit, (lines, option) in UNITS.items():
        # A drop-in leaves the unit's file as installed. The notifier would report a changed one.
        directory = f"/run/systemd/system/{unit}.service.d"
        settings = f"[Service]\\nStandardOutput=append:{LOG}\\nNotifyAccess=all\\n"
        wrapped = f"s#^({lines})=(.*)#\\1=\\n\\1=/usr/bin/python3 -B {INSIDE}/account.py {option} \\2#p"
        server.shell(
            f"mkdir -p {directory}; printf '{settings}' > {directory}/account.conf; "
            f"systemctl cat {unit}.service | sed -nE '{wrapped}' >> {directory}/account.conf"
        )
    server.shell("systemctl daemon-reload; systemctl restart ssh")
    try:
        yield
    finally:
        changes = " ".join(f"/run/systemd/system/{unit}.service.d" for unit in UNITS)
        server.shell(f"rm -r {changes}; systemctl daemon-reload; systemctl restart ssh")
