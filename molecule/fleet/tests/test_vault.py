# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The webhook in Ansible Vault, as the README's quick start puts it there: one encrypted variable in group_vars."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET
from tests.lab.operating import AT_ONCE, CLEAN, CONFIGURATION, ENVIRONMENT

OLD = "https://receiver:8443/services/T00000000/B00000003/not-a-real-secret"
NEW = "https://receiver:8443/services/T00000000/B00000004/not-a-real-secret"
VARIABLE = "ssh_login_notify_webhook_url"
RIGHT = "not-a-real-password"


@pytest.fixture(scope="module")
def vaulted(play, tmp_path_factory):
    """Put a webhook into the vault, and run a playbook: vaulted("deploy", WEBHOOK, "-e", "…", password="…")."""
    passwords = tmp_path_factory.mktemp("passwords")

    def password_file(password: str) -> tuple[str, str]:
        (passwords / password).write_text(f"{password}\n")
        return "--vault-password-file", str(passwords / password)

    def run(playbook: str, webhook: str, *extra: str, password: str = RIGHT):
        variables = play.directory / "group_vars" / "all" / "loginwatch.yml"
        variables.parent.mkdir(parents=True, exist_ok=True)
        command = ["ansible-vault", "encrypt_string", *password_file(RIGHT), "--stdin-name", VARIABLE]
        done = subprocess.run(command, input=webhook, capture_output=True, text=True, check=True)  # noqa: S603
        variables.write_text(done.stdout)
        return play(playbook, (*password_file(password), "-vvv", "--diff", *extra))

    return run


@pytest.fixture(autouse=True, scope="module")
def _removed(play, vaulted):
    """With the webhook in the vault, and without the vault's password."""
    yield
    run = play("remove", CLEAN)
    assert run.status == 0, run.output


def test_the_webhook_comes_from_the_vault_and_is_shown_nowhere(vaulted, webhooks):
    run = vaulted("deploy", OLD, *AT_ONCE)  # a Run has looked that the secret is not in the output
    assert run.status == 0, run.output
    assert webhooks() == {OLD}


def test_a_new_one_is_put_in_its_place_and_rolled_out(vaulted, webhooks):
    run = vaulted("rotate_webhook", NEW, *AT_ONCE)
    assert run.status == 0, run.output
    assert webhooks() == {NEW}


@contextmanager
def seeker(server, user: str) -> Iterator[Callable[[], str]]:
    """Somebody on the host who looks for the secret everywhere, again and again; the function tells where it was."""
    places = "/home /tmp /var/tmp /dev/shm /root /run /etc /usr/local /var/spool /proc/[0-9]*/cmdline"
    found = f"/var/log/found-by-{user}"
    pattern = f"[{SECRET[0]}]{SECRET[1:]}"  # which does not find itself in the arguments
    look = f"while [ -e {found} ]; do grep -rls -e {pattern} {places} /proc/[0-9]*/environ; done"
    server.check_output(f"touch {found}")
    server.check_output(f"setsid runuser -u {user} -- sh -c %s >> {found} 2> /dev/null < /dev/null &", look)
    try:
        yield lambda: server.check_output(f"cat {found}")
    finally:
        server.check_output(f"rm {found}")
        server.check_output(f"timeout 30 sh -c 'while pgrep -u {user} grep; do sleep 0.1; done'")


def test_nobody_else_can_read_it_while_it_is_brought(vaulted, servers, monkeypatch):
    """In Ansible's temporary files, in arguments, in what is half written: root finds it, another user does not."""
    # As Ansible's default is: then what a module is given goes through files on the host.
    monkeypatch.setitem(ENVIRONMENT, "ANSIBLE_PIPELINING", "false")
    server = servers["debian12"]
    with seeker(server, "root") as by_root, seeker(server, "rita") as by_rita:
        assert vaulted("rotate_webhook", OLD, "-e", "target=debian12").status == 0
        places = set(by_root().splitlines())
        assert CONFIGURATION in places
        assert any("/.ansible/tmp/" in place for place in places), "it was not looked at the right moment"
        assert by_rita() == ""


@pytest.mark.parametrize("playbook", ["deploy", "rotate_webhook"])
def test_with_a_wrong_password_nothing_is_changed(vaulted, webhooks, servers, playbook):
    before = webhooks()
    run = vaulted(playbook, OLD, *AT_ONCE, password="not-the-right-one")  # noqa: S106
    assert run.status != 0
    told = " ".join(run.output.split())
    assert "Nothing was changed. ssh_login_notify_webhook_url cannot be decrypted: give the right password" in told
    assert "could not be restored" not in told
    assert webhooks() == before
    for server in servers.values():
        assert server.run("ls -d /root/ssh-login-notify-*").rc != 0, "nothing is left of it"


def test_the_fleet_is_verified_without_the_password(vaulted, play):
    run = play("verify", ("-e", "target=debian12"))
    assert run.status == 0, run.output
