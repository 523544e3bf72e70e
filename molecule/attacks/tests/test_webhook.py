# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An intruder searches for the webhook wherever an ordinary user can, while an alert is on its way and afterwards.

molecule/default/tests/test_secret.py searches Ansible's output and all files of the server.
"""

from __future__ import annotations

import time

import pytest

from tests.lab.deploy import SECRET

# The kernel and the unit decide who can look into a process.
testinfra_hosts = ["ansible://debian13-attacks"]

USUAL = "/usr/local/bin/usual-notifier"
SENDER = "pgrep -o -f '[s]sh-login-notify send$'"
PROCESSES = "/proc/[0-9]*/cmdline /proc/[0-9]*/environ /proc/[0-9]*/maps /proc/[0-9]*/mem /proc/[0-9]*/fd/*"
PLACES = "/usr/local /var/spool /var/log /var/lib /run /etc /tmp /var/tmp /dev/shm"
TRANSPORT = "/usr/local/lib/ssh-login-notify/ssh_login_notify/transport.py"
LOGS = "journalctl --output=export --since=@{since:.6f}; cat /var/log/*"


@pytest.fixture
def found(host):
    """Return where the intruder finds the webhook. The pattern is in a file, or the search would find itself."""
    host.check_output(f"runuser -u intruder -- sh -c 'echo {SECRET} > ~/needle'")
    search = f"grep -alsFf ~/needle {PROCESSES}; grep -arlsFf ~/needle {PLACES}; true"

    def places() -> str:
        places = host.check_output("runuser -u intruder -- sh -c %s", f"HOME=/home/intruder; {search}").split()
        return ", ".join(sorted({f"in {place}" for place in places}))

    yield places
    host.check_output("rm /home/intruder/needle")


def test_the_intruder_searches_while_an_alert_is_sent(host, intruder, receiver, found, verdict):
    usual = found()
    host.check_output(f"mv {USUAL} /root/")
    try:
        with receiver.misbehaving({"mode": "hang"}):
            login = intruder.command()
            receiver.wait_for(lambda message: message.fields.get("From") == login.source, attempts=True)
            host.check_output(SENDER)
            ours = found()
        host.check_output("systemctl restart ssh-login-notify.service")
        ours = ours or found()
        verdict("a search for the webhook everywhere", usual, ours, [login])
    finally:
        host.check_output(f"mv /root/usual-notifier {USUAL}")


def test_the_process_that_has_it_is_closed_to_its_own_user(host, intruder, receiver):
    """It was root, so nobody else can read or trace it, and it dumps no core (prctl(2), PR_SET_DUMPABLE)."""
    with receiver.misbehaving({"mode": "hang"}):
        login = intruder.command()
        receiver.wait_for(lambda message: message.fields.get("From") == login.source, attempts=True)
        pid = host.check_output(SENDER)
        for what in ("environ", "mem", "maps", "fd/3"):
            assert host.run(f"runuser -u ssh-login-notify -- cat /proc/{pid}/{what}").failed
        assert host.check_output(f"awk '/core file/ {{ print $5, $6 }}' /proc/{pid}/limits") == "0 0"
        host.check_output(f"kill -SEGV {pid}")
        host.run(f"timeout 5 sh -c 'while kill -0 {pid}; do sleep 0.1; done'")
    assert host.run(f"find / -xdev -name '*core*{pid}*' -o -xdev -name core -type f").stdout == ""
    # Not `start`, which would wait for the next attempt of a service that has failed.
    host.check_output("systemctl restart ssh-login-notify.service")
    receiver.wait_for(lambda message: message.fields.get("From") == login.source)


def test_a_defect_does_not_tell_it(host, intruder, receiver):
    """Python prints the source lines and the text of an error. Here both would contain the webhook."""
    since = time.time()
    host.check_output(f"cp -a {TRANSPORT} /root/transport.py")
    host.check_output(f"sed -i '/    def post(/a \\        raise RuntimeError(self._target)' {TRANSPORT}")
    try:
        login = intruder.command()
        told = "journalctl -q -u ssh-login-notify.service | grep -q RuntimeError"
        host.check_output("timeout 9 sh -c %s", f"until {told}; do sleep 0.2; done")
        status = host.run("ssh-login-notify test; ssh-login-notify status --json; ssh-login-notify flush")
    finally:
        host.check_output(f"cp -a /root/transport.py {TRANSPORT}")
    assert SECRET not in status.stdout + status.stderr
    assert host.run(f"{{ {LOGS.format(since=since)}; }} 2> /dev/null | grep -aF %s", SECRET).stdout == ""
    host.check_output("systemctl restart ssh-login-notify.service")
    receiver.wait_for(lambda message: message.fields.get("From") == login.source)
