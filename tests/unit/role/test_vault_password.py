# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the right password of a real vault, a roll-out ends before a host is touched, and a removal needs none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
SECRET = "not-a-real-secret"  # noqa: S105
# Nobody is there (RFC 5737).
HOST = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1 -o ConnectionAttempts=1"}


@pytest.fixture
def run(tmp_path):
    """Run a playbook with a webhook and a channel's URL in the vault: run("deploy", password="…").

    Returns its code and its output.
    """
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"the-{name}-one")
    webhook, url = (
        subprocess.run(  # noqa: S603
            [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", tmp_path / "right",
             "--name", name, "https://hooks.slack.example/services/T0/B0/" + SECRET],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for name in ("ssh_login_notify_webhook_url", "url")
    )  # fmt: skip
    (tmp_path / "group_vars").mkdir()
    channels = f"\nssh_login_notify_channels:\n  - name: ops\n    kind: discord\n    {url}"
    (tmp_path / "group_vars" / "all.yml").write_text(webhook + channels)
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"web": HOST}}}))

    def played(playbook, password):
        done = subprocess.run(  # noqa: S603
            [BIN / "ansible-playbook", "-i", tmp_path / "hosts.yml", "-e", "target=web", f"loginwatch.pam.{playbook}",
             *(["--vault-password-file", tmp_path / password] if password else [])],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".dev" / "collections")},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert SECRET not in done.stdout
        return done.returncode, " ".join(done.stdout.split())

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
