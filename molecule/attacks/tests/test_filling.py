# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An intruder who fills the spool's disk, to the last block or inode, silences nobody."""

from __future__ import annotations

import pytest
from attacks.setup import usual_notifier

from tests.lab.faults.spool import AT_REST

# A full disk does not depend on the release.
testinfra_hosts = ["ansible://debian12-attacks"]

SPOOL = "/var/spool/ssh-login-notify"
HOME = "/home/intruder"
DISK = "/mnt/disk"
# How often the intruder refills it at most.
FILLINGS = 5
# What the disk runs out of, the disk's size, and how the intruder uses it up.
WAYS = {
    "blocks": ("size=2M", "cat /dev/zero > ~/filler/all 2> /dev/null; true"),
    "inodes": ("nr_inodes=200", "n=0; while touch ~/filler/$n; do n=$((n + 1)); done 2> /dev/null; true"),
}


@pytest.fixture
def shared_disk(host):
    """Put the spool and the intruder's home on one small disk without blocks reserved for root: shared_disk("…")."""

    def mount(options: str) -> None:
        host.check_output(f"rm -f {HOME}/.logins; mkdir -p {DISK} && mount -t tmpfs -o {options} tmpfs {DISK}")
        for path in (SPOOL, HOME):
            host.check_output(f"cp -a {path} {DISK}/ && mount --bind {DISK}/{path.rpartition('/')[2]} {path}")
        host.check_output("systemctl restart ssh-login-notify.path")
        host.check_output(f"runuser -u intruder -- mkdir {HOME}/filler")

    yield mount
    host.check_output(f"umount {HOME}; umount {SPOOL}; umount {DISK}; systemctl restart ssh-login-notify.path")


@pytest.mark.parametrize("what", WAYS)
def test_a_full_disk(what, host, intruder, shared_disk, is_told_by_the_usual, verdict):
    options, fill = WAYS[what]
    shared_disk(options)
    intruder.command(fill)

    def fill_again() -> None:
        host.check_output(AT_REST)
        host.check_output("runuser -u intruder -- env HOME=%s sh -c %s", HOME, fill)

    # The alert of that login is delivered too, and frees blocks, which the intruder takes again.
    for _time in range(FILLINGS):
        fill_again()
        is_full = host.run(f"touch {SPOOL}/state/probe && echo {'x' * 5000} > {SPOOL}/state/probe").failed
        host.check_output(f"rm -f {SPOOL}/state/probe")
        if is_full:
            break
    else:
        pytest.fail("the disk still has room")
    with usual_notifier(host):
        fill_again()
        usual = "" if is_told_by_the_usual(intruder.command()) else "is silent"
    verdict(f"no {what} are left on the spool's disk", usual, "", [intruder.command(), intruder.command()])
    host.check_output(f"rm -r {HOME}/filler")
