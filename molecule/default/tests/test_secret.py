# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The webhook is a secret: nobody sees it who watches Ansible, the server's processes, its files or its logs."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET, deploy, url

testinfra_hosts = ["ansible://servers"]

OTHER_SECRET = "not-a-real-secret-either"  # noqa: S105
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
# The secret is looked for by a file of patterns, since an argument of the search would itself be found.
NEEDLE = "/root/needle"
PROCESSES = f"grep -lzaFf {NEEDLE} /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true"
FILES = f"grep -rlaFf {NEEDLE} --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude=needle / || true"
JOURNAL = f"journalctl --output=export 2>/dev/null | grep -acFf {NEEDLE}"


# Ansible shows every callback the arguments of each task, as it has given them to the module.
CALLBACK = """
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "arguments"

    def v2_runner_on_ok(self, result):
        with open({path!r}, "a") as file:
            task = getattr(result, "task", None) or result._task
            print(task.action, "hidden" if task.no_log else dict(task.args), file=file)
"""


@pytest.fixture(scope="module")
def needle(host):
    """The pattern to look for, on the server."""
    host.check_output(f"umask 077 && echo {SECRET} > {NEEDLE}")
    yield
    host.check_output(f"rm {NEEDLE}")


@contextmanager
def process_with_the_secret(host, command: str):
    """A process that shows the secret as this command makes it."""
    pid = host.check_output(f"{command} > /dev/null 2>&1 & echo $!")
    try:
        yield pid
    finally:
        host.check_output(f"kill {pid}")


def test_a_new_webhook_shows_in_no_output_of_ansible(host, tmp_path, ada, alerts, monkeypatch):
    """Nor in its cache of facts, nor in what a callback may write down."""
    cache, arguments = tmp_path / "cache", tmp_path / "arguments"
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "arguments.py").write_text(CALLBACK.format(path=str(arguments)))
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(tmp_path / "callbacks"))
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(cache))
    changed = deploy(host, tmp_path, url(OTHER_SECRET))
    try:
        assert changed.returncode == 0, changed.stdout
        assert OTHER_SECRET in host.file(CONFIGURATION).content_string, "the webhook has changed"
        assert "+another secret" in changed.stdout, "Ansible was as loud as it was told to be"
        assert len(alerts(ada.command())) == 1, "the new webhook works"
    finally:
        back = deploy(host, tmp_path, url(SECRET))
    assert back.returncode == 0, back.stdout
    for run in (changed, back):
        assert SECRET not in run.stdout + run.stderr
    assert not [file for file in cache.glob("*") if SECRET in file.read_text()]
    written = arguments.read_text()
    assert "loginwatch.pam.installed_files {'account'" in written
    assert "/usr/local/etc/ssh-notify.conf" in written
    assert SECRET not in written
    assert OTHER_SECRET not in written


def test_no_process_shows_it_while_an_alert_is_sent(host, needle, ada, receiver):
    with receiver.misbehaving({"mode": "hang"}):
        login = ada.command()
        receiver.wait_for(lambda message: message.fields.get("From") == login.source, attempts=True)
        assert host.check_output("pgrep -f 'ssh-login-notify send'"), "the sender waits for the answer"
        assert host.check_output(PROCESSES) == ""
    receiver.wait_for(lambda message: message.fields.get("From") == login.source, timeout=60)


@pytest.mark.parametrize("command", [f"env WEBHOOK={SECRET} sleep 60", f"perl -e 'sleep 60' {SECRET}"])
def test_a_process_that_shows_it_would_be_found(host, needle, command):
    with process_with_the_secret(host, command) as pid:
        assert f"/proc/{pid}/" in host.check_output(PROCESSES)


def test_no_file_but_the_configuration_and_no_log_holds_it(host, needle):
    assert host.check_output(FILES) == CONFIGURATION
    assert host.run(JOURNAL).stdout.strip() in ("0", "")


def test_a_file_or_a_log_that_holds_it_would_be_found(host, needle):
    host.check_output(f"cp {NEEDLE} /root/leak")
    assert "/root/leak" in host.check_output(FILES)
    host.check_output("rm /root/leak")
    if host.file("/run/systemd/system").exists:
        host.check_output(f"systemd-cat -t leak cat {NEEDLE} && journalctl --sync")
        assert int(host.run(JOURNAL).stdout) > 0
        host.check_output("journalctl --rotate && journalctl --vacuum-time=1us")
