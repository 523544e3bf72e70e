# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults around the notifier: a hook that is killed, a stuck observer or sender, a network that fails."""

from __future__ import annotations

import shlex

from .fault import CONFIGURATION, PROGRAM, SEEN, SPOOL, Fault, Written, of_file
from .notifier import CAPTURES, changed

PID = "/run/faults.pid"
BEHAVIOUR = "http://receiver:8080/api/behaviour"
# The sender keeps the old configuration, and can sleep until its next attempt. A start by the timer cancels a stop.
STOP = "systemctl stop ssh-login-notify.service"
STOP_SENDER = f"{{ {STOP} || {STOP}; }}"

# Kills each hook some milliseconds after its start, but nothing that has detached itself from the login. A hook takes
# about 15 ms, most of it for the start of the interpreter.
KILLER = """
import os, random, signal, sys, time

def named(pid, what):
    try:
        with open(f"/proc/{pid}/{what}") as file:
            return file.read()
    except OSError:
        return ""

killed = set()
moments = []
while True:
    for pid in os.listdir("/proc"):
        if pid.isdigit() and pid not in killed and named(pid, "comm") == "ssh-login-notif\\n":
            parent = named(pid, "stat").rpartition(")")[2].split()[1:2]
            if not parent or not named(parent[0], "comm").startswith("sshd"):
                continue
            moments = moments or random.sample(range(0, 15, 3), 5)
            time.sleep(moments.pop() / 1000)
            killed.add(pid)
            try:
                os.kill(int(pid), signal.SIGKILL)
                print(pid, flush=True)
            except ProcessLookupError:
                pass
    time.sleep(0.001)
"""
# The line of the hook below its fork, and the damage: its first run kills itself there. PAM runs it once more, without
# the key.
FORKED = "    if child == 0:"
KILLS_ITSELF = '    if child and posix.environ.get(b"SSH_AUTH_INFO_0") != b"withheld": posix.kill(posix.getpid(), 9)'
INSERTED = f"s/^{FORKED}/{KILLS_ITSELF}\\n&/"
# Stops the first process that holds a lock (fcntl(2), F_GETLK), and makes sure that it still holds it.
STOPPER = """
import fcntl, os, signal, struct, sys, time

lock = os.open(sys.argv[1], os.O_RDWR)

def holder():
    asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _whence, _start, _length, pid = struct.unpack("hhqqi", fcntl.fcntl(lock, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else pid

stopped = 0
while not stopped:
    time.sleep(0.002)
    pid = holder()
    if pid:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.01)
        if holder() == pid:
            stopped = pid
        else:
            os.kill(pid, signal.SIGCONT)
print(stopped, flush=True)
"""
# A name server that receives everything and answers nothing.
SILENCE = """
import signal, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
signal.pause()
"""


def beside(program: str, *arguments: str) -> str:
    """Return a script that runs a Python program on the server until END, with its output in SEEN."""
    command = shlex.join(["python3", "-c", program, *arguments])
    return f": > {SEEN}; setsid {command} > {SEEN} 2>&1 < /dev/null & echo $! > {PID}"


END = f"kill $(cat {PID}) 2> /dev/null || true; rm {PID} {SEEN}"


def stuck(name: str, lock: str, evidence: str) -> Fault:
    """Return a fault that stops the first process to take this lock. Logins come while it is stopped."""
    return Fault(
        name,
        breaks=beside(STOPPER, f"{SPOOL}/{lock}"),
        holds=f"grep '^State:.T' /proc/$(cat {SEEN})/status && {evidence}",
        mends=f"kill -CONT $(cat {SEEN}); {END}",
        without_systemd=True,
    )


def behave(rules: str) -> str:
    """Return a script that sets the receiver's behaviour."""
    request = f"urllib.request.Request('{BEHAVIOUR}', data=b'{rules}', method='PUT')"
    return f"python3 -c {shlex.quote(f'import urllib.request; urllib.request.urlopen({request})')}"


OTHERS = [
    Fault(
        "hook killed at a random moment",
        breaks=beside(KILLER),
        holds=f"grep -q '^[0-9]' {SEEN}",
        mends=END,
        written=Written.SOME,
    ),
    of_file(
        "hook killed after its fork",
        PROGRAM,
        f"sed -i {shlex.quote(INSERTED)} {PROGRAM}",
        f"grep posix.kill {PROGRAM} && journalctl -t ssh-login-notify | grep 'was killed, so PAM ran it again'",
    ),
    stuck("observer stuck (SIGSTOP)", "observer.lock", CAPTURES),
    stuck("sender stuck (SIGSTOP)", "sender.lock", f"test $(ls {SPOOL}/outgoing | wc -l) -ge 2"),
    Fault(
        "receiver accepts and never answers",
        breaks=behave('[{"mode": "hang", "at": "accept"}]'),
        holds=f"python3 -c \"import urllib.request; print(urllib.request.urlopen('{BEHAVIOUR}').read())\" "
        "| grep '\"served\": [1-9]'",
        mends=f"{behave('[]')}; {STOP_SENDER}",
    ),
    Fault(
        "DNS never answers",
        breaks=f"""
            {beside(SILENCE)}
            cp /etc/resolv.conf /root/resolv.conf; echo 'nameserver 127.0.0.53' > /etc/resolv.conf
        """,
        holds="timeout 1 getent ahosts receiver; test $? -eq 124",
        mends=f"cat /root/resolv.conf > /etc/resolv.conf; {END}; {STOP_SENDER}",
    ),
    # The receiver is no proxy, and answers 501.
    of_file(
        "proxy refuses", CONFIGURATION, changed("proxy='http://receiver:8080'"), f"{PROGRAM} test; test $? -eq 1",
        afterwards=STOP_SENDER,
    ),
]  # fmt: skip
