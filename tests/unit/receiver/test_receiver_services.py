# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channels of services send to the receiver, which knows their vendors' rules, over verified TLS."""

import json

import pytest
from ssh_login_notify.alert import TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.transport import TransportError

from tests.lab import chats

KINDS = ("slack_app", "pagerduty", "json")
LOGIN = dict(
    own(TEST, []), about="login", id="1763884801.123456-4242", type="SSH (interactive)", user="deploy", service="sshd",
    address="203.0.113.50", port=45006, name="", methods=[{"method": "password"}], weights=[],
)  # fmt: skip
TOO_SHORT = "xoxb-"
HOSTILE = '<!channel> <https://evil.example|x> @everyone [a](https://evil.example) <b>\u202e", "weights": []'


def attempt(channel, *alerts):
    alerts = list(alerts) or [LOGIN]
    answer = channel.send(channel.message(alerts, LOGIN["time"]), alerts)
    if channel.read(answer).kind == DELIVERED:
        channel.delivered(alerts, answer)
    return channel.read(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_delivered_and_read(client, open_channel, kind):
    assert attempt(open_channel(kind)).kind == DELIVERED
    (message,) = client.messages()
    assert (message.channel, message.ids) == (f"{kind}/ops", [LOGIN["id"]])
    assert message.harmless
    assert message.fields["User"] == "deploy"
    assert (message.fields["Type"], message.fields["From"]) == ("SSH (interactive)", "203.0.113.50 port 45006")


@pytest.mark.parametrize("kind", KINDS)
def test_no_is_understood_and_then_it_works_again(client, open_channel, kind):
    channel = open_channel(kind)
    for how, meaning in (("refused", REFUSED), ("closed", CLOSED), ("limited", LIMITED), ("broken", FAILED)):
        client.behave({"mode": how, "channel": kind, "times": 1})
        assert attempt(channel).kind == meaning
    assert client.messages() == []
    assert attempt(channel).kind == DELIVERED


@pytest.mark.parametrize("kind", KINDS)
def test_the_pause_that_is_asked_for_is_known(client, open_channel, kind):
    client.behave({"mode": "limited", "channel": kind, "times": 1})
    assert attempt(open_channel(kind)).asked >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_down_and_back(client, open_channel, kind):
    channel = open_channel(kind)
    with client.away(), pytest.raises(TransportError):
        attempt(channel)
    assert attempt(channel).kind == DELIVERED


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_in_what_is_said_of_a_failure(client, open_channel, kind):
    client.behave({"mode": "garbage", "channel": kind})
    with pytest.raises(TransportError) as failure:
        attempt(open_channel(kind))
    secrets = (chats.SECRET, chats.ROUTING_KEY, chats.SIGNING_KEY)
    assert [secret for secret in secrets if secret in str(failure.value)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_text_is_shown_as_it_is(client, open_channel, kind):
    text = HOSTILE.replace("\u202e", "\\u202e")  # as in an alert
    assert attempt(open_channel(kind), dict(LOGIN, user=text, notes=[text])).kind == DELIVERED
    (message,) = client.messages()
    assert message.harmless
    assert message.fields["User"] == text
    assert message.fields["Note"].startswith("<!channel> <https://evil.example|x> @everyone")


def test_a_follow_up_is_in_the_thread_that_slack_made_of_its_login(client, open_channel):
    follow_up = dict(LOGIN, id="1763884802.123456-4242", follows=LOGIN["id"], was="Tunnel (no session)")
    for sent in (LOGIN, follow_up):
        assert attempt(open_channel("slack_app"), sent).kind == DELIVERED
    first, second = client.messages()
    assert "thread_ts" not in first.raw["payload"]
    assert second.raw["payload"]["thread_ts"] == json.loads(first.raw["answer"]["body"])["ts"]


def test_a_thread_that_slack_does_not_know_any_more_is_left(client, open_channel):
    channel = open_channel("slack_app")
    channel.delivered([LOGIN], type("Answer", (), {"text": '{"ok": true, "ts": "1000000000.000001"}'}))
    follow_up = dict(LOGIN, id="1763884802.123456-4242", follows=LOGIN["id"], was="Tunnel (no session)")
    assert attempt(channel, follow_up).kind == DELIVERED
    (message,) = client.messages()
    assert "thread_ts" not in message.raw["payload"]


def test_a_knock_at_slack_leaves_no_message(client, open_channel):
    channel = open_channel("slack_app")
    assert channel.read(channel.knock()).kind == DELIVERED
    other = open_channel("slack_app", token=TOO_SHORT)
    assert other.knock().text == '{"ok": false, "error": "not_authed"}'
    assert client.messages() == []


@pytest.mark.parametrize("form", ["loginwatch", "ecs", "ocsf"])
def test_several_alerts_are_one_message_in_each_form(client, open_channel, form):
    other = dict(LOGIN, id="1763884802.123456-4242")
    assert attempt(open_channel("json", format=form), LOGIN, other).kind == DELIVERED
    (message,) = client.messages()
    assert message.ids == [LOGIN["id"], other["id"]]


def test_what_another_key_has_signed_is_refused(client, open_channel):
    assert attempt(open_channel("json", key="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).kind == FAILED
    assert client.messages() == []


def test_a_test_at_pagerduty_is_triggered_and_resolved(client, open_channel):
    assert attempt(open_channel("pagerduty"), dict(own(TEST, []), weights=[])).kind == DELIVERED
    assert [message.raw["payload"]["event_action"] for message in client.messages()] == ["trigger", "resolve"]
