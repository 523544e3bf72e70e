# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strangers' text is shown as it is wherever a person reads it: it mentions nobody, links nowhere, hides nothing.

tests/unit/receiver shows such names on the receiver's page.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from attacks.setup import usual_notifier

from tests.lab.hostile import CONTROLS, MARKS, WORDS
from tests.lab.logins import Person

# Our own programs show the text, and they are the same everywhere.
testinfra_hosts = ["ansible://debian13-attacks"]

KEY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
AUTHORITIES = "/etc/ssh/sshd_config.d/authorities.conf"
NAMES = "/etc/ssh/sshd_config.d/names.conf"
AUTHORITY = "/etc/ssh/attacks-authority.pub"
IDENTITIES = {
    "marks": MARKS,
    "our own words": WORDS,
    "control characters": MARKS + CONTROLS,
    "64 KiB": (MARKS + CONTROLS) * 500,
}
LONGEST_LINE = 8192  # bytes of a line in the system's log
INVISIBLE = set(range(32)) | set(range(127, 160)) | {0x202E, 0x2066, 0x200B, 0x2028}


@pytest.fixture(scope="module")
def authority(host, tmp_path_factory):
    """A certificate authority that the server trusts, and that signs any identity that an intruder invents."""
    key = tmp_path_factory.mktemp("authority") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)  # noqa: S603, S607
    host.check_output(f"echo %s > {AUTHORITY}", key.with_suffix(".pub").read_text().strip())
    host.check_output(f"echo TrustedUserCAKeys {AUTHORITY} > {AUTHORITIES} && systemctl reload ssh")
    yield key
    host.check_output(f"rm {AUTHORITY} {AUTHORITIES} && systemctl reload ssh")


@pytest.fixture
def with_identity(authority, intruder, tmp_path):
    """Return the intruder, with a certificate of this key id: with_identity("…")."""

    def certified(identity: str) -> Person:
        public = tmp_path / "own.pub"
        public.write_text(KEY.with_suffix(".pub").read_text())
        sign = ["ssh-keygen", "-q", "-s", authority, "-n", "intruder", "-I", os.fsencode(identity), public]
        subprocess.run(sign, check=True)  # noqa: S603
        person = Person("intruder", intruder.address, tmp_path / "p", KEY)
        settings = person.configuration.read_text() + f"CertificateFile {tmp_path / 'own-cert.pub'}\n"
        person.configuration.write_text(settings)
        return person

    return certified


@pytest.fixture
def reverse_name(host, intruder):
    """Give the intruder's address a name, as its owner can in the DNS, and make sshd look up names."""
    address = intruder.command("echo ${SSH_CONNECTION%% *}").output.strip()
    host.check_output("cp /etc/hosts /root/hosts")
    host.check_output(f"echo UseDNS yes > {NAMES} && systemctl reload ssh")
    yield lambda name: host.check_output("cat /root/hosts > /etc/hosts && echo %s >> /etc/hosts", f"{address} {name}")
    host.check_output(f"cat /root/hosts > /etc/hosts; rm {NAMES} && systemctl reload ssh")


@pytest.fixture
def odd_account(host, people):
    """Return an account with this name, which the test's key opens: odd_account("…")."""

    def make(name: str) -> Person:
        host.check_output("useradd --badname --create-home --home-dir /home/odd --shell /bin/bash %s", name)
        host.check_output("cp -a /home/intruder/.ssh /home/odd/ && chown -R %s /home/odd", name)
        names.append(name)
        return people(name)

    names: list[str] = []
    yield make
    host.run("userdel --force --remove %s", names[0])  # the session may still be open


@pytest.fixture
def abused(receiver):
    """Return the harm that a message of the usual notifier does to its readers, or an empty text."""
    mark = receiver.last()

    def what_it_does() -> str:
        message = receiver.wait_for(lambda message: not message.fields, after=mark, attempts=True, timeout=5)[0]
        mentions, links = message.raw["mentions"], message.raw["links"]
        found = [f"calls {mentions[0]}"] if mentions else []
        found += [f"links to {links[0]}"] if links else []
        return ", ".join(found) or ("" if message.harmless else "the message is refused")

    return what_it_does


