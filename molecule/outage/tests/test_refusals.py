# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A refused message blocks no other: Slack's refusals are set aside, and messages that are stuck are retried later."""

from __future__ import annotations

import pytest
from outage.server import SPOOL

testinfra_hosts = ["ansible://debian13-outage"]

OTHERS = 11  # logins that wait next to the refused one; with it, they are a digest at first


def test_a_message_that_slack_refuses_is_set_aside(server, ada, people, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": 503}):
        refused = people("rita").command()
        logins = [ada.command() for _login in range(OTHERS)]
        server.wait_for_waiting(1 + OTHERS)
        server.stop_sender()
    with receiver.misbehaving({"mode": "status", "status": 400, "containing": "rita"}):
        assert server.flush()[0] == 2
        logins.append(ada.command())
        outcome(logins).assert_each_told_once()
        assert_kept_with_the_answer(server, "400 invalid_payload")
    assert server.flush("--failed") == (0, {"delivered": 1, "waiting": 0, "failed": 0, "answer": "200 ok"})
    found = outcome([refused, *logins])
    assert found.lost == []
    assert found.again == []
    assert found.reports[-1].tells_of(refused)
    assert server.names("failed") == []
    rows.append(found.row(f"{server.name}: 400 for one, sent after the repair"))


def assert_kept_with_the_answer(server, answer) -> None:
    name, words = server.names("failed")
    assert words == f"{name}.answer"
    assert server.run(f"cat {SPOOL}/failed/{words}").startswith(f"{answer}: ")
    code, status = server.status()
    assert (code, status["failed"], status["waiting"]) == (2, 1, 0)
    assert any(answer in problem for problem in status["problems"]), status["problems"]


# A proxy that blocks one message.
BOXES = {
    "413": {"mode": "status", "status": 413, "answer": "<html>Request Entity Too Large</html>"},
    "a reset": {"mode": "reset"},
}


@pytest.mark.parametrize("box", BOXES)
def test_a_message_that_does_not_pass_is_overtaken(box, server, ada, people, receiver, outcome, rows):
    with receiver.misbehaving(dict(BOXES[box], containing="rita")):
        stuck = people("rita").command()
        logins = [ada.command(), ada.command()]
        assert outcome(logins).lost == []
        (problem,) = server.wait_for(lambda status: "stuck" in str(status["problems"]))["problems"]
        assert problem.startswith("1 alert is stuck, ")
        assert server.status()[0] == 2
        logins.append(ada.command())
        outcome(logins).assert_each_told_once()
    assert server.flush() == (0, {"delivered": 1, "waiting": 0, "failed": 0, "answer": "200 ok"})
    found = outcome([stuck, *logins])
    assert (found.lost, found.again) == ([], [])
    rows.append(found.row(f"{server.name}: {box} for one, overtaken"))


@pytest.mark.parametrize(("status", "answer"), [(404, "no_service"), (403, "<html>Forbidden</html>")])
def test_what_is_put_right_goes_by_itself(status, answer, server, ada, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": status, "answer": answer}):
        logins = [ada.command(), ada.command()]
        found = server.wait_for(lambda status: status["waiting"] == len(logins) and status["problems"])
        assert (found["failed"], found["last_answer"]["answer"]) == (0, answer)
        assert server.status()[0] == (1 if answer.startswith("<") else 2)
    found = outcome(logins)
    found.assert_each_told_once()
    rows.append(found.row(f"{server.name}: {status} for a while"))


def test_a_directory_in_the_place_of_what_is_set_aside_holds_up_nobody(server, ada, outcome, rows):
    """Somebody with the service user's rights has created it."""
    name = "1763884862.123456-4242"
    server.run(f"runuser -u ssh-login-notify -- mkdir -p {SPOOL}/failed/{name}/deep {SPOOL}/failed/{name}.answer")
    server.run(f"echo '{{}}' > {SPOOL}/outgoing/{name}")
    logins = [ada.command(), ada.command()]
    found = outcome(logins)
    found.assert_each_told_once()
    assert server.run(f"test -f {SPOOL}/failed/{name} && test -f {SPOOL}/failed/{name}.answer && echo both") == "both"
    rows.append(found.row(f"{server.name}: a directory in the place of failed/{name}"))
