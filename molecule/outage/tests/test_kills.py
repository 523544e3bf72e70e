# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each process of the notifier is killed at random moments, repeatedly, and the server's power fails in between.

Every login in the spool is reported all the same. A login is lost only if its hook was killed before it had written
anything. The killer records that, while the victim is stopped.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from outage.channel import Outcome, Report, reports
from outage.crowd import LOG, Crowd, Kill, PowerCut, killer_at_work, kills_on

testinfra_hosts = ["ansible://debian13-outage"]

SEED = 20261125
LOGINS = 140  # per storm; there are two
CUT_SHORT = 20  # logins, during which the power fails
KINDS = ("hook", "fork", "observer", "finisher", "sender")
HANDFUL = 6
# From the request of a killed sender to the message in the channel, on a busy machine.
ON_THE_WAY_SECONDS = 1.0
DELIVERY_SECONDS = 60.0


@pytest.fixture
def crowd(server, tmp_path_factory) -> Crowd:
    key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
    return Crowd(server, tmp_path_factory.mktemp("crowd"), key)


@pytest.mark.timed  # the number of processes of each kind that are hit depends on the machine's load
def test_kills_lose_no_login_that_stood_in_the_spool(server, ada, crowd, receiver, outcome, rows):
    print(f"seed {SEED}")
    server.run(f"rm -f {LOG}")
    began, mark = time.time(), receiver.last()

    with killer_at_work(server, SEED):
        logins = crowd.log_in(LOGINS)
    assert len(logins) == LOGINS
    before_the_cut, cut = crowd.log_in_until_power_cut(CUT_SHORT)
    with killer_at_work(server, SEED + 1):
        logins += crowd.log_in(LOGINS)
    assert len(logins) == 2 * LOGINS
    # A surviving observer or sender ends by itself. The next login's processes continue the work of the killed ones.
    server.wait_for_no_process()
    ada.address = server.address
    logins += [*before_the_cut, ada.command()]

    kills = kills_on(server)
    victims = Counter(kill.kind for kill in kills)
    shown = ", ".join(f"{kind} {victims[kind]}" for kind in KINDS)
    print(f"killed: {shown}")
    assert min(victims[kind] for kind in KINDS) > HANDFUL

    excused = {kill.source for kill in kills if kill.may_be_lost}
    owed = [login for login in logins if login.source not in excused]
    assert len(owed) > len(logins) / 2, "too many hooks were killed to prove anything"
    found = outcome(owed, timeout=DELIVERY_SECONDS)
    waiting = {name: server.names(name) for name in ("incoming", "outgoing", "failed")}
    assert found.lost == [], (server.status(), waiting)

    # Logins that the power cut interrupted are reported too, if they were in the spool.
    server.wait_for(lambda status: not status["waiting"] and not status["captured"])
    told = outcome(logins, expected=len(owed))
    ids = {report.id for report in reports(receiver.messages(after=mark))}
    assert cut.kept - ids == set()
    assert ids_in(server.log(since=began)) - ids == set()
    assert told.contradictions == []
    assert unexplained(told, kills, cut) == []
    left = [name for directory in ("incoming", "outgoing", "failed") for name in server.names(directory)]
    assert [name for name in left if name[0] != "."] == [], "half-written files can stay for an hour"
    reached = [login for login in logins if login not in told.lost]
    print(f"logins whose hook was killed before it had written anything down: {len(told.lost)} of {len(logins)}")
    rows.append(Outcome(reached, told.reports).row(f"{server.name}: killed (seed {SEED}): {shown}; a power cut"))


def ids_in(log: str) -> set[str]:
    """Return the logins in the system's log. It is in memory, so logins before the power cut are not in it."""
    return set(re.findall(r"^login .* id=(\S+)", log, re.MULTILINE))


def unexplained(told: Outcome, kills: list[Kill], cut: PowerCut) -> list[Report]:
    """Return the repeated reports for which no sender was killed between the request and the removal of the alert.

    An alert that still waits when its sender is killed can already be in the channel.
    """
    first = {report.id: report for report in told.first}
    ends = [(kill.at, set(kill.waiting)) for kill in kills if kill.kind == "sender"] + [(cut.at, cut.kept)]

    def is_explained(report: Report) -> bool:
        began = first[report.id].received_at - ON_THE_WAY_SECONDS
        return any(began < at < report.received_at and report.id in waiting for at, waiting in ends)

    return [report for report in told.again if not is_explained(report)]
