# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets of each kind of channel: they are not in Ansible's output, in processes, in files or in logs."""

from __future__ import annotations

import pytest
import yaml
from channels.lab import CHANNELS

from plugins.module_utils import channel_settings
from tests.lab.deploy import SECRET, deploy, url

testinfra_hosts = ["ansible://servers"]

CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
NEEDLE = "/root/needle"
# The sink is not part of the notifier, and stores what it receives.
EXCLUDED = " ".join(f"--exclude-dir={name}" for name in ("proc", "sys", "dev", "sink"))
FILES = f"grep -rlaFf {NEEDLE} {EXCLUDED} --exclude=needle / || true"
PROCESSES = f"grep -lzaFf {NEEDLE} /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true"
JOURNAL = f"journalctl --output=export 2>/dev/null | grep -acFf {NEEDLE}"


def secrets_of(channels) -> list[str]:
    """Return the secrets of channels; of an address the path, because its host is not secret."""
    found = {secret for entry in channels for secret in channel_settings.secrets_of(entry)}
    return sorted(secret.partition("://")[2].partition("/")[2] or secret for secret in found)


SECRETS = secrets_of(CHANNELS)


@pytest.fixture(scope="module")
def needle(host):
    """The file of the secrets to search for, on the server, one per line."""
    host.check_output("umask 077 && printf %s > " + NEEDLE, "\n".join(SECRETS) + "\n")
    yield
    host.check_output(f"rm {NEEDLE}")


def test_every_kind_with_a_secret_is_looked_for():
    kinds = {entry["kind"] for entry in CHANNELS}
    assert {kind for kind, keys in channel_settings.SECRETS.items() if keys} <= kinds
    assert len(SECRETS) >= len(kinds)


def test_none_is_in_a_process_while_alerts_wait(host, needle, lab, receiver, ada):
    with receiver.misbehaving({"mode": "hang"}):
        ada.command()
        lab.wait_for(lambda: host.run("pgrep -f 'ssh-login-notify send'").succeeded)
        assert host.check_output(PROCESSES) == ""
        said = host.run("/usr/local/bin/ssh-login-notify status --json").stdout
        said += host.run("/usr/local/bin/ssh-login-notify status").stdout
        said += host.run("/usr/local/bin/ssh-login-notify check").stdout
    assert [secret for secret in SECRETS if secret in said] == []
    lab.wait_for(lambda: lab.ask("flush").get("waiting") == 0)


def test_none_is_in_a_file_but_the_configuration_or_in_a_log(host, needle):
    assert host.check_output(FILES) == CONFIGURATION
    assert host.check_output(f"stat -c '%a %U %G' {CONFIGURATION}") == "600 root root"
    assert host.run(JOURNAL).stdout.strip() == "0"


def test_one_in_a_file_would_be_found(host, needle):
    for secret in SECRETS:
        host.check_output("printf %s > /root/leak", secret)
        assert host.check_output(f"grep -laFf {NEEDLE} /root/leak") == "/root/leak"
    host.check_output("rm /root/leak")


def test_new_ones_are_in_no_output_of_ansible(host, tmp_path, monkeypatch):
    """Not even with -vvv and --diff, or in tasks' arguments. This test runs last, because the channels stay changed."""
    monkeypatch.setenv("ANSIBLE_DISPLAY_ARGS_TO_STDOUT", "true")
    text = yaml.safe_dump(CHANNELS).replace("not-a-real-secret", "not-a-real-secret-either")
    changed = yaml.safe_load(text.replace("notarealsecret0000", "notarealsecret0001"))
    done = deploy(host, tmp_path, url(SECRET), channels=changed)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "not-a-real-secret-either-discord" in host.file(CONFIGURATION).content_string
    assert "+another secret" in done.stdout, "Ansible printed everything"
    assert [secret for secret in [*SECRETS, *secrets_of(changed)] if secret in done.stdout + done.stderr] == []
