# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

from tests.lab.containers import Server

BUSY = 1.0  # a load average from which on figures say more about the machine's other work than about the hook


def load() -> float:
    """How many processes wanted a processor in the last minute, on the average."""
    return os.getloadavg()[0]


def description(servers: list[Server], load_before: float) -> str:
    """One paragraph: processor, kernel, versions, how busy it was."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    hardware = f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors"
    kernel = f"{platform.system()} {platform.release()}"
    sentences = [f"Taken on {date.today()}: {hardware}, {kernel}, load average {load_before:.1f} before."]
    return " ".join([*sentences, *map(versions, servers)])


def versions(server: Server) -> str:
    """What the login goes through on a server."""
    python = server.output("python3", "-c", "import platform; print(platform.python_version())")
    ssh = server.shell("ssh -V 2>&1").partition(",")[0].replace("OpenSSH_", "OpenSSH ").split(" Debian")[0]
    pam = server.output("dpkg-query", "--show", "--showformat=${Version}", "libpam-modules").partition("-")[0]
    return f"{server.title}: Python {python}, {ssh}, Linux-PAM {pam}."
