# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack fails in every possible way: logins go on, `status` says why their alerts wait, and none is lost."""

from __future__ import annotations

import re

import pytest

testinfra_hosts = ["ansible://systemd"]

# The receiver's misbehaviour, and the operator's words for it.
OUTAGES = {
    "connection refused": (None, "Connection refused"),
    "500": ({"mode": "status", "status": 500}, "500 rollup_error: Slack has a problem"),
    "503": ({"mode": "status", "status": 503}, '503 "status 503": Slack has a problem'),
    "expired certificate": ({"mode": "certificate", "kind": "expired"}, "certificate has expired"),
    "certificate of another host": ({"mode": "certificate", "kind": "wrong-name"}, "mismatch"),
    "certificate by an unknown CA": ({"mode": "certificate", "kind": "unknown-ca"}, "unable to get local issuer"),
}
UNANSWERED = {"mode": "reset", "at": "answer"}
LOGINS = 3
# A login takes half a second. One that waited for a connection to Slack would take as long as that.
LOGIN_SECONDS = 5.0


def log_in(person) -> list:
    """Log in several times, one after another, and assert that nothing delays it."""
    logins = [person.command() for _login in range(LOGINS)]
    assert [login.errors for login in logins] == [""] * LOGINS
    assert max(login.seconds for login in logins) < LOGIN_SECONDS
    return logins


def assert_status_says(server, words) -> None:
    """Assert that waiting alerts are counted and explained, and that the exit code shows them to monitoring."""
    server.wait_for(lambda status: status["waiting"] == LOGINS and re.search(words, "; ".join(status["problems"])))
    code, status = server.status()
    assert code in (1, 2), status
    assert status["state"] == {1: "warning", 2: "critical"}[code]


def assert_all_is_well(server) -> None:
    code, status = server.status()
    assert (code, status["waiting"], status["captured"], status["failed"]) == (0, 0, 0, 0), status


@pytest.mark.parametrize("kind", OUTAGES)
def test_what_waits_is_delivered_afterwards(kind, server, ada, receiver, outcome, rows):
    rule, words = OUTAGES[kind]
    with receiver.misbehaving(rule) if rule else receiver.away():
        logins = log_in(ada)
        assert_status_says(server, words)
        server.stop_sender()  # otherwise it would retry by itself, after a while
    assert server.flush() == (0, {"delivered": LOGINS, "waiting": 0, "failed": 0, "answer": "200 ok"})
    found = outcome(logins)
    found.assert_each_told_once()
    assert found.late == []
    assert_all_is_well(server)
    rows.append(found.row(f"{server.name}: {kind}"))


def test_an_answer_that_is_lost_makes_the_same_alert_come_again(server, ada, receiver, outcome, rows):
    """The message is in the channel, but the sender can't know. This is the only cause of duplicates."""
    with receiver.misbehaving(UNANSWERED):
        logins = log_in(ada)
        assert_status_says(server, "broke off|reset by peer")
        server.stop_sender()
    assert server.flush()[0] == 0
    found = outcome(logins)
    assert found.lost == []
    assert found.first[0].id == min(report.id for report in found.first)
    assert found.first[0].id in {report.id for report in found.again}, "the oldest is tried first, and others later"
    assert found.contradictions == []
    assert len(found.first) == LOGINS
    assert_all_is_well(server)
    rows.append(found.row(f"{server.name}: reset in mid-answer"))


def test_a_flush_does_not_wait_for_a_sender_that_waits(server, ada, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": 503}):
        logins = log_in(ada)
        assert_status_says(server, "503")
        assert server.flush() == (1, {"delivered": 0, "waiting": LOGINS, "failed": 0, "answer": '503 "status 503"'})
    assert server.flush() == (0, {"delivered": LOGINS, "waiting": 0, "failed": 0, "answer": "200 ok"})
    found = outcome(logins)
    found.assert_each_told_once()
    rows.append(found.row(f"{server.name}: 503, then a flush"))


def test_a_message_that_comes_late_says_so(server, ada, receiver, outcome, rows):
    """The test does not wait: libfaketime advances the clock of the sender by five minutes."""
    with receiver.misbehaving({"mode": "status", "status": 503}):
        logins = log_in(ada)
        server.wait_for_waiting(LOGINS)
        server.stop_sender()
    assert server.flush(later="5m")[0] == 0
    found = outcome(logins)
    found.assert_each_told_once()
    assert found.late == found.reports
    rows.append(found.row(f"{server.name}: 503, five minutes long"))
