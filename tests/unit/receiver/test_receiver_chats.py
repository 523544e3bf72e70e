# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The notifier's channels send to the receiver over verified TLS: delivered, refused, limited, gone, broken."""

import re
from html import unescape

import pytest
from ssh_login_notify.alert import TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.transport import TransportError

from tests.lab import chats
from tests.lab.receiver.screenshot import chromium

CHATS = ("teams", "discord", "google_chat", "telegram", "mattermost", "ntfy")
KINDS = (*CHATS, "email")


def attempt(channel):
    alerts = [own(TEST, [])]
    return channel.read(channel.send(channel.message(alerts, alerts[0]["time"]), alerts))


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_delivered_and_read(client, open_channel, kind):
    assert attempt(open_channel(kind)).kind == DELIVERED
    (message,) = client.messages()
    assert message.channel == f"{kind}/ops"
    assert message.harmless
    assert message.header.startswith("Test alert from ")
    assert message.fields["Type"] == "test"
    assert len(message.ids) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_is_understood_and_then_it_works_again(client, open_channel, kind):
    channel = open_channel(kind)
    broken = LIMITED if kind == "email" else FAILED  # a mail server asks for a retry
    for how, meaning in (("refused", REFUSED), ("closed", CLOSED), ("limited", LIMITED), ("broken", broken)):
        client.behave({"mode": how, "channel": kind, "times": 1})
        assert attempt(channel).kind == meaning
    assert client.messages() == []
    assert attempt(channel).kind == DELIVERED


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_channel_beside_a_live_one(client, open_channel, kind):
    client.behave({"mode": "close", "at": "request", "channel": f"{kind}/dead"})
    with pytest.raises(TransportError):
        attempt(open_channel(kind, "dead"))
    assert attempt(open_channel(kind, "live")).kind == DELIVERED


@pytest.mark.parametrize("kind", KINDS)
def test_down_and_back(client, open_channel, kind):
    channel = open_channel(kind)
    with client.away(), pytest.raises(TransportError):
        attempt(channel)
    assert attempt(channel).kind == DELIVERED


ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def test_the_page_shows_messages_as_they_are_and_nothing_in_them_does_anything(client, open_channel):
    test = dict(own(TEST, []), host=ATTACK)
    for kind in KINDS:
        channel = open_channel(kind)
        assert channel.read(channel.send(channel.message([test], test["time"]), [test])).kind == DELIVERED
    dom = chromium(f"{client.url}/?picture", "--dump-dom")
    assert re.findall(r'<article class="([^"]*)">', dom) == [f"look {kind}" for kind in KINDS]
    titles = [unescape(title) for title in re.findall(r'<div class="title">(.*?)</div>', dom)]
    assert titles == [message.header for message in client.messages()]
    assert all(ATTACK in title for title in titles)
    assert "owned</title>" not in dom
    assert "<img" not in dom


def test_the_page_shows_one_kind_of_channel_if_it_is_asked_to(client, open_channel):
    assert attempt(open_channel("discord")).kind == DELIVERED
    assert attempt(open_channel("ntfy")).kind == DELIVERED
    dom = chromium(f"{client.url}/?picture&channel=discord/ops", "--dump-dom")
    assert re.findall(r'<article class="([^"]*)">', dom) == ["look discord"]


@pytest.mark.parametrize("kind", CHATS)
def test_no_secret_is_in_what_is_said_of_a_failure(client, open_channel, kind):
    client.behave({"mode": "garbage", "channel": kind})
    with pytest.raises(TransportError) as failure:
        attempt(open_channel(kind))
    assert chats.SECRET not in str(failure.value)
