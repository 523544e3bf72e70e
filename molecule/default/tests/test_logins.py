# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of login on a real sshd is one message with the right fields, and the login notices nothing."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

testinfra_hosts = ["ansible://servers"]

# How a person logs in, and what the alert calls it.
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


# A session may pass between two looks, mostly where a container keeps the observer from running first (docs/types.md).
# Its alert says so, and never guesses. So one of eight has to be seen.
TRIES = 8


def seen_type(message, log_in, alerts) -> str:
    """The type in this message, or, as long as that was not seen in time, in that of another login of the kind."""
    for _again in range(TRIES - 1):
        if message.fields["Type"] != "unknown" and not message.fields["Type"].endswith("over at once)"):
            break
        (message,) = alerts(log_in())
    return message.fields["Type"]


@pytest.fixture(scope="module")
def logins(ada, receiver):
    """One login of each kind, one after the other, and the messages that came of them."""
    before = receiver.last()
    logins = {kind: getattr(ada, kind)() for kind in KINDS}
    receiver.wait_for(lambda message: True, count=len(KINDS), after=before)
    receiver.settle()
    return logins, receiver.attempts(after=before)


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def login(logins, kind):
    return logins[0][kind]


@pytest.fixture
def message(logins, kind, login):
    """The one message of this login."""
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
    """Nothing arrived beyond the logins' own messages."""
    sources = {login.source for login in logins[0].values()}
    assert {message.fields.get("From") for message in logins[1]} == sources
    assert len(logins[1]) == len(sources)


def test_a_password_login_says_so(people, alerts):
    (message,) = alerts(people("rita").command())
    assert message.fields["User"] == "rita"
    assert "password" in message.fields["Key"]
    assert "SHA256" not in message.fields["Key"]
    assert "Person" not in message.fields


def test_a_login_that_ends_at_once_is_reported_too(ada, alerts):
    """`true` is built into the shell: the session has hardly begun when it is over."""
    (message,) = alerts(ada.command("true"))
    type_ = seen_type(message, lambda: ada.command("true"), alerts)
    assert type_ in ("SSH (command: true)", "SSH (command)")
