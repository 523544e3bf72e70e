# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions that a connection opens later: for PAM it is one login, but each more serious session has its own alert."""

from __future__ import annotations

import time

import pytest

from tests.lab.operating import wait_for
from tests.lab.settings import configured

testinfra_hosts = ["ansible://servers"]

REPORTED_SECONDS = 20.0  # the notifier waits three for a first session; the rest is for a busy machine
LATER_SECONDS = 20.0
# Within this time after the first session, a more serious one replaces it (observer.py).
SETTLING_SECONDS = 1.0
TRIES = 5
SPOOL = "/var/spool/ssh-login-notify"


@pytest.fixture
def told(receiver):
    """The reported types of a shared connection, in order: told(connection, how_many)."""
    mark = receiver.last()

    def types(connection, count) -> list[str]:
        def is_its(message) -> bool:
            return message.fields.get("From") == connection.source

        receiver.wait_for(is_its, count=count, after=mark, timeout=LATER_SECONDS)
        receiver.settle()
        messages = [message for message in receiver.messages(after=mark) if is_its(message)]
        (first,) = messages[0].ids
        for message in messages[1:]:
            assert message.fields["Note"].startswith(f"the connection of {first} was ")
            assert {label: message.fields[label] for label in ("User", "Key")} == {
                label: messages[0].fields[label] for label in ("User", "Key")
            }
        return [message.fields["Type"] for message in messages]

    return types


def followers(host) -> list[str]:
    """Return the pids of the processes that hold the follower's lock."""
    inode = host.run(f"stat -c %i {SPOOL}/follower.lock").stdout.strip()
    found = host.check_output("cat /proc/locks").splitlines()
    return [line.split()[4] for line in found if line.split()[5].endswith(f":{inode}")]


def wait_until_reported(host, count: int = 1) -> None:
    """Wait until this many connections are reported, and a follower watches them."""
    deadline = time.monotonic() + REPORTED_SECONDS
    while len(host.check_output(f"ls {SPOOL}/open").split()) < count or not followers(host):
        assert time.monotonic() < deadline, "not reported in time"
        time.sleep(0.1)


def test_a_shell_that_a_tunnel_opens_later_follows_it(host, ada, told):
    with ada.shared() as connection:
        wait_until_reported(host)
        connection.open_shell()
        assert told(connection, 2) == ["Tunnel (no session)", "SSH (interactive)"]


def test_a_shell_a_moment_after_a_transfer_is_what_counts(host, ada, told):
    """If a busy machine takes longer than that moment to start them, two messages are right, so it is tried again."""

    def sessions() -> set[str]:
        return set(host.run(f"pgrep -u {ada.user} -x 'sftp-server|bash'").stdout.split())

    for _try in range(TRIES):
        with ada.shared() as connection:
            before = sessions()
            started = time.monotonic()
            connection.open_transfer()
            time.sleep(0.15)
            connection.open_shell()
            wait_for(lambda before=before: len(sessions() - before) == 2, REPORTED_SECONDS)
            is_at_once = time.monotonic() - started < SETTLING_SECONDS
            types = told(connection, 1)
        if is_at_once:
            break
    assert is_at_once, "the two were never opened within a second"
    assert types == ["SSH (interactive)"]


def test_a_command_between_two_looks_is_noticed(host, ada, told):
    with ada.shared() as connection:
        wait_until_reported(host)
        connection.command("true")
        types = told(connection, 2)
    assert types[0] == "Tunnel (no session)"
    assert types[1].startswith("SSH (command")


def test_one_process_looks_at_all_and_none_stays(host, ada):
    with ada.shared(), ada.shared():
        wait_until_reported(host, 2)
        assert len(followers(host)) == 1
    deadline = time.monotonic() + LATER_SECONDS
    while followers(host) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not followers(host)
    assert host.check_output(f"ls {SPOOL}/open") == ""


def test_after_a_kill_another_goes_on_with_it(host, ada, told):
    """systemd or the next login starts another. `faults` tests that systemd does so by itself; here nothing waits."""
    with ada.shared() as connection:
        wait_until_reported(host)
        (pid,) = followers(host)
        host.check_output(f"kill -9 {pid}")
        connection.open_shell()
        time.sleep(1)
        if host.run("systemctl restart ssh-login-notify-follow.service").rc:
            ada.command()
        assert told(connection, 2) == ["Tunnel (no session)", "SSH (interactive)"]


@pytest.fixture
def tunnels_are_ignored(host):
    """Configure a rule that ignores tunnels."""
    with configured(host.check_output, ignore=[{"type": "Tunnel (no session)", "weight": "first"}]):
        yield


@pytest.mark.usefixtures("tunnels_are_ignored")
def test_a_rule_for_tunnels_does_not_silence_the_shell_that_comes_later(host, ada, receiver):
    mark = receiver.last()
    with ada.shared() as connection:
        wait_until_reported(host)
        connection.open_shell()
        (message,) = receiver.wait_for(
            lambda message: message.fields.get("From") == connection.source, after=mark, timeout=LATER_SECONDS
        )
    assert message.fields["Type"] == "SSH (interactive)"
