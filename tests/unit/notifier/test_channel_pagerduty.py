# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels/pagerduty: an alert is one event, however often it is sent, with the severity of its weight."""

import json

import pytest
from forms import CHOSEN
from hypothesis import given
from parts import FINGERPRINT, alert, answer, configuration, reset
from ssh_login_notify import channels
from ssh_login_notify.alert import HEARTBEAT, MUTE, SELF_CHECK, SUMMARY, TEST, missed, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, UNSURE, pagerduty
from ssh_login_notify.judge import Judge
from ssh_login_notify.transport import Answer
from ssh_login_notify.weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY, WEIGHTS

NOW = 1763884862.0
KEY = "0123456789abcdef0123456789abcdef"
LOGIN = alert(1, weights=[])
# developer.pagerduty.com, "Send an Alert Event".
FIELDS = {"summary", "source", "severity", "timestamp", "component", "class", "custom_details"}
TAKEN = '{"status": "success", "message": "Event processed", "dedup_key": "1"}'


def make(url="https://events.pagerduty.com/v2/enqueue", **values):
    settings = {"name": "on-call", "kind": "pagerduty", "key": KEY, "url": url}
    return channels.load(settings, configuration(**values), None)


def event(sent, channel=None, **more):
    raw = (channel or make()).message([sent], NOW, **more)
    assert len(raw) < 512000
    found = json.loads(raw.decode())
    assert found.pop("routing_key") == KEY
    return check(found)


def check(found):
    """Check an event by PagerDuty's own rules."""
    assert found["event_action"] in ("trigger", "resolve")
    assert 0 < len(found["dedup_key"]) <= 255
    if found["event_action"] == "trigger":
        payload = found["payload"]
        assert set(payload) == FIELDS
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["source"]
        assert payload["severity"] in ("critical", "error", "warning", "info")
        assert all(isinstance(text, str) and text for text in payload["custom_details"].values())
        assert all(set(link) == {"href", "text"} for link in found["links"])
    return found


def test_an_event_says_all_that_is_known():
    found = event(alert(1, weights=[ROOT], notes=["a note"]), make(people={FINGERPRINT: "Ada"}))
    payload = found["payload"]
    assert (found["event_action"], found["dedup_key"]) == ("trigger", LOGIN["id"])
    assert payload["summary"].startswith("\U0001f7e0 root · Ada as deploy on web-3: Note: a note · SSH (interactive)")
    assert (payload["source"], payload["component"], payload["class"]) == ("web-3", "sshd", "SSH (interactive)")
    assert payload["timestamp"] == "2025-11-23T08:00:01.123+00:00"
    details = payload["custom_details"]
    assert details["From"] == "203.0.113.50 port 45006"
    assert details["Key"] == "publickey ED25519 " + FINGERPRINT
    assert (details["Note"], details["id"]) == ("a note", LOGIN["id"])
    assert details["Message"] == "\U0001f7e0 root · Ada as deploy on web-3"


@pytest.mark.parametrize(
    ("weights", "severity"),
    [
        ([], "info"), ([FIRST], "warning"), ([ROOT], "warning"), ([PASSWORD], "error"), ([UNKNOWN_KEY], "error"),
        ([FAILURES], "critical"), ([ANOMALY], "critical"), ([UNKNOWN_KEY, ROOT], "error"), (list(WEIGHTS), "critical"),
    ],
)  # fmt: skip
def test_the_severity_is_that_of_the_heaviest_weight(weights, severity):
    assert event(alert(1, weights=weights))["payload"]["severity"] == severity


def test_every_weight_has_a_severity():
    assert set(pagerduty.SEVERITIES) == set(WEIGHTS)


def test_what_the_limits_dropped_is_said():
    assert "3 older alerts were dropped" in event(LOGIN, dropped=3)["payload"]["custom_details"]["Dropped"]


def test_a_request_holds_one_alert():
    channel = make()
    assert channel.fitting([LOGIN, alert(2)], NOW) == [LOGIN]
    assert channel.DIGEST_LIMIT == 1


def test_repeats_join_the_alert_of_their_login_and_a_follow_up_has_its_own():
    repeats = alert(3, about="repeats", follows=LOGIN["id"], weights=[], notes=["2 more logins"])
    follow_up = alert(4, follows=LOGIN["id"], was="Tunnel (no session)", weights=[ANOMALY])
    assert event(repeats)["dedup_key"] == event(LOGIN)["dedup_key"] == LOGIN["id"]
    assert event(follow_up)["dedup_key"] == follow_up["id"]


