# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Describe the machine on which the figures were taken."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

from tests.lab.containers import Server

BUSY = 1.0  # the load average above which figures show the machine's other work more than the hook


def load() -> float:
    """Return the average number of processes that wanted a processor in the last minute."""
    return os.getloadavg()[0]


def description(servers: list[Server], load_before: float) -> str:
    """Return a paragraph with the processor, the kernel, the versions and the load."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    hardware = f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors"
    kernel = f"{platform.system()} {platform.release()}"
    sentences = [f"Taken on {date.today()}: {hardware}, {kernel}, load average {load_before:.1f} before."]
    return " ".join([*sentences, *map(versions, servers)])


def versions(server: Server) -> str:
    """Return the versions of the programs that handle a login on a server."""
    python = server.output("python3", "-c", "import platform; print(platform.python_version())")
    ssh = server.shell("ssh -V 2>&1").partition(",")[0].replace("OpenSSH_", "OpenSSH ").split(" Debian")[0]
    pam = server.output("dpkg-query", "--show", "--showformat=${Version}", "libpam-modules").partition("-")[0]
    return f"{server.title}: Python {python}, {ssh}, Linux-PAM {pam}."
