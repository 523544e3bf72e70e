# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's environment file makes no alert untrue, and if it takes effect, the alert names the attempt."""

from __future__ import annotations

import pytest
from attacks.setup import line_at_the_end, usual_notifier

from tests.lab.receiver.client import Message

testinfra_hosts = ["ansible://systemd"]

PAM_ENVIRONMENT = "/home/intruder/.pam_environment"
FORGED_ADDRESS = "203.0.113.99"
USUAL_SECONDS = 3.0
FORGERIES = {
    "PAM_USER": "rita",  # also has an account
    "PAM_RHOST": FORGED_ADDRESS,
    "SSH_CONNECTION": f"{FORGED_ADDRESS} 1022 192.0.2.1 22",
    "SSH_AUTH_INFO_0": "publickey ssh-rsa AAAAB3NzaC1yc2EAAAADFORGED",  # the true key is of another type
    "PAM_TYPE": "close_session",
}
# PAM passes these twice, so the attempt can be seen. The last value is PAM's own.
OF_PAM = ["PAM_RHOST", "PAM_TYPE", "PAM_USER"]


@pytest.fixture
def environment(host):
    """Write the intruder's environment file: environment({"NAME": "value"})."""

    def write(variables: dict[str, str]) -> None:
        lines = "".join(f'{name} DEFAULT="{value}"\n' for name, value in variables.items())
        host.check_output('runuser -u intruder -- sh -c \'printf %%s "$0" > "$1"\' %s %s', lines, PAM_ENVIRONMENT)

    yield write
    host.check_output(f"rm -f {PAM_ENVIRONMENT}")


def is_of_the_usual(message: Message) -> bool:
    """Return whether the usual notifier sent this. Its messages are text alone; ours have a header.

    Meanwhile ours can report something else, such as the state of another server.
    """
    return message.header is None


@pytest.fixture
def what_the_usual_says(host, intruder, receiver):
    """Return the usual notifier's message about a login, or an empty text."""

    def what_it_says() -> str:
        mark = receiver.last()
        with usual_notifier(host):
            intruder.command()
        try:
            return receiver.wait_for(is_of_the_usual, after=mark, timeout=USUAL_SECONDS)[0].text
        except TimeoutError:
            return ""

    return what_it_says


@pytest.mark.parametrize("name", FORGERIES)
def test_an_alert_does_not_lie(name, host, intruder, environment, what_the_usual_says, fingerprint, verdict):
    forged = FORGERIES[name]
    environment({name: forged})
    said = what_the_usual_says()
    believed = [word for word in forged.split() if word in said.split()]
    usual = f"tells of {believed[0]}" if believed else "" if said else "is silent"
    (message,) = verdict(f"{name} in ~/.pam_environment", usual, "", [intruder.command()])
    assert fingerprint in message.fields["Key"]
    assert "Note" not in message.fields, "the attempt had no effect"


def test_where_the_line_stands_too_low_the_attempt_is_named(host, intruder, environment, what_the_usual_says, verdict):
    """The last of two equal names is PAM's own (pam_exec.c)."""
    environment({name: FORGERIES[name] for name in OF_PAM})
    usual = "" if what_the_usual_says() else "is silent"
    with line_at_the_end(host):
        login = intruder.command()
    (message,) = verdict("these, and the line at the end of the stack", usual, "", [login])
    assert message.fields["Note"] == "the login's environment tried to forge " + ", ".join(OF_PAM)


def test_where_the_line_stands_too_low_a_forged_connection_is_seen(host, intruder, environment, receiver):
    """The variable occurs only once, so the alert can't tell the truth. It says what is wrong."""
    environment({"SSH_CONNECTION": FORGERIES["SSH_CONNECTION"]})
    mark = receiver.last()
    with line_at_the_end(host):
        source = intruder.command().source
    (message,) = receiver.wait_for(lambda message: "User" in message.fields, after=mark)
    assert source.split()[0] in message.fields["From"]
    assert "SSH_CONNECTION and PAM_RHOST have different addresses" in message.fields["Note"]
