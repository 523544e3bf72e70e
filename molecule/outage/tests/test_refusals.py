# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A message that Slack refuses for good holds up nobody: it is set aside with the answer, and sent after the mend."""

from __future__ import annotations

import pytest
from outage.server import SPOOL

testinfra_hosts = ["ansible://debian13-outage"]

# The answer, and how many logins wait beside the one whose message is refused: with eleven it is a digest at first.
CASES = [(404, "no_service", 2), (400, "invalid_payload", 11)]


@pytest.mark.parametrize(("code", "answer", "others"), CASES)
def test_a_refused_message_is_set_aside(code, answer, others, server, ada, people, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": 503}):
        refused = people("rita").command()
        logins = [ada.command() for _login in range(others)]
        server.wait_for_waiting(1 + others)
        server.stop_sender()
    with receiver.misbehaving({"mode": "status", "status": code, "containing": "rita"}):
        assert server.flush()[0] == 2
        logins.append(ada.command())
        outcome(logins).assert_each_told_once()
        assert_kept_with_the_answer(server, f"{code} {answer}")
    assert server.flush("--failed") == (0, {"delivered": 1, "waiting": 0, "failed": 0, "answer": "200 ok"})
    found = outcome([refused, *logins])
    assert found.lost == []
    assert found.again == []
    assert found.reports[-1].tells_of(refused)
    assert server.names("failed") == []
    rows.append(found.row(f"{server.name}: {code} for one, sent after the mend"))


def assert_kept_with_the_answer(server, answer) -> None:
    name, words = server.names("failed")
    assert words == f"{name}.answer"
    assert server.run(f"cat {SPOOL}/failed/{words}").startswith(f"{answer}: ")
    code, status = server.status()
    assert (code, status["failed"], status["waiting"]) == (2, 1, 0)
    assert any(answer in problem for problem in status["problems"]), status["problems"]
