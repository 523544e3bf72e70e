# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A storm of logins is reported completely, at the webhook's rate and at a small cost, and leaves nothing behind.

`./dev bench storm` is the same with a thousand logins (tests/lab/storm.py).
"""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import KEY, SCENARIO

from tests.lab.command import docker
from tests.lab.containers import INSIDE, TESTS, Server, address
from tests.lab.logins.fleet import fleet
from tests.lab.storm import FIGURES, prepare, raise_storm, rows_of, told
from tests.lab.watch import nobody_looks_by_the_clock

testinfra_hosts = ["ansible://servers"]

LOGINS = 150
CONNECTIONS = 100
# The sshd process of a connection on which nothing was opened (files/ssh_login_notify/connection.py).
SERVED = "^sshd[a-z-]*: (alice|bob|carol)$"
AN_HOUR_LATER = "env FAKETIME=+1h LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1)"


@pytest.fixture(scope="session")
def people():
    """The people who log in during the storm."""
    with fleet(f"people-{SCENARIO}", f"loginwatch-{SCENARIO}", f"loginwatch={SCENARIO}", "loginwatch/debian12") as all_:
        yield all_


@pytest.fixture(scope="module")
def server(host, people):
    """The server under test, in the form that the lab's storm needs, with its scripts and everybody's accounts."""
    container = host.backend.hostname
    host.check_output(f"mkdir -p {INSIDE}")
    docker("cp", "--quiet", f"{TESTS}/lab/inside/.", f"{container}:{INSIDE}")
    found = Server(container.removesuffix(f"-{SCENARIO}"), container, address(container), KEY)
    with nobody_looks_by_the_clock(found.shell):  # the storm changes sshd's settings, which would be reported
        prepare(found, people)
        yield found


@pytest.fixture(scope="session")
def storms(rows):
    """All storms. They become the scenario's table, with a column for each server."""
    found = []
    yield found
    titles = ["storm", "promised", *(storm.server for storm in found)]
    rows += [dict(zip(titles, row)) for row in rows_of(found)]


@pytest.fixture(scope="module")
def storm(server, receiver, people, storms):
    storms.append(raise_storm(server, receiver, people, LOGINS))
    return storms[-1]


@pytest.mark.timed
@pytest.mark.parametrize("figure", [pytest.param(figure, id=figure.title) for figure in FIGURES if figure.budget])
def test_what_is_promised_holds(figure, storm):
    assert figure.holds(storm), f"{figure.cell(storm)}; promised: {figure.budget}"


@pytest.mark.timed
def test_every_kind_of_people_came(storm, people):
    """From every address, with every key, at every account, and several at one account."""
    came = {(visit.user, visit.source.split()[0], visit.fingerprint) for visit in storm.visits}
    assert len(came) == len(people.accounts) * len(people.addresses) * len(people.fingerprints)


@pytest.mark.timed
def test_a_digest_has_a_line_for_each_login(storm):
    """None is merged with another, however alike they are, and together they need fewer messages than logins."""
    assert len(storm.delivered) < len(storm.reports) / 4
    for message in storm.delivered:
        if message.lines:
            assert message.header == f"{len(message.alerts)} logins on {storm.server}"
            assert len(set(message.ids)) == len(message.ids) == len(message.lines)


@pytest.mark.timed
def test_nothing_is_left_behind(storm, server):
    processes_are_left(server, 0)
    assert server.shell("find /var/spool/ssh-login-notify/incoming /var/spool/ssh-login-notify/outgoing -type f") == ""


def processes_are_left(server, count: int) -> None:
    """Wait for this number of the notifier's processes, also orphaned ones. Raises LabError if it stays different."""
    server.shell(f"timeout 30 sh -c 'until [ $(pgrep -c ssh-login-notif) = {count} ]; do sleep 0.1; done'")


@pytest.fixture
def connections(server, people, receiver):
    """Keep a hundred idle connections open, which came at once. Yields the receiver's messages about them."""
    last = receiver.last()
    with people.connected(server.address, 22, CONNECTIONS) as plans:
        yield plans, [report for message in told(receiver, last, CONNECTIONS) for report in message.alerts]


def test_connections_that_stay_for_an_hour_keep_one_process_for_all_of_them(connections, server, people):
    plans, reports = connections
    processes_are_left(server, 1)
    server.shell(f"test $({AN_HOUR_LATER} date +%s) -gt $(($(date +%s) + 3500))")
    server.shell(f"{AN_HOUR_LATER} /usr/local/bin/ssh-login-notify send")  # as the timer and cron do
    processes_are_left(server, 1)
    assert len(server.shell(f"pgrep -f '{SERVED}'").split()) == CONNECTIONS, "the connections are not open any more"
    assert {report.type for report in reports} == {"Tunnel (no session)"}
    assert len({report.id for report in reports}) == CONNECTIONS
    told_of = Counter((report.user, report.source.split()[0], report.key.split()[-1]) for report in reports)
    assert told_of == Counter((plan.user, plan.address, people.fingerprints[plan.key]) for plan in plans)
