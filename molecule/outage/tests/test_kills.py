# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every process of the notifier is killed at random moments, over and over, and the server's power goes in the middle.

Every login that stood in the spool is reported all the same. One is lost only where its hook was killed before it had
written anything down, which the killer knows; it looks while the victim stands still.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from outage.channel import Outcome, Report, reports
from outage.crowd import LOG, Crowd, Kill, killer_at_work, kills_on

testinfra_hosts = ["ansible://debian13-outage"]

SEED = 20261125
LOGINS = 140  # in each of two storms
CUT_SHORT = 20  # logins among which the power goes
KINDS = ("hook", "fork", "observer", "finisher", "sender")
HANDFUL = 6
# From a request to the moment when the sender has taken the answer and removed the alert, on a busy machine.
ANSWER_SECONDS = 5.0
DELIVERY_SECONDS = 60.0


@pytest.fixture
def crowd(server, tmp_path_factory) -> Crowd:
    key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
    return Crowd(server, tmp_path_factory.mktemp("crowd"), key)


def test_kills_lose_no_login_that_stood_in_the_spool(server, ada, crowd, receiver, outcome, rows):
    print(f"seed {SEED}")
    server.run(f"rm -f {LOG}")
    began, mark = time.time(), receiver.last()

    with killer_at_work(server, SEED):
        logins = crowd.log_in(LOGINS)[0]
    assert len(logins) == LOGINS
    before_the_cut, kept = crowd.log_in(2 * CUT_SHORT, power_cut_after=CUT_SHORT)
    cut_at = time.time()
    assert kept, "the power went when there was nothing to lose"
    with killer_at_work(server, SEED + 1):
        logins += crowd.log_in(LOGINS)[0]
    assert len(logins) == 2 * LOGINS
    # An observer or a sender that was spared ends by itself; the next login's take what the killed ones have left.
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
    assert len(owed) > len(logins) / 2, "too many hooks were killed for this to show anything"
    found = outcome(owed, timeout=DELIVERY_SECONDS)
    assert found.lost == []

    # Those that the power cut short are told of too, if they stood in the spool.
    server.wait_for(lambda status: not status["waiting"] and not status["captured"])
    told = outcome(logins, expected=len(owed))
    ids = {report.id for report in reports(receiver.messages(after=mark))}
    assert kept - ids == set()
    assert ids_in(server.log(since=began)) - ids == set()
    assert told.contradictions == []
    assert unexplained(told, [kill for kill in kills if kill.kind == "sender"], cut_at) == []
    left = [name for directory in ("incoming", "outgoing", "failed") for name in server.names(directory)]
    assert [name for name in left if name[0] != "."] == [], "half-written files may lie there for an hour"
    reached = [login for login in logins if login not in told.lost]
    print(f"logins whose hook was killed before it had written anything down: {len(told.lost)} of {len(logins)}")
    rows.append(Outcome(reached, told.reports).row(f"{server.name}: killed (seed {SEED}): {shown}; a power cut"))


def ids_in(log: str) -> set[str]:
    """The logins that the system's log tells of. It lies in memory, so those before the power cut are not there."""
    return set(re.findall(r"^login .* id=(\S+)", log, re.MULTILINE))


def unexplained(told: Outcome, killed_senders: list[Kill], cut_at: float) -> list[Report]:
    """What the channel was told again, with no sender killed between its first request and that one's answer."""
    first = {report.id: report for report in told.first}
    ends = [*(kill.at for kill in killed_senders), cut_at]

    def is_explained(report: Report) -> bool:
        began = first[report.id].received_at
        return any(began - 0.1 < end < min(began + ANSWER_SECONDS, report.received_at) for end in ends)

    return [report for report in told.again if not is_explained(report)]
