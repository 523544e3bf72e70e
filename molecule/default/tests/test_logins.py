# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of login on a real sshd is one message with the right fields, and does not disturb the login."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from tests.lab.logins import Person

testinfra_hosts = ["ansible://servers"]

# How a person logs in, and the alert's type.
KINDS = {
    "interactive": "SSH (interactive)",
    "command": "SSH (command: uname)",
    "sftp": "SFTP or SCP",
    "scp": "SFTP or SCP",
    "old_scp": "SCP",
    "rsync": "rsync",
    "git": "git",
    "tunnel": "Tunnel (no session)",
}


# A session can pass between two looks, mostly if a container keeps the observer from running first (docs/types.md). Its
# alert says so, and never guesses. So one of eight must be seen.
TRIES = 8


def seen_type(message, log_in, alerts) -> str:
    """Return the type in this message or, if it was not seen in time, in that of another login of the same kind."""
    for _again in range(TRIES - 1):
        if message.fields["Type"] != "unknown" and not message.fields["Type"].endswith("over at once)"):
            break
        (message,) = alerts(log_in())
    return message.fields["Type"]


@pytest.fixture(scope="module")
def logins(ada, receiver):
    """One login of each kind, one after another, and their messages."""
    before = receiver.last()
    logins = {kind: getattr(ada, kind)() for kind in KINDS}
    receiver.wait_for(lambda message: "User" in message.fields, count=len(KINDS), after=before)
    receiver.settle()
    # The self-check of another server can report something meanwhile.
    return logins, [message for message in receiver.attempts(after=before) if "User" in message.fields]


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def login(logins, kind):
    return logins[0][kind]


@pytest.fixture
def message(logins, kind, login):
    """The only message of this login."""
    of_login = [message for message in logins[1] if message.fields.get("From") == login.source]
    assert len(of_login) == 1, f"{kind} from {login.source}: {list(map(str, logins[1]))}"
    return of_login[0]


def test_says_what_kind_of_login_it_was(message, kind, ada, alerts):
    assert seen_type(message, getattr(ada, kind), alerts) == KINDS[kind]


def test_says_which_server_and_which_user(message, host):
    assert message.fields["Server"] == host.check_output("hostname")
    assert message.fields["User"] == "deploy"


def test_says_when(message, login):
    """The time of the login, in the server's zone (UTC), to the second."""
    found = re.search(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)", message.fields["Time"])
    assert found, message.fields["Time"]
    said = datetime.fromisoformat(f"{found[1]} {found[2]}+00:00").timestamp()
    assert login.started - 1 <= said <= login.started + login.seconds


def test_says_by_whose_key(message, fingerprint):
    assert "publickey" in message.fields["Key"]
    assert "ED25519" in message.fields["Key"].upper()
    assert fingerprint in message.fields["Key"]
    assert message.fields["Person"] == "Ada Lovelace"


def test_keeps_to_the_rules_of_slack(message):
    assert message.harmless, message.raw
    assert message.status == 200


def test_prints_nothing_into_the_session(login, kind):
    assert login.errors == ""
    if kind == "command":
        assert login.output == "Linux\n"


def test_no_login_means_no_message(logins, receiver):
    """No message arrived besides those of the logins."""
    sources = {login.source for login in logins[0].values()}
    assert {message.fields.get("From") for message in logins[1]} == sources
    assert len(logins[1]) == len(sources)


def test_a_password_login_says_so(people, alerts):
    (message,) = alerts(people("rita").command())
    assert message.fields["User"] == "rita"
    assert "password" in message.fields["Key"]
    assert "SHA256" not in message.fields["Key"]
    assert "Person" not in message.fields


AUTHORITY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
AUTHORIZED = "/home/deploy/.ssh/authorized_keys"


@pytest.fixture
def with_certificate(host, ada, tmp_path):
    """Return a person at the account `deploy` with a new key, certified by an authority that this account accepts."""
    host.check_output(f"cp -p {AUTHORIZED} /root/authorized_keys")

    def certified(name: str, authority: Path, key_id: str) -> Person:
        key = tmp_path / name
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
        if not authority.exists():
            subprocess.run([*make, "-f", authority], check=True)  # noqa: S603
        subprocess.run([*make, "-f", key], check=True)  # noqa: S603
        sign = ["ssh-keygen", "-q", "-s", authority, "-I", key_id, "-n", "deploy", key]
        subprocess.run(sign, check=True)  # noqa: S603
        public = Path(f"{authority}.pub").read_text().strip()
        host.check_output(f"echo %s >> {AUTHORIZED}", f"cert-authority {public}")
        return Person("deploy", ada.address, tmp_path / f"{name}.d", key)

    yield certified
    host.check_output(f"cat /root/authorized_keys > {AUTHORIZED}")


def test_a_key_id_says_who_it_was_only_of_the_authority_that_is_named_with_it(with_certificate, tmp_path, alerts):
    """The key is new each day, and a user can sign any key id with an authority of their own."""
    grace = with_certificate("grace", AUTHORITY, "grace@example.org")
    (message,) = alerts(grace.command())
    assert (message.fields["Person"], message.fields["User"]) == ("Grace Hopper", "deploy")
    assert 'key id "grace@example.org"' in message.fields["Key"]
    eve = with_certificate("eve", tmp_path / "own", "grace@example.org")
    (message,) = alerts(eve.command())
    assert "Person" not in message.fields
    assert "unknown key" in message.fields["Weight"]
    assert 'key id "grace@example.org"' in message.fields["Key"]


def test_a_login_that_ends_at_once_is_reported_too(ada, alerts):
    """`true` is built into the shell, so the session is over when it has hardly begun."""
    (message,) = alerts(ada.command("true"))
    type_ = seen_type(message, lambda: ada.command("true"), alerts)
    assert type_ in ("SSH (command: true)", "SSH (command)")
