# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a real vault's password, a roll-out ends before it contacts a host, and a removal needs none."""

import pytest
import yaml

SECRET = "not-a-real-secret"  # noqa: S105
# An address that never answers (RFC 5737).
HOST = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1 -o ConnectionAttempts=1"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, ansible):
    """Run a playbook with a webhook and a channel's URL in the vault: run("deploy", password="…").

    Returns its exit code and its output.
    """
    directory = tmp_path_factory.mktemp("vault")
    for name in ("right", "wrong"):
        (directory / name).write_text(f"the-{name}-one")
    webhook, url = (
        ansible(
            "ansible-vault", "encrypt_string", "--vault-password-file", directory / "right", "--name", name,
            "https://hooks.slack.example/services/T0/B0/" + SECRET,
        ).stdout
        for name in ("ssh_login_notify_webhook_url", "url")
    )  # fmt: skip
    (directory / "group_vars").mkdir()
    channels = f"\nssh_login_notify_channels:\n  - name: ops\n    kind: discord\n    {url}"
    (directory / "group_vars" / "all.yml").write_text(webhook + channels)
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"web": HOST}}}))

    def played(playbook, password):
        options = ["--vault-password-file", directory / password] if password else []
        playbook = f"loginwatch.pam.{playbook}"
        done = ansible("ansible-playbook", "-i", directory / "hosts.yml", "-e", "target=web", playbook, *options)
        output = done.stdout + done.stderr
        assert SECRET not in output
        return done.returncode, " ".join(output.split())

    return played


@pytest.mark.parametrize("playbook", ["deploy", "rotate_webhook"])
@pytest.mark.parametrize("password", ["wrong", None])
def test_nothing_is_begun_without_the_right_password(run, playbook, password):
    code, output = run(playbook, password)
    assert code == 2
    for name in ("Nothing was changed. ssh_login_notify_webhook_url", ". ssh_login_notify_channels"):
        assert f"{name} cannot be decrypted: give the right password" in output
    assert "could not be restored" not in output
    assert "unreachable=0" in output, "the host was asked for something"


@pytest.mark.parametrize("playbook", ["remove", "verify"])
def test_what_needs_no_webhook_needs_no_password(run, playbook):
    _code, output = run(playbook, None)
    assert "decrypt" not in output
    assert "Failed to connect to the host" in output, "it went on to the host"
