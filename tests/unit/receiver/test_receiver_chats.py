# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The notifier's channels send to the receiver over verified TLS: delivered, refused, limited, gone, out of order."""

import sys
from pathlib import Path

import pytest

from tests.lab import chats

sys.path.insert(0, str(Path(__file__).parents[3] / "files"))

from ssh_login_notify import channels
from ssh_login_notify.alert import TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.config import Configuration
from ssh_login_notify.transport import TransportError

KINDS = ("teams", "discord", "google_chat", "telegram", "mattermost", "ntfy")


@pytest.fixture
def open_channel(running, ca_file):
    """A channel of the notifier at the receiver: open_channel("discord", "ops")."""
    opened = []

    def of(kind, what="ops"):
        server = "https://{}:{}".format(*running.address("https"))
        entry = chats.settings(kind, server, what)
        configuration = Configuration({"ca_file": str(ca_file), "webhook_url": server + chats.PATHS["slack"]})
        opened.append(channels.load(entry, configuration, None))
        return opened[-1]

    yield of
    for channel in opened:
        channel.close()


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
    for how, meaning in (("refused", REFUSED), ("closed", CLOSED), ("limited", LIMITED), ("broken", FAILED)):
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


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_in_what_is_said_of_a_failure(client, open_channel, kind):
    client.behave({"mode": "garbage", "channel": kind})
    with pytest.raises(TransportError) as failure:
        attempt(open_channel(kind))
    assert chats.SECRET not in str(failure.value)
