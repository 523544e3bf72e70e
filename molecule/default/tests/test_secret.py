# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The webhook is a secret: it is not in the server's processes, files or logs.

Ansible's output is checked in test_other_settings.py.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET

testinfra_hosts = ["ansible://debian13-default", "ansible://plain"]

CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
# The search reads its pattern from a file, because an argument would be found itself.
NEEDLE = "/root/needle"
PROCESSES = f"grep -lzaFf {NEEDLE} /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true"
FILES = f"grep -rlaFf {NEEDLE} --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude=needle / || true"
JOURNAL = f"journalctl --output=export 2>/dev/null | grep -acFf {NEEDLE}"


@pytest.fixture(scope="module")
def needle(host):
    """The file with the pattern to search for, on the server."""
    host.check_output(f"umask 077 && echo {SECRET} > {NEEDLE}")
    yield
    host.check_output(f"rm {NEEDLE}")


@contextmanager
def process_with_the_secret(host, command: str):
    """Run a process that contains the secret in the way of this command."""
    pid = host.check_output(f"{command} > /dev/null 2>&1 & echo $!")
    try:
        # Until the fork has become the program, it shows what the shell shows.
        host.check_output(f"timeout 20 sh -c 'until grep -Eqx \"sleep|perl\" /proc/{pid}/comm; do sleep 0.05; done'")
        yield pid
    finally:
        host.check_output(f"kill {pid}")


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
