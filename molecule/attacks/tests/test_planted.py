# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that an attacker with the service user's rights puts into the spool makes root follow it."""

from __future__ import annotations

import pytest
from attacks.setup import as_service, usual_notifier

# Our own programs read these files, and they are the same everywhere.
testinfra_hosts = ["ansible://debian13-attacks"]

SPOOL = "/var/spool/ssh-login-notify"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
TARGET = "/root/target"
# An alert's name from the distant past, so it is first in the queue.
NAME = "1000000000.000000-77"
ROOTS_COMMANDS = ("status --json", "flush --failed", "heartbeat", "send")
LIMIT_SECONDS = 20  # for each file; none has a reason to wait
# What the attacker puts where root reads, writes, renames or removes.
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


@pytest.fixture
def tidy(host):
    """Check afterwards that nothing planted is left, and that root's secrets are unchanged."""
    secrets = f"stat -c '%a %U %G %Y %n' /etc/shadow {CONFIGURATION}"
    before = host.check_output(secrets)
    yield
    host.check_output(f"find {SPOOL} -mindepth 2 -delete; rm -f {TARGET}")
    assert host.check_output(secrets) == before


@pytest.mark.parametrize("what", PLANTED)
def test_what_it_plants_leads_root_nowhere(what, host, intruder, tidy, is_told_by_the_usual, verdict):
    """The usual notifier's counterpart is a file in the user's home, which root opens without a check."""
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
