# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user fills the spool's disk and /run, and takes every freed block: alerts use the ballast, which is never freed."""

from __future__ import annotations

import json

import pytest

from tests.lab.faults.fault import KEPT, SPOOL

testinfra_hosts = ["ansible://debian13-healing"]

OVERFLOW = "/run/ssh-login-notify"
RESTART = "systemctl restart ssh-login-notify.path"
LOGINS = 4
LOST = 3
# Where the user can write on each of the two disks.
HIS = [f"/mnt{SPOOL}", f"/mnt{OVERFLOW}"]
FILL = "while :; do for file in $0/f $1/f; do cat /dev/zero >> $file; done; sleep 0.01; done"


@pytest.fixture
def filler(host):
    """Put the spool and /run's directory on small disks. Return functions that have a user fill them, and stop."""
    host.check_output(
        f"set -e; mkdir -p {OVERFLOW}; cp -a {SPOOL} {KEPT}; mount -t tmpfs -o size=1M tmpfs {SPOOL}; "
        f"cp -a {KEPT}/. {SPOOL}; find {SPOOL}/incoming {SPOOL}/outgoing -type f -delete; "
        f"mount -t tmpfs -o size=64k,mode=700 tmpfs {OVERFLOW}; "
        f"for disk in {SPOOL} {OVERFLOW}; do install -d -o deploy $disk/filler.d /mnt$disk; "
        f"mount --bind $disk/filler.d /mnt$disk; done; chmod 755 /mnt; {RESTART}"
    )
    # The sender of a login creates the ballast.
    host.check_output("ssh-login-notify flush")

    def fill() -> None:
        user = f"setpriv --reuid deploy --regid deploy --clear-groups sh -c '{FILL}' {' '.join(HIS)}"
        host.check_output(f"(setsid {user} > /dev/null 2>&1 < /dev/null & echo $! > /root/filler.pid); sleep 2")

    def stop() -> None:
        host.run("kill -- -$(cat /root/filler.pid); rm /root/filler.pid")
        host.check_output(f"rm -f {SPOOL}/filler.d/f {OVERFLOW}/filler.d/f")

    yield fill, stop
    stop()
    host.check_output(f"umount -l {' '.join(HIS)} {SPOOL} {OVERFLOW}; rm -r {KEPT} /mnt/*; {RESTART}")


def status(host) -> tuple[int, str]:
    found = host.run("ssh-login-notify status --json")
    return found.rc, "; ".join(json.loads(found.stdout)["problems"])


def test_every_login_arrives_as_long_as_there_is_ballast_and_the_lost_are_counted_after_it(host, ada, receiver, filler):
    fill, stop = filler
    mark = receiver.last()
    fill()
    logins = [ada.command() for _login in range(LOGINS)]
    for login in logins:
        receiver.wait_for(lambda message, login=login: login.source in str(message.raw), after=mark)
    code, told = status(host)
    assert code == 2
    assert "the spool's disk is full" in told
    assert "lost" not in told

    host.check_output(f"rm -f {SPOOL}/ballast/[0-9]*; sleep 1")
    for _login in range(LOST):
        ada.command()
    host.check_output(f"timeout 20 sh -c 'until grep -q 0{LOST}$ {SPOOL}/ballast/lost; do sleep 0.2; done'")
    code, told = status(host)
    assert code == 2
    assert f"{LOST} alerts were lost" in told

    stop()
    last = ada.command()
    found = receiver.wait_for(lambda message: last.source in str(message.raw), after=mark)
    assert f"{LOST} older alerts were dropped" in str(found[-1].raw)
    assert "lost" not in status(host)[1]
