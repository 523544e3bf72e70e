# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a scenario's containers are."""

from __future__ import annotations

import subprocess


def address(container: str) -> str:
    """The container's address on the scenario's network, at which this machine reaches it without a detour."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    command = ["docker", "inspect", "--format", template, container]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
