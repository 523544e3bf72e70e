# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each channel shows what an alert knows about its host and an address, as text, in the language of the host."""

from __future__ import annotations

import base64
import json

import pytest
from channels.lab import CHANNELS

from tests.lab.mmdb import database

testinfra_hosts = ["ansible://servers"]

CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
DATABASE = "/usr/local/share/lab.mmdb"
OWNER = "Example <!here> Net"
NAMES = [entry["name"] for entry in CHANNELS if entry["name"] not in ("picky", "quiet")]


@pytest.fixture
def in_context(host, lab, ada):
    """The host with labels, a link, Japanese, and a database of the client's address, read by the real library."""
    record = {
        "country": {"iso_code": "XX", "names": {"ja": "試験国"}},
        "autonomous_system_number": 64496,
        "autonomous_system_organization": OWNER,
    }
    client = ada.command().source.partition(" ")[0]
    made = base64.b64encode(database({f"{client}/32": record})).decode()
    host.check_output(f"umask 077 && echo {made} | base64 -d > {DATABASE}")
    before = host.check_output(f"cat {CONFIGURATION}")
    values = json.loads(before)
    values.update(
        labels={"environment": "staging"},
        link="https://wiki.example.com/?user={user}",
        geo_database=DATABASE,
        language="ja",
    )
    _write(host, json.dumps(values))
    yield
    _write(host, before)


def _write(host, text: str) -> None:
    made = base64.b64encode(text.encode()).decode()
    host.check_output(f"echo {made} | base64 -d > {CONFIGURATION}")


def test_what_is_known_of_the_host_and_the_address_stands_in_each_channel(lab, receiver, in_context, ada):
    assert lab.ask("status")["problems"] == []
    # The receiver parses English messages. The address and the port are the same in each language.
    login = ada.command()
    port = login.source.rpartition(" ")[2]

    def its() -> list:
        return [message for message in receiver.messages() if port in str(message.fields.get("接続元"))]

    found = lab.wait_for(its)[0]
    assert found.fields["environment"] == "staging"
    assert found.fields["参考"] == f'試験国, AS64496 "{OWNER}"'
    for name in NAMES:
        (text,) = lab.wait_for(lambda name=name: lab.holding(name, found.ids[0]))
        assert "staging" in text, name
    messages = [message for message in receiver.messages() if found.ids[0] in message.raw["body"]]
    assert {message.channel: message.problems for message in messages if message.problems} == {}
    assert [message.channel for message in messages if message.raw["mentions"]] == []
