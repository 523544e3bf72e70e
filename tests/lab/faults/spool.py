# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the spool and its disk."""

from __future__ import annotations

from .fault import KEPT, SPOOL, Fault

PROBE = f"{SPOOL}/state/probe"
CAN_NOT_WRITE = f"! {{ echo something > {PROBE} && rm {PROBE}; }}"
# Waits until none of our processes has run for a second, at most half a minute. systemd starts the sender shortly after
# the observer has ended. What they remove from a full disk leaves room for a file.
IS_RUNNING = "pgrep -f '/usr/local/bin/ssh-login-notify( send)?$' > /dev/null"
AT_REST = f"n=0; for _ in $(seq 300); do n=$((n + 1)); ! {IS_RUNNING} || n=0; [ $n -lt 10 ] || break; sleep 0.1; done"
# systemd watches the directory itself, not the path.
WATCH_ANEW = "systemctl restart ssh-login-notify.path"


def of_disk(name: str, options: str, fill: str) -> Fault:
    """Return a fault with the spool on a small disk of its own, filled by other files."""
    return Fault(
        name,
        breaks=f"{AT_REST}\nmkdir {SPOOL}/filler\n{fill}",
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
        # The path unit fails permanently if a file is in the directory's place. The role starts it again.
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