def assert_is_told_apart(text: str) -> None:
    """Assert that sshd's own words come first, and that the key id is one JSON string at the end of the parentheses."""
    vouched, words, rest = text.partition(", key id ")
    assert re.search(r"\(certificate serial 0, CA SHA256:[A-Za-z0-9+/]{43}$", vouched), text
    key_id, end = json.JSONDecoder().raw_decode(rest)
    assert words
    assert key_id.startswith("<!channel>")
    assert rest[end:] == ")"


def assert_harmless_on_the_host(host, since: float) -> None:
    """Assert that the log has one line for the login, and that `status` prints no terminal control characters."""
    lines = host.check_output(f"journalctl -q -o cat -t ssh-login-notify --since=@{int(since)}").split("\n")
    assert len(lines) == 1
    assert lines[0].startswith("login user=")
    logged = lines[0].partition(" key_id=")[2]
    assert not logged or json.JSONDecoder().raw_decode(logged)[1] == len(logged), "nothing follows the key id"
    assert len(lines[0].encode()) < LONGEST_LINE
    said = host.run("ssh-login-notify status").stdout
    assert not INVISIBLE & {ord(character) for character in lines[0] + said.rstrip("\n")}


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_identity_of_a_certificate(name, host, with_identity, abused, verdict):
    person = with_identity(IDENTITIES[name])
    with usual_notifier(host):
        person.command()
    usual = abused()
    time.sleep(1.1)  # the log is queried by the second
    since = time.time()
    login = person.command()
    (message,) = verdict(f"a certificate's key id: {name}", usual, "", [login])
    assert "<!channel>" in message.fields["Key"], "the key id is shown unchanged"
    # The name of the key's owner, and not what the key id says.
    assert message.fields["Person"] == "Ada Lovelace"
    assert "Note" not in message.fields
    assert_is_told_apart(message.fields["Key"])
    assert_is_told_apart(message.text)
    assert_harmless_on_the_host(host, since)


def test_a_reverse_name(host, intruder, reverse_name, abused, verdict):
    reverse_name("<!channel>.*b*.&.`x`.example")
    with usual_notifier(host):
        intruder.command()
    usual = abused()
    login = intruder.command()
    (message,) = verdict("the name of the client's address (UseDNS)", usual, "", [login])
    assert message.fields["From"] == f"{login.source} (<!channel>.*b*.&.`x`.example)"


def test_the_name_of_an_account(host, odd_account, abused, verdict):
    name = "<!channel>*_&_`x`*"
    person = odd_account(name)
    with usual_notifier(host):
        person.command()
    usual = abused()
    verdict("an account's name", usual, "", [person.command()], user=name)


def test_the_name_of_a_program(host, intruder, abused, verdict):
    command = "mkdir -p bin; cp /bin/sleep 'bin/<!channel>'; exec 'bin/<!channel>' 1"
    with usual_notifier(host):
        intruder.command(command)
    usual = abused()
    (message,) = verdict("a program's name", usual, "", [intruder.command(command)])
    assert message.fields["Type"].startswith("SSH (command")


@pytest.mark.parametrize("name", ["control characters", "our own words"])
def test_several_of_them_in_one_message(name, with_identity, receiver, told):
    person = with_identity(IDENTITIES[name])
    with receiver.misbehaving({"mode": "status", "status": 429, "retry_after": "2", "times": 1}):
        messages = told(*(person.command() for _login in range(4)))
    assert any(len(message.alerts) > 1 for message in messages)
    assert all(message.harmless for message in messages)
    for alert in (alert for message in messages for alert in message.alerts):
        assert_is_told_apart(alert.key)


def test_a_test_alert_is_no_login_in_the_log(host):
    """The role has sent one over PAM at its installation: a PAM session with an invented user and address."""
    lines = host.check_output("journalctl -q -o cat -t ssh-login-notify").split("\n")
    tests = [line for line in lines if "service=ssh-login-notify-test" in line]
    assert tests
    assert [line for line in tests if not line.startswith("test ") or re.search(r" (user|from|key)=", line)] == []
    assert [line for line in lines if "loginwatch-test" in line] == []
