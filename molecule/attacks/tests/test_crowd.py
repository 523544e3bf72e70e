# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login among two hundred simultaneous ones is reported."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from attacks.setup import usual_notifier

from tests.lab.logins import Login, Person

# The scenario storm has crowds on Debian 13.
testinfra_hosts = ["ansible://debian12-attacks"]

SSHD = "/etc/ssh/sshd_config.d/attacks.conf"
CROWD = 200
AT_ONCE = 50
CROWD_OF_THE_USUAL = 20


@pytest.fixture
def many_may_start(host):
    """Let sshd accept as many connections as the intruder likes."""
    host.check_output(f"printf 'MaxStartups 1000\\nMaxSessions 1000\\n' > {SSHD} && systemctl reload ssh")
    yield
    host.check_output(f"rm {SSHD} && systemctl reload ssh")


def test_a_crowd_in_which_one_login_would_be_lost(host, intruder, many_may_start, receiver, verdict):
    """Let Slack take one message a second."""
    mark = receiver.last()
    with receiver.misbehaving({"mode": "rate_limit"}):
        with usual_notifier(host):
            logins = crowd(intruder, CROWD_OF_THE_USUAL)
            receiver.settle()
        told = len(receiver.messages(after=mark))
        usual = "" if told == len(logins) else f"tells of {told} of {len(logins)}"
        verdict(f"{CROWD} connections at once", usual, "", crowd(intruder, CROWD))


def crowd(person: Person, number: int) -> list[Login]:
    """Return this many logins, AT_ONCE of them at a time."""

    def log_in(turn: int) -> Login:
        note = person.directory / f"source-{turn}"
        environment = {**os.environ, "LOGIN_SOURCE": str(note)}
        command = [*person.ssh, person.address, "true"]
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)  # noqa: S603
        return Login(note.read_text(), "", "", 0.0, 0.0)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(log_in, range(number)))
