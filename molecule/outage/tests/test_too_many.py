# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""If too many alerts wait, the oldest are dropped, and the channel is told how many."""

from __future__ import annotations

import re

import pytest

from tests.lab.settings import configured

testinfra_hosts = ["ansible://debian12-outage"]

MOST = 20
MOST_MIB = 1
TOO_MANY = 4
LARGE = 20  # alerts
# A MiB of alerts would take more than a thousand logins. So LARGE older alerts with long notes are made from the one
# that waits. They are like the finisher's: name, id and time agree.
MULTIPLY = f"""
import json, os, shutil
os.chdir("/var/spool/ssh-login-notify/outgoing")
(name,) = os.listdir(".")
with open(name) as file:
    alert = json.load(file)
for number in range({LARGE}):
    time = alert["time"] - {LARGE} + number
    other = f"{{time:017.6f}}-1"
    shutil.copy(name, other)
    with open(other, "w") as file:
        json.dump(dict(alert, id=other, time=time, notes=["as long as no note is" * 50] * 64), file)
"""


@pytest.fixture(scope="module", autouse=True)
def _limited(host):
    """Set low limits."""
    with configured(host.check_output, most_waiting=MOST, most_waiting_mib=MOST_MIB):
        yield


def assert_dropped_and_said(server, dropped) -> None:
    """Assert that an operator can see the number while alerts wait."""
    code, status = server.status()
    assert code == 2
    assert status["dropped"] == dropped
    assert any(f"{dropped} alerts were dropped" in problem for problem in status["problems"]), status["problems"]


def dropped_as_told(receiver, mark) -> list[int]:
    """Return the numbers of dropped alerts in the channel's messages."""
    bodies = [message.raw["body"] for message in receiver.messages(after=mark)]
    return [int(number) for body in bodies for number in re.findall(r"(\d+) older alerts were dropped", body)[:1]]


def test_the_oldest_beyond_the_number_go(server, ada, receiver, outcome, rows):
    mark = receiver.last()
    with receiver.misbehaving({"mode": "status", "status": 503}):
        logins = [ada.command() for _login in range(MOST + TOO_MANY)]
        server.wait_for(lambda status: not status["captured"])
        server.stop_sender()
        assert server.flush()[0] == 1
        assert server.status()[1]["waiting"] == MOST
        assert_dropped_and_said(server, TOO_MANY)
    assert server.flush()[0] == 0
    outcome(logins[TOO_MANY:]).assert_each_told_once()
    found = outcome(logins, expected=MOST)
    assert found.lost == logins[:TOO_MANY]
    assert dropped_as_told(receiver, mark) == [TOO_MANY]
    assert server.status()[0] == 0
    rows.append(found.row(f"{server.name}: more than {MOST} waiting"))


def test_the_oldest_beyond_the_size_go(server, ada, receiver, outcome, rows):
    mark = receiver.last()
    with receiver.misbehaving({"mode": "status", "status": 503}):
        login = ada.command()
        server.wait_for_waiting(1)
        server.stop_sender()
        server.run(f"python3 -c '{MULTIPLY}'")
        sizes = [int(size) for size in server.run("stat -c %s /var/spool/ssh-login-notify/outgoing/*").split()]
        assert server.flush()[0] == 1
    # The newest that fit into the limit together, and no fewer.
    fitting = sum(sum(sizes[start:]) <= MOST_MIB << 20 for start in range(LARGE + 1))
    assert 1 < fitting < LARGE
    assert len(server.names("outgoing")) == fitting
    assert_dropped_and_said(server, LARGE + 1 - fitting)
    assert server.flush()[0] == 0
    found = outcome([login])
    assert found.lost == []
    assert found.again == []
    assert found.in_order
    assert len(found.reports) == fitting
    assert dropped_as_told(receiver, mark) == [LARGE + 1 - fitting]
    row = found.row(f"{server.name}: more than {MOST_MIB} MiB waiting")
    rows.append({**row, "logins": str(LARGE + 1), "delivered": str(len(found.first))})
