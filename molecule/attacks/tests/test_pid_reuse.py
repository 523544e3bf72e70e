# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login whose process has ended is not mistaken for another process that has the same pid now."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import contextmanager

import pytest

from tests.lab.logins import Login

# The newer sshd has one more process per connection.
testinfra_hosts = ["ansible://debian13-attacks"]

LIBRARY = "/usr/local/lib/ssh-login-notify/ssh_login_notify"
INCOMING = "/var/spool/ssh-login-notify/incoming"
PROGRAM = "/usr/local/bin/ssh-login-notify"
# Prints which process has the observer's lock (fcntl(2), F_GETLK), and fails if none has. A follower can run too.
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
# Continues a process as soon as a user's `sleep` is running. It starts no process, which would take the pid.
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
    """Give the next process on the server this pid (/proc/sys/kernel/ns_last_pid, pid_namespaces(7))."""
    host.check_output("mkdir -p /mnt/proc && mount -t proc proc /mnt/proc")
    yield lambda pid: host.check_output(f"echo {pid - 1} > /mnt/proc/sys/kernel/ns_last_pid")
    host.check_output("umount /mnt/proc")


@contextmanager
def without_the_start_time(host):
    """Disable the notifier's comparison of start times for the block."""
    file = f"{LIBRARY}/connection.py"
    host.check_output(f"cp -a {file} /root/connection.py && sed -i '/def _is_over/a \\        return False' {file}")
    try:
        yield
    finally:
        host.check_output(f"cp -a /root/connection.py {file}")
        host.run(f"pkill -f '{PROGRAM}$'")  # a follower that considers no connection ended does not end


# Acceptable types of the login that has ended. The kernel can have reported the command's end.
OWN = ("unknown", "SSH (command, over at once)", "SSH (command: true)")


@contextmanager
def observer_standing_still(host, person):
    """Keep a stopped observer, started for a connection that stays open, until the end of the block."""
    # Without the comparison, an earlier attempt can have left an observer that watches an ended login for half a
    # minute.
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
    """Return the alert's type of the intruder's ended login, while another user's `sleep` has its process's pid."""

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
        raise AssertionError(f"in {TRIES} tries no process got the pid of the ended one")

    return type_seen


def test_a_pid_that_is_used_again(host, seen, verdict):
    with without_the_start_time(host):
        usual, _login = seen()
    ours, login = seen()
    fooled = f"says {usual}" if "sleep" in usual else ""
    verdict("another process has its pid (usual: ours, unchecked)", fooled, "" if ours in OWN else ours, [login])