@pytest.mark.parametrize("about", [SELF_CHECK, HEARTBEAT])
def test_what_is_wrong_with_the_notifier_is_resolved_when_all_is_well(about):
    wrong, well = event(own(SELF_CHECK, ["The PAM line is missing."])), event(own(about, []))
    assert (wrong["event_action"], wrong["payload"]["severity"]) == ("trigger", "error")
    assert (well["event_action"], well["dedup_key"]) == ("resolve", wrong["dedup_key"])
    assert "payload" not in well


def test_hosts_have_problems_of_their_own():
    notes = [dict(own(SELF_CHECK, ["a"]), host=host) for host in ("web-1", "web-2", "w" * 300)]
    assert len({event(note)["dedup_key"] for note in notes}) == 3


def test_missed_logins_are_critical_and_are_not_resolved_by_a_host_that_is_well():
    found = event(Judge(configuration(), None).weigh(missed(1, ["a line"])))
    assert (found["event_action"], found["payload"]["severity"]) == ("trigger", "critical")
    assert found["dedup_key"] != event(own(SELF_CHECK, []))["dedup_key"]


@pytest.mark.parametrize("about", [TEST, MUTE, SUMMARY])
def test_other_messages_are_for_information(about):
    assert event(own(about, ["a note"]))["payload"]["severity"] == "info"


@pytest.mark.parametrize("after", [answer(202, TAKEN), answer(500, ""), reset])
def test_a_test_leaves_no_incident_behind(webhook, after):
    webhook.instructions = [answer(202, TAKEN), after]
    test = own(TEST, [])
    channel = make(webhook.url)
    found = channel.send(channel.message([test], NOW), [test])
    assert channel.read(found).kind == DELIVERED
    sent = [json.loads(request.body.decode()) for request in webhook.requests]
    assert [one["event_action"] for one in sent][:2] == ["trigger", "resolve"]
    assert {one["dedup_key"] for one in sent} == {test["id"]}


def test_a_login_and_a_refused_test_are_sent_once(webhook):
    for sent, status in ((LOGIN, 202), (own(TEST, []), 400)):
        webhook.instructions = [answer(status, TAKEN)]
        channel = make(webhook.url)
        channel.send(channel.message([sent], NOW), [sent])
    assert len(webhook.requests) == 2


INVALID = '{"status":"invalid event","message":"Event object is invalid","errors":[%s]}'


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (202, TAKEN, DELIVERED),
        (400, INVALID % "\"'severity' is missing or blank\"", REFUSED),
        (400, INVALID % "\"Length of 'routing_key' is incorrect (should be 32 characters)\"", CLOSED),
        (400, INVALID % '"Invalid routing key"', CLOSED),
        (403, '{"status":"forbidden","message":"Forbidden"}', CLOSED),
        (429, "", LIMITED),
        (400, "Bad Request", FAILED),
        (400, '{"status": ["invalid event"]}', FAILED),
        (403, "<html>Forbidden by the proxy", FAILED),
        (404, "", FAILED),
        (500, '{"status":"internal error","message":"x"}', FAILED),
        (202, "", UNSURE),
        (200, TAKEN, UNSURE),
        (200, "ok", UNSURE),
        (200, "<!DOCTYPE html>", FAILED),
        (202, "[" * 4000, UNSURE),
    ],
)
def test_only_pagerdutys_own_words_settle_an_event(status, text, kind):
    found = make().read(Answer(status, text))
    assert found.kind == kind
    assert bool(found.mend) == (kind != DELIVERED)


def test_the_pause_that_is_asked_for_is_obeyed():
    assert make().read(Answer(429, "", "17")).asked == 17


CHANNEL = make()


@given(user=CHOSEN, note=CHOSEN, name=CHOSEN)
def test_no_text_that_strangers_choose_leaves_its_value(user, note, name):
    plain = event(alert(1, weights=[]), CHANNEL)
    found = event(alert(1, weights=[], user=user, notes=[note], name=name), CHANNEL)
    assert {name: found[name] for name in found if name != "payload"} == {
        name: plain[name] for name in plain if name != "payload"
    }
    added = set(found["payload"]["custom_details"]) - set(plain["payload"]["custom_details"])
    assert added <= {"Note", "User", "Server", "Person"}
    values = [found["payload"]["summary"], *found["payload"]["custom_details"].values()]
    assert all(value.isprintable() for value in values)


def test_the_longest_texts_fit():
    methods = [{"method": "publickey", "fingerprint": FINGERPRINT, "detail": "\U0001f511" * 300}] * 30
    event(alert(1, weights=list(WEIGHTS), user="x" * 300, notes=["\U0001f511" * 300] * 30, methods=methods))
