# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody who has taken over the service user is neither root by it, nor does root do anything for him.

What the service user can do is named in docs/threat-model.md: delete alerts that wait, and make up some.
"""

from __future__ import annotations

import re

import pytest
from attacks.setup import usual_notifier

testinfra_hosts = ["ansible://systemd"]

SPOOL = "/var/spool/ssh-login-notify"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
TARGET = "/root/target"
# An alert's name far in the past: first in the queue.
NAME = "1000000000.000000-77"
ROOTS_COMMANDS = ("status --json", "flush --failed", "heartbeat", "send")
LIMIT_SECONDS = 20  # for each of them; none has anything to wait for
# By systemd's own measure, of 10. A tenth of it is for the homes (docs/threat-model.md).
MOST_EXPOSURE = 2.1
FORBIDDEN = {
    "reads the webhook": f"cat {CONFIGURATION}",
    "changes the configuration": f"echo >> {CONFIGURATION}",
    "forges a capture": f"touch {SPOOL}/incoming/{NAME}",
    "sees captures": f"ls {SPOOL}/incoming",
    "swaps a directory": f"mv {SPOOL}/outgoing {SPOOL}/away",
    "makes a directory": f"mkdir {SPOOL}/more",
    "holds a lock": f"exec 3<> {SPOOL}/sender.lock",
    "changes the program": "echo >> /usr/local/bin/ssh-login-notify",
    "changes the package": "touch /usr/local/lib/ssh-login-notify/ssh_login_notify/json.py",
    "adds to the overflow": "mkdir /run/ssh-login-notify/more",
    "changes the PAM stack": "echo >> /etc/pam.d/sshd",
    "reads root's memory": "cat /proc/1/environ",
}
# What it puts where root reads, writes, renames or removes.
PLANTED = {
    "symbolic links": f"""
        for name in wake sender.json watch.json; do rm -f state/$name; ln -s {TARGET} state/$name; done
        ln -s {CONFIGURATION} outgoing/{NAME}; ln -s /etc/shadow failed/{NAME}; ln -s /etc/shadow failed/{NAME}.answer
        ln -s /root outgoing/{NAME}8
    """,
    "FIFOs": f"""
        for name in wake sender.json watch.json; do rm -f state/$name; mkfifo state/$name; done
        mkfifo outgoing/{NAME} failed/{NAME} failed/{NAME}.answer outgoing/.{NAME}
    """,
    "directories": f"""
        for name in wake sender.json watch.json; do rm -f state/$name; mkdir state/$name; done
        mkdir -p outgoing/{NAME}/deep failed/{NAME}/deep state/.old/deep; touch -d '1 day ago' state/.old
    """,
    "what is no alert": f"""
        rm -f state/*; truncate -s 2G outgoing/{NAME} state/sender.json state/watch.json
        head -c 100000 /dev/urandom > outgoing/{NAME}8; printf '[%.0s' $(seq 100000) > outgoing/{NAME}9
        printf 'x' > "outgoing/a
b"; printf '{{}}' > outgoing/{NAME}5; : > failed/{NAME}.answer
    """,
}


def as_service(host, script: str):
    """Run a script as the service user."""
    return host.run(f"cd {SPOOL} && runuser -u ssh-login-notify -- sh -c %s", script)


@pytest.fixture
def tidy(host):
    """What was planted is gone afterwards, and root's secrets are as they were."""
    secrets = f"stat -c '%a %U %G %Y %n' /etc/shadow {CONFIGURATION}"
    before = host.check_output(secrets)
    yield
    host.check_output(f"find {SPOOL} -mindepth 2 -delete; rm -f {TARGET}")
    assert host.check_output(secrets) == before


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_it_may_not(deed, host):
    host.check_output("mkdir -p -m 700 /run/ssh-login-notify")
    attempt = as_service(host, FORBIDDEN[deed])
    assert attempt.failed
    assert "denied" in attempt.stderr or "not permitted" in attempt.stderr, attempt.stderr


@pytest.mark.parametrize("what", PLANTED)
def test_what_it_plants_leads_root_nowhere(what, host, intruder, tidy, is_told_by_the_usual, verdict):
    """The usual notifier's counterpart is a file in the user's home, which root opens without a look."""
    kind = {"symbolic links": f"ln -s {TARGET}", "FIFOs": "mkfifo", "directories": "mkdir"}.get(what, f"ln -s {TARGET}")
    host.check_output(f"runuser -u intruder -- sh -c 'rm -f ~/.logins; {kind} ~/.logins'")
    with usual_notifier(host):
        first = intruder.command("sleep 0.2")
        hangs = what == "FIFOs" and not is_told_by_the_usual(first)
        hangs = hangs and host.run("pkill -f '[u]sual-notifier'").succeeded
    if hangs:
        usual = "root's process hangs"
    elif what == "directories":
        usual = "fails" if not is_told_by_the_usual(first) else ""
    else:
        usual = "root writes where it points" if host.file(TARGET).exists else ""
    host.check_output(f"rm -rf {TARGET} /home/intruder/.logins")
    planted = as_service(host, f"set -e; {PLANTED[what]}")
    assert planted.succeeded, planted.stderr
    found = []
    for command in ROOTS_COMMANDS:
        done = host.run(f"timeout {LIMIT_SECONDS} ssh-login-notify {command}")
        found += [f"`{command}` hangs"] * (done.rc == 124) + ["shows a secret"] * ("root:" in done.stdout + done.stderr)
        found += [f"`{command}` ends with a traceback"] * ("Traceback" in done.stderr)
    login = intruder.command()

    def gained(_messages) -> str:
        return "; ".join(found + ["root writes where it points"] * host.file(TARGET).exists)

    verdict(f"the service user plants {what}", usual, gained, [login])


def test_the_unit_gives_the_sender_no_more_than_it_needs(host):
    """What is left is listed in docs/threat-model.md."""
    said = host.check_output("systemd-analyze security --no-pager ssh-login-notify.service")
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(exposure) <= MOST_EXPOSURE
