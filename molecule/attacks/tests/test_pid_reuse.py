# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login whose process is gone when it is looked at is not taken for the one that has its pid by then."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import contextmanager

import pytest

from tests.lab.logins import Login

testinfra_hosts = ["ansible://systemd"]

LIBRARY = "/usr/local/lib/ssh-login-notify/ssh_login_notify"
INCOMING = "/var/spool/ssh-login-notify/incoming"
PROGRAM = "/usr/local/bin/ssh-login-notify"
# Prints who has the observer's lock (fcntl(2), F_GETLK), and fails if nobody has. A follower is there as well.
HOLDER = """
import fcntl, struct, sys
form = "hh4xqqi4x"
with open(sys.argv[1], "r+") as lock:
    answer = fcntl.fcntl(lock, fcntl.F_GETLK, struct.pack(form, fcntl.F_WRLCK, 0, 0, 0, 0))
kind, _whence, _start, _length, pid = struct.unpack(form, answer)
sys.exit(kind == fcntl.F_UNLCK or print(pid))
"""
OBSERVER = f"python3 -c {shlex.quote(HOLDER)} /var/spool/ssh-login-notify/observer.lock"
SOMEWHERE = {**os.environ, "LOGIN_SOURCE": os.devnull}
TRIES = 10
# Let a process go on as soon as a `sleep` of somebody's is there. It starts no process, which would take the pid.
LET_GO_ON = """
import os, pathlib, signal, sys, time
user, pid = map(int, sys.argv[1:])
def is_there(process):
    try:
        return (process / "comm").read_text() == "sleep\\n" and process.stat().st_uid == user
    except OSError:
        return False
until = time.monotonic() + 20
while time.monotonic() < until and not any(map(is_there, pathlib.Path("/proc").glob("[0-9]*"))):
    time.sleep(0.02)
os.kill(pid, signal.SIGCONT)
"""


@pytest.fixture(scope="module")
def next_pid(host):
    """Have the next process of the server get this number (/proc/sys/kernel/ns_last_pid, pid_namespaces(7))."""
    host.check_output("mkdir -p /mnt/proc && mount -t proc proc /mnt/proc")
    yield lambda pid: host.check_output(f"echo {pid - 1} > /mnt/proc/sys/kernel/ns_last_pid")
    host.check_output("umount /mnt/proc")


@contextmanager
def without_the_start_time(host):
    """The notifier as if it took a pid for a process."""
    file = f"{LIBRARY}/connection.py"
    host.check_output(f"cp -a {file} /root/connection.py && sed -i '/def _is_over/a \\        return False' {file}")
    try:
        yield
    finally:
        host.check_output(f"cp -a /root/connection.py {file}")
        host.run(f"pkill -f '{PROGRAM}$'")  # a follower that takes no connection for over stays


# What may be said of the login that is over; the kernel may have told its end.
OWN = ("unknown", "SSH (command, over at once)", "SSH (command: true)")


@contextmanager
def observer_standing_still(host, person):
    """An observer that is at work, for a connection that stays open, and stands still until somebody lets it go on."""
    # Without its check, one waits for half a minute to see a gone login served: after a try in vain.
    host.check_output("timeout 60 sh -c %s", f"while {OBSERVER}; do sleep 0.1; done")
    client = subprocess.Popen([*person.ssh, "-N", person.address], env=SOMEWHERE)  # noqa: S603
    try:
        host.check_output("timeout 20 sh -c %s", f"until pid=$({OBSERVER}); do :; done; kill -STOP $pid")
        yield host.check_output(OBSERVER)
    finally:
        host.run(f"pkill -CONT -f '{PROGRAM}$'")
        client.terminate()
        client.wait()


@pytest.fixture
def seen(host, ada, intruder, next_pid, told):
    """What the alert says of the intruder's login that is over, when somebody else's `sleep` has its process's pid."""

    def type_seen() -> tuple[str, Login]:
        for _try in range(TRIES):
            with observer_standing_still(host, ada) as observer:
                gone = intruder.command("true")
                capture = host.check_output(f"cd {INCOMING} && sleep 0.3 && cat $(ls | tail -n 1)")
                pid = int(re.findall(r"\0parent=(\d+)\0", capture)[0])
                user = host.check_output("id -u %s", ada.user)
                host.check_output("(python3 -c %s %s %s) > /dev/null 2>&1 & sleep 0.5", LET_GO_ON, user, observer)
                next_pid(pid)
                other = ada.command("ps -o ppid= -p $PPID; exec sleep 3")
            if int(other.output) == pid:
                (message,) = told(gone)
                return message.fields["Type"], gone
        raise AssertionError(f"in {TRIES} tries no process got the pid of the one before")

    return type_seen


def test_a_pid_that_is_used_again(host, seen, verdict):
    with without_the_start_time(host):
        usual, _login = seen()
    ours, login = seen()
    fooled = f"says {usual}" if "sleep" in usual else ""
    verdict("the pid is another's (usual: ours, without its check)", fooled, "" if ours in OWN else ours, [login])
