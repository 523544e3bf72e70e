# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""heartbeat: it is delivered as a login's alert is, and the dead man's switch is pinged only while all is well."""

import json

import parts
import pytest
from parts import answer, configuration, raw, reset
from ssh_login_notify import alert, wording
from ssh_login_notify.state import State
from ssh_login_notify.transport import Transport

OTHER = "/ping/not-a-real-secret"


@pytest.fixture
def switch():
    server = parts.Webhook()
    yield server
    server.close()


def beat(spool, *problems):
    found = alert.own(alert.HEARTBEAT, list(problems))
    spool.write("outgoing", found["id"], alert.to_json(found), 0o640)


def send(spool, webhook, switch, **values):
    url = switch.url.replace(parts.PATH, OTHER)
    found = configuration(webhook.url, heartbeat_ping_url=url, **values)
    assert parts.delivery(spool, found).run(patient=False) is not None
    return State(spool).last_ping


def test_the_switch_is_asked_for_after_the_message_was_delivered(spool, webhook, switch):
    beat(spool)
    ping = send(spool, webhook, switch)
    assert len(webhook.requests) == 1
    assert [request.line for request in switch.requests] == [f"GET {OTHER} HTTP/1.1"]
    assert "content-type" not in switch.requests[0].headers
    assert (ping["well"], ping["answer"]) == (True, "200")


def test_a_message_that_is_not_delivered_is_no_beat(spool, webhook, switch):
    beat(spool)
    webhook.instructions.append(answer(503, ""))
    assert send(spool, webhook, switch) is None
    assert switch.requests == []
    send(spool, webhook, switch)
    assert len(switch.requests) == 1, "it comes late"


def test_the_switch_raises_the_alarm_while_something_is_wrong(spool, webhook, switch):
    beat(spool, "the PAM line is gone: run the role again")
    send(spool, webhook, switch)
    assert switch.requests == []
    assert "something is wrong" in webhook.requests[0].body.decode()


def test_it_may_be_no_message_at_all(spool, webhook, switch):
    beat(spool)
    send(spool, webhook, switch, heartbeat_message=False)
    assert (len(webhook.requests), len(switch.requests)) == (0, 1)
    assert spool.names("outgoing") == []


@pytest.mark.parametrize(
    ("instruction", "said"),
    [(answer(404, "gone"), "404"), (answer(302, "", "Location: /elsewhere"), "302"), (reset, "Connection reset"),
     (raw(b"garbage\r\n\r\n", keep=False), "did not answer in HTTP")],
)  # fmt: skip
def test_a_switch_that_does_not_answer_delays_no_alert_and_is_reported(spool, webhook, switch, instruction, said):
    beat(spool)
    switch.instructions.append(instruction)
    spool.write("outgoing", parts.alert(99)["id"], alert.to_json(parts.alert(99)), 0o640)
    ping = send(spool, webhook, switch)
    assert len(webhook.requests) == 2
    assert len(switch.requests) == 1
    assert ping["well"] is False
    assert said in ping["answer"]
    assert "not-a-real-secret" not in json.dumps(ping)


def test_a_switch_that_was_not_reached_is_asked_again_the_next_time(spool, webhook, switch):
    for reached in (False, True):
        beat(spool)
        if not reached:
            switch.instructions.append(answer(503, ""))
        assert send(spool, webhook, switch)["well"] is reached
    assert len(switch.requests) == 2


@pytest.mark.parametrize("message", [True, False])
def test_whatever_goes_wrong_with_it_the_alerts_behind_it_go_on(spool, webhook, switch, monkeypatch, message):
    monkeypatch.setattr(Transport, "get", lambda *_: (_ for _ in ()).throw(ValueError("Empty certificate data")))
    beat(spool)
    spool.write("outgoing", parts.alert(99)["id"], alert.to_json(parts.alert(99)), 0o640)
    assert send(spool, webhook, switch, heartbeat_message=message)["answer"] == "Empty certificate data"
    assert spool.names("outgoing") == spool.names("failed") == []


def test_in_a_digest_it_is_a_beat_too(spool, webhook, switch):
    for number in range(11):
        spool.write("outgoing", parts.alert(number)["id"], alert.to_json(parts.alert(number)), 0o640)
    beat(spool)
    send(spool, webhook, switch)
    assert len(webhook.requests) == 1
    assert len(switch.requests) == 1


def test_without_a_switch_there_is_nobody_to_tell(spool, webhook):
    beat(spool)
    found = configuration(webhook.url)
    assert parts.delivery(spool, found).run() is True
    assert State(spool).last_ping is None


def test_no_rule_silences_it(spool, webhook, switch):
    beat(spool)
    send(spool, webhook, switch, ignore=[{"user": "heartbeat"}])
    assert len(webhook.requests) == 1


def test_its_fields_are_not_those_of_a_login(spool):
    found = alert.own(alert.HEARTBEAT, [])
    labels = [field.label for field in wording.fields(found, configuration(), found["time"] + 1000)]
    assert labels == ["Server", "Type", "Time"]
