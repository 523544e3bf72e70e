# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One variable, LOGINWATCH_IMAGE, makes the scenarios run on another distribution's servers."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = [*(ROOT / ".config" / "molecule").glob("*.yml"), *(ROOT / "molecule").glob("*/molecule.yml")]
# Servers that must be Debian: an old release, a hand-made notifier, Debian's SELinux policy, a guest with a certain
# systemd. On servers without systemd, sshd and cron are started as Debian has them.
DEBIAN = ("debian11-", "byhand-", "nopam-", "guest-")
SCENARIOS_OF_DEBIAN = ("selinux",)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_server_with_systemd_takes_its_image_from_the_variable(file):
    platforms = yaml.safe_load(file.read_text()).get("platforms", [])
    for platform in platforms:
        groups, name = platform["groups"], platform["name"]
        free = "systemd" in groups and not name.startswith(DEBIAN) and file.parent.name not in SCENARIOS_OF_DEBIAN
        assert platform["image"].startswith("${LOGINWATCH_IMAGE:-loginwatch/debian") == free, name
