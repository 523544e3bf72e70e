# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that is opened as something harmless, and later used for a shell, is not a silent way in."""

from __future__ import annotations

import time

import pytest

from tests.lab.logins import Person
from tests.lab.settings import configured

# The scenario default watches such connections on each platform.
testinfra_hosts = ["ansible://debian13-attacks"]

HARMLESS = ["Tunnel (no session)", "SFTP or SCP"]
SPOOL = "/var/spool/ssh-login-notify"
REPORTED_SECONDS = 20.0  # the notifier waits three for a first session; the rest is for a busy machine
ALERT_SECONDS = 20.0


@pytest.fixture
def harmless_is_ignored(host):
    """Configure a rule that ignores tunnels and transfers."""
    rules = [{"type": kind, "weight": "first", "reason": "a test"} for kind in HARMLESS]
    with configured(host.check_output, ignore=rules):
        yield


def wait_until_reported(host) -> None:
    """Wait until the connection's type is reported. A rule keeps that out of the channel."""
    deadline = time.monotonic() + REPORTED_SECONDS
    while not host.check_output(f"ls {SPOOL}/open"):
        assert time.monotonic() < deadline, "not reported in time"
        time.sleep(0.1)


def open_shell_after_a_tunnel(host, connection) -> None:
    """Open nothing until it is reported as a tunnel, then open a shell."""
    wait_until_reported(host)
    connection.open_shell()


def open_shell_beside_a_transfer(_host, connection) -> None:
    """Open a transfer, and a shell before the first alert can be built."""
    connection.open_transfer()
    time.sleep(0.15)
    connection.open_shell()


def open_shell_long_after_a_transfer(host, connection) -> None:
    """Open a transfer, and a shell after the transfer was reported."""
    connection.open_transfer()
    wait_until_reported(host)
    connection.open_shell()


def run_a_command_that_is_over_at_once(host, connection) -> None:
    """Open a tunnel, and run a command that takes a few milliseconds, between two looks."""
    wait_until_reported(host)
    connection.command("true")


WAYS = (
    open_shell_after_a_tunnel,
    open_shell_beside_a_transfer,
    open_shell_long_after_a_transfer,
    run_a_command_that_is_over_at_once,
)


@pytest.mark.usefixtures("harmless_is_ignored")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_opened_later_is_not_silent(host, intruder: Person, receiver, way):
    mark = receiver.last()
    with intruder.shared() as connection:
        way(host, connection)
        (message,) = receiver.wait_for(
            lambda message: message.fields.get("From") == connection.source, after=mark, timeout=ALERT_SECONDS
        )
    assert message.fields["Type"].startswith("SSH ("), way.__doc__
