# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The webhook in Ansible Vault, as in the README's quick start: one encrypted variable in group_vars.

tests/unit/role/test_vault_password.py has a wrong password.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET
from tests.lab.operating import AT_ONCE, CONFIGURATION, ENVIRONMENT

OLD = "https://receiver:8443/services/T00000000/B00000003/not-a-real-secret"
NEW = "https://receiver:8443/services/T00000000/B00000004/not-a-real-secret"
VARIABLE = "ssh_login_notify_webhook_url"


@pytest.fixture(scope="module")
def vaulted(play, tmp_path_factory):
    """Put a webhook into the vault, and run a playbook: vaulted("deploy", WEBHOOK, "-e", "…")."""
    password = tmp_path_factory.mktemp("passwords") / "right"
    password.write_text("not-a-real-password\n")
    with_password = ("--vault-password-file", str(password))

    @functools.cache
    def encrypted(webhook: str) -> str:
        command = ["ansible-vault", "encrypt_string", *with_password, "--stdin-name", VARIABLE]
        return subprocess.run(command, input=webhook, capture_output=True, text=True, check=True).stdout  # noqa: S603

    def run(playbook: str, webhook: str, *extra: str):
        variables = play.directory / "group_vars" / "all" / "loginwatch.yml"
        variables.parent.mkdir(parents=True, exist_ok=True)
        variables.write_text(encrypted(webhook))
        return play(playbook, (*with_password, "-vvv", "--diff", *extra))

    return run


def test_the_webhook_comes_from_the_vault_and_is_shown_nowhere(vaulted, webhooks):
    run = vaulted("deploy", OLD, *AT_ONCE)  # Run checks that the secret is not in the output
    assert run.status == 0, run.output
    assert webhooks() == {OLD}


def test_a_new_one_is_put_in_its_place_proven_on_the_canary_and_rolled_out(vaulted, webhooks, receiver):
    mark = receiver.last()
    run = vaulted("rotate_webhook", NEW, "-e", "canary=debian13", *AT_ONCE)
    assert run.status == 0, run.output
    assert webhooks() == {NEW}
    receiver.settle()
    first = receiver.messages(after=mark)[0]
    # A login of Ansible's own can be reported before the test alert, to the old webhook, because nothing is changed
    # yet.
    assert first.fields["Server"] == "debian13"


PLACES = "/home /tmp /var/tmp /dev/shm /root /run /etc /usr/local /var/spool /proc/[0-9]*/cmdline /proc/[0-9]*/environ"


@contextmanager
def seeker(server, user: str, places: str = PLACES) -> Iterator[Callable[[], str]]:
    """Have a user search the host for the secret continuously. The function returns where it was found."""
    found = f"/var/log/found-by-{user}-in-{len(places.split())}"
    pattern = f"[{SECRET[0]}]{SECRET[1:]}"  # a pattern that does not find itself in the arguments
    look = f"while [ -e {found} ]; do grep -rls -e {pattern} {places}; done"
    server.check_output(f"touch {found}")
    server.check_output(f"setsid runuser -u {user} -- sh -c %s >> {found} 2> /dev/null < /dev/null &", look)
    try:
        yield lambda: server.check_output(f"cat {found}")
    finally:
        server.check_output(f"rm {found}")
        # The brackets keep the pattern from finding itself.
        server.check_output(f"timeout 30 sh -c 'while pgrep -u {user} -f [/]{found[1:]}; do sleep 0.1; done'")


def test_nobody_else_can_read_it_while_it_is_brought(vaulted, servers, monkeypatch):
    """In Ansible's temporary files, in arguments, in half-written files: root finds it, another user does not."""
    # Ansible's default: a module's arguments are then passed in files on the host.
    monkeypatch.setitem(ENVIRONMENT, "ANSIBLE_PIPELINING", "false")
    server = servers["debian12"]
    modules = "/home/*/.ansible /root/.ansible"  # Ansible's files are there for a moment only
    of_root = seeker(server, "root"), seeker(server, "root", modules)
    with of_root[0] as by_root, of_root[1] as of_ansible, seeker(server, "rita") as by_rita:
        assert vaulted("rotate_webhook", OLD, "-e", "target=debian12").status == 0
        assert CONFIGURATION in by_root().splitlines()
        assert "/.ansible/tmp/" in of_ansible() + by_root(), "no search happened at the right moment"
        assert by_rita() == ""


def test_the_fleet_is_verified_without_the_password(play):
    """Nothing reads the vault's content."""
    run = play("verify", ("-e", "target=debian12"))
    assert run.status == 0, run.output
