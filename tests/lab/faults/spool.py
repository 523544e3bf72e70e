# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the spool and its disk."""

from __future__ import annotations

from .fault import KEPT, SPOOL, Fault

PROBE = f"{SPOOL}/state/probe"
CAN_NOT_WRITE = f"! {{ echo something > {PROBE} && rm {PROBE}; }}"
# systemd watches a directory itself, not whatever stands at its path.
WATCH_ANEW = "systemctl restart ssh-login-notify.path"


def of_disk(name: str, options: str, fill: str) -> Fault:
    """The spool is on a small disk of its own, which has something else on it."""
    return Fault(
        name,
        breaks=f"mkdir {SPOOL}/filler\n{fill}",
        holds=CAN_NOT_WRITE,
        mends=f"rm -rf {SPOOL}/filler {PROBE}",
        prepares=f"""
            cp -a {SPOOL} {KEPT}
            mount -t tmpfs -o {options} tmpfs {SPOOL}
            cp -a {KEPT}/. {SPOOL}
            find {SPOOL}/incoming {SPOOL}/outgoing -type f -delete
            {WATCH_ANEW}
        """,
        tidies=f"umount -l {SPOOL}\nrm -r {KEPT}\n{WATCH_ANEW}",
    )


SPOOL_FAULTS = [
    Fault(
        "spool missing",
        breaks=f"mv {SPOOL} {KEPT}",
        holds=f"test ! -e {SPOOL}",
        mends=f"mv {KEPT} {SPOOL}",
        without_systemd=True,
    ),
    Fault(
        "a file in the spool's place",
        breaks=f"mv {SPOOL} {KEPT}; echo something > {SPOOL}",
        holds=f"test -f {SPOOL}",
        # systemd's path unit fails for good where a file stands for a directory. The role starts it again.
        mends=f"rm {SPOOL}; mv {KEPT} {SPOOL}; test ! -d /run/systemd/system || {WATCH_ANEW}",
        without_systemd=True,
    ),
    Fault(
        "spool read-only",
        breaks=f"mount --bind {SPOOL} {SPOOL}; mount -o remount,bind,ro {SPOOL}",
        holds=CAN_NOT_WRITE,
        mends=f"umount -l {SPOOL}",
    ),
    of_disk("disk full", "size=512k", f"! head -c 1M /dev/zero > {SPOOL}/filler/something"),
    of_disk("no inodes", "nr_inodes=128", f"n=0; while touch {SPOOL}/filler/$n; do n=$((n + 1)); done"),
]
