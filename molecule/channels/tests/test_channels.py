# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real logins, and every kind of channel at once: each shows what it accepts, and none waits for another."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from channels.lab import CHANNELS, at_receiver

from tests.lab.hostile import MARKS
from tests.lab.logins import Person

testinfra_hosts = ["ansible://servers"]

KEY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
NAMES = [entry["name"] for entry in CHANNELS]
OF_EVERYBODY = [name for name in NAMES if name != "picky"]
CHATS = [entry["name"] for entry in CHANNELS if "receiver" in str(entry) and entry["name"] in OF_EVERYBODY]


@pytest.fixture(scope="module")
def login(lab, ada):
    """The id of an ordinary login's alert."""
    return lab.id_of(ada.command())


@pytest.mark.parametrize("name", OF_EVERYBODY)
def test_a_login_stands_in_each_channel_that_takes_it_once(lab, login, name):
    assert len(lab.wait_for(lambda: lab.holding(name, login))) == 1


def test_nobodys_message_broke_a_rule_of_its_vendor(receiver, lab, login):
    found = {message.channel: message.problems for message in receiver.attempts() if message.problems}
    assert found == {}
    assert {at_receiver(entry) for entry in CHANNELS if entry["name"] in CHATS} <= {
        message.channel for message in receiver.messages()
    }


def test_rules_say_which_logins_go_to_a_channel(lab, login, people):
    hers = lab.id_of(people("rita").command())
    assert len(lab.wait_for(lambda: lab.holding("picky", hers))) == 1
    for name in OF_EVERYBODY:
        if name != "quiet":
            lab.wait_for(lambda name=name: lab.holding(name, hers))
    assert lab.holding("picky", login) == []
    assert len(lab.holding("quiet", login)) == 1
    assert lab.holding("quiet", hers) == []


def test_one_channel_is_tried_alone_and_all_of_them_together(lab):
    lab.wait_for(lambda: lab.ask("status")["waiting"] == 0)  # the slower channels have what the test before sent
    before = {name: len(lab.texts(name)) for name in NAMES}
    found = lab.ask("test", "--channel", "ntfy", codes=(0,))
    assert list(found["channels"]) == ["ntfy"]
    assert {name: len(lab.texts(name)) - before[name] for name in NAMES} == {
        name: int(name == "ntfy") for name in NAMES
    }
    found = lab.ask("test", codes=(0,))
    assert {name: result["delivered"] for name, result in found["channels"].items()} == dict.fromkeys(
        ["webhook", *NAMES], True
    )
    refused = lab.ask("test", "--channel", "nowhere", codes=(2,))
    assert (refused["answer"], refused["mend"][:29]) == ("there is no channel nowhere", "use one of webhook, slack, te")


def test_a_trial_names_the_channel_that_does_not_take_it(lab, receiver):
    with receiver.misbehaving({"mode": "closed", "channel": "teams"}, {"mode": "closed", "channel": "ntfy"}):
        found = lab.ask("test", codes=(1,))
    assert {name for name, result in found["channels"].items() if not result["delivered"]} == {"teams", "ntfy"}
    assert found["answer"] == found["channels"]["teams"]["answer"] != ""


def test_what_is_not_for_a_channel_holds_up_no_other(lab, receiver, ada):
    """One refuses the message, one requests a pause, one fails: the others deliver at once, these later."""
    rules = [
        {"mode": "refused", "channel": "teams"},
        {"mode": "limited", "channel": "google_chat", "seconds": 2, "times": 1},
        {"mode": "broken", "channel": "discord/all"},
    ]
    well = [name for name in OF_EVERYBODY if name not in ("teams", "google_chat", "discord")]
    with receiver.misbehaving(*rules):
        id_ = lab.id_of(ada.command())
        began = time.monotonic()
        for name in well:
            lab.wait_for(lambda name=name: lab.holding(name, id_), seconds=10)
        assert time.monotonic() - began < 15, "they did not wait"
        lab.wait_for(lambda: lab.holding("google_chat", id_))
        lab.wait_for(lambda: lab.status_of("teams")["failed"])
        found = lab.ask("status")
        dead = found["channels"]["discord"]
        assert (dead["waiting"], dead["last_delivery"]["id"] == id_) == (1, False)
        assert any("channel teams: 1 alert was refused" in problem for problem in found["problems"])
        assert any("channel discord: alerts wait: " in problem for problem in found["problems"])
        assert found["channels"]["slack"]["problems"] == []
    lab.ask("flush", "--failed")
    for name in ("discord", "teams"):
        assert len(lab.wait_for(lambda name=name: lab.holding(name, id_))) == 1
    lab.wait_for(lambda: lab.ask("status")["waiting"] == 0)
    found = lab.ask("status", codes=(0,))
    assert found["failed"] == 0
    # The Slack app's last message can be about the end of that connection.
    others = {name for name, channel in found["channels"].items() if channel["last_delivery"]["id"] != id_}
    assert others <= {"picky", "slack_app"}


@pytest.mark.parametrize("way", ["command", "interactive"])
def test_the_end_of_a_connection_is_told_in_the_thread_of_its_login_alone(lab, host, ada, way):
    login = getattr(ada, way)()
    id_ = lab.id_of(login)
    (reply,) = lab.wait_for(lambda: [reply for reply in lab.replies() if login.source in reply["text"]])
    assert re.search("deploy logged out of [^:]+ after ", reply["text"])
    assert (reply["thread_ts"], reply["reply_broadcast"]) == ("1763884862.000100", False)
    (line,) = host.check_output(
        f"journalctl --quiet --output=cat | grep 'logout user=deploy .* follows={id_}'"
    ).splitlines()
    logout = re.search(r" id=([0-9.-]+) ", line)[1]
    assert {name: lab.holding(name, logout) for name in NAMES} == {name: [] for name in NAMES}
    assert lab.wait_for(lambda: host.run("ls -A /var/spool/ssh-login-notify/open").stdout == "")


@pytest.fixture
def hostile(host, ada, people, tmp_path):
    """A person with a certificate of a hostile identity."""
    authority, own = tmp_path / "authority", tmp_path / "own.pub"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)  # noqa: S603, S607
    setting = "/etc/ssh/sshd_config.d/authority.conf"
    host.check_output("echo %s > /etc/ssh/authority.pub", authority.with_suffix(".pub").read_text().strip())
    host.check_output(f"echo TrustedUserCAKeys /etc/ssh/authority.pub > {setting} && systemctl reload ssh")
    own.write_text(KEY.with_suffix(".pub").read_text())
    text = MARKS + " @everyone <at>all</at> [x](https://evil.example)"
    sign = ["ssh-keygen", "-q", "-s", authority, "-n", "deploy", "-I", text, own]
    subprocess.run(sign, check=True)  # noqa: S603
    person = Person("deploy", people("deploy").address, tmp_path / "p", KEY)
    person.configuration.write_text(person.configuration.read_text() + f"CertificateFile {tmp_path / 'own-cert.pub'}\n")
    yield person
    host.check_output(f"rm {setting} /etc/ssh/authority.pub && systemctl reload ssh")


def test_hostile_text_does_nothing_in_any_channel(lab, receiver, hostile):
    id_ = lab.id_of(hostile.command())
    for name in CHATS:
        lab.wait_for(lambda name=name: lab.holding(name, id_))
    messages = [message for message in receiver.messages() if id_ in message.raw["body"]]
    assert {message.channel for message in messages if not message.harmless} == set()
    assert len(messages) > len(CHATS)
    for name in ("json", "email", "pagerduty", "slack_app", "command"):
        lab.wait_for(lambda name=name: lab.holding(name, id_))
