# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each systemd accepts every line of the units that its host has."""

from __future__ import annotations

from tests.lab.units import NAMES

# Debian 11, 12 and 13: systemd 247, 252 and 257.
testinfra_hosts = ["ansible://guest-healing", "ansible://debian12-healing", "ansible://debian13-healing"]

COPIES = "/run/copies-of-units"
FILES = " ".join(f"{COPIES}/{name}" for name in NAMES)


def test_systemd_understands_every_line(host):
    host.check_output(f"rm -rf {COPIES} && mkdir {COPIES} && cp /etc/systemd/system/ssh-login-notify* {COPIES}")
    verify = f"systemd-analyze verify {FILES} 2>&1"
    assert host.check_output(verify) == ""
    host.check_output(f"sed -i 's/^UMask=/Unmask=/' {COPIES}/ssh-login-notify.service")
    assert "Unmask" in host.run(verify).stdout, "it reports what it does not understand"
