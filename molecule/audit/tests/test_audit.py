# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each login that sshd accepted and the notifier missed is reported once, with its reason; and nothing else is."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time

import pytest

from tests.lab.faults.fault import CONFIGURATION, KEPT, LIBRARY, PROGRAM, SPOOL, STACK
from tests.lab.watch import nobody_looks_by_the_clock

testinfra_hosts = ["ansible://debian13-audit"]

# Makes the self-check due: nothing was installed lately, and no check has run yet.
SETTLE = f"touch -d '1 hour ago' {LIBRARY}/../manifest.json {CONFIGURATION}; rm -f {SPOOL}/state/watch.json"
LOOK = f"{SETTLE}; systemctl start ssh-login-notify.service"
# A younger login is not judged (audit.YOUNG_SECONDS).
YOUNG_SECONDS = 121
SECOND = "/usr/sbin/sshd -p 2222 -o UsePAM=no -o PidFile=/run/second.pid"
# name -> (breaks, repairs, a word of the reason)
FAULTS = {
    "program not executable": (f"chmod 000 {PROGRAM}", f"chmod 755 {PROGRAM}", "not executable"),
    "line removed": (
        f"cp -a {STACK} {KEPT}; sed -i /ssh-login-notify/d {STACK}",
        f"mv {KEPT} {STACK}",
        "line was missing",
    ),
    "interpreter gone": (
        f"cp -a {PROGRAM} {KEPT}; sed -i '1c #!/nonexistent/python3' {PROGRAM}",
        f"mv {KEPT} {PROGRAM}",
        "was missing",
    ),
}
QUIET = "/usr/sbin/sshd -p 2223 -o LogLevel=QUIET -o PidFile=/run/quiet.pid"
ASK = "/root/ask"
SLOW_PAM = f"""
cp -a {STACK} {KEPT}
printf '#!/bin/sh\\ntouch {ASK}ed\\nsleep 3\\n' > {ASK}
chmod 755 {ASK}
sed -i '1i account optional pam_exec.so {ASK}' {STACK}
"""
# A ProxyCommand that resets the connection as soon as a file exists.
RESET = """
import os, socket, struct, sys, threading, time
server = socket.create_connection((sys.argv[1], 22))
def up():
    while server.send(os.read(0, 65536) or b""): pass
def down():
    while os.write(1, server.recv(65536)): pass
for way in (up, down): threading.Thread(target=way, daemon=True).start()
while not os.path.exists(sys.argv[2]): time.sleep(0.05)
server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
server.close()
os._exit(0)
"""
FORGED = "Accepted publickey for eve from 192.0.2.1 port 5 ssh2"


@pytest.fixture(scope="module")
def _nobody_looks_by_the_clock(host):
    """Pause the watch: its self-check would report the missed logins before a test asks for it."""
    with nobody_looks_by_the_clock(host.check_output):
        yield


@pytest.fixture(scope="module")
def day(_nobody_looks_by_the_clock, host, ada, receiver):
    """A short day: logins that are seen, and one login during each fault. Maps its source to the fault's reason."""
    host.check_output(f"{LOOK}; timeout 30 sh -c 'until test -e {SPOOL}/ledger/audit.json; do sleep 0.2; done'")
    seen = [ada.command(), ada.interactive(), ada.sftp(), ada.rsync(), ada.tunnel()]
    missed = {}
    for breaks, mends, word in FAULTS.values():
        host.check_output(f"set -e; {breaks}")
        try:
            missed[ada.command().source] = word
        finally:
            host.check_output(f"set -e; {mends}")
        seen.append(ada.command())
    host.check_output(f"usermod -p '*' {ada.user}; {SECOND}")
    missed[ada.command(port=2222).source] = "UsePAM no"
    host.check_output(f"kill $(cat /run/second.pid); {QUIET}")
    seen.append(ada.command(port=2223))
    host.check_output(f"kill $(cat /run/quiet.pid); logger -t sshd -p auth.info '{FORGED}'")
    host.check_output(f"logger -t 'sshd[77]' -p auth.info '{FORGED}'")
    hang_up(host, ada)
    host.check_output(f"su {ada.user} -s /bin/sh -c \"logger -t 'sshd[77]' -p auth.info '{FORGED}'\"")
    seen.append(ada.command())
    receiver.settle()
    time.sleep(YOUNG_SECONDS)
    return seen, missed


def hang_up(host, ada):
    """Have a client reset its connection while PAM queries a server."""
    script, sign = ada.directory / "reset.py", ada.directory / "reset"
    script.write_text(RESET)
    host.check_output(f"set -e; {SLOW_PAM}")
    try:
        proxy = shlex.join([sys.executable, str(script), ada.address, str(sign)])
        # Unlike the other clients' ProxyCommand, this one does not pass its socket on.
        command = [*ada.ssh, "-o", f"ProxyCommand={proxy}", "-o", "ProxyUseFdpass=no", ada.address, "true"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603
            host.check_output(f"timeout 60 sh -c 'until test -e {ASK}ed; do sleep 0.1; done'")
            sign.touch()
    finally:
        host.check_output(f"mv {KEPT} {STACK}; rm {ASK}*")


def audit(host):
    run = host.run("ssh-login-notify audit --since 1h --json")
    return run.rc, json.loads(run.stdout)


def test_the_audit_names_exactly_the_logins_that_were_not_seen(host, day):
    seen, missed = day
    code, found = audit(host)
    assert code == 2
    assert found["missed"] == len(missed) == 4
    for source, word in missed.items():
        (login,) = [login for login in found["missed_logins"] if source in login["line"]]
        assert word in login["reason"]
    assert found["known"] >= len(seen)
    assert found["accepted"] == found["known"] + found["missed"] + sum(found["doubts"].values())
    assert found["doubts"]["ended"] == 1, "the client that reset its connection"
    assert found["not_in_the_log"] == 0
    assert found["gaps"] == []


def test_each_of_them_is_told_once_by_a_self_check(host, day, receiver):
    mark = receiver.last()
    host.check_output(LOOK)
    (message,) = receiver.wait_for(lambda message: "not reported" in str(message.raw), after=mark, timeout=60)
    assert all(source in str(message.raw) for source in day[1])
    mark = receiver.last()
    host.check_output(f"sleep 3; {LOOK}; sleep 3")
    receiver.settle()
    assert not [told for told in receiver.messages(after=mark) if "not reported" in str(told.raw)]
    assert "logins accepted" in host.run("ssh-login-notify status").stdout.partition("complete since")[2]
