# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After removal the server is as before: files, accounts, units, and every byte of the PAM stack."""

from tests.lab.footprint import changes

testinfra_hosts = ["ansible://servers"]

# prepare.yml creates it while the notifier is installed.
COPY = "/etc/pam.d/sshd.2026-01-02"


def test_the_server_is_as_it_was_found(host):
    assert [line for line in changes(host) if COPY not in line] == []


def test_a_copy_of_a_pam_file_is_nobodys_service_and_is_left_as_it_is(host):
    assert host.file(COPY).content_string.count("/usr/local/bin/ssh-login-notify") == 2


def test_nothing_is_left_running(host):
    assert host.run("pgrep -f [s]sh-login-notify").rc == 1


def test_systemd_has_forgotten_the_units(host):
    if not host.file("/run/systemd/system").exists:
        assert not host.file("/etc/cron.d/ssh-login-notify").exists
        return
    assert "ssh-login-notify" not in host.check_output("systemctl list-units --all --no-pager 'ssh-login-notify*'")
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_alerts_had_come_and_none_comes_any_more(ada, receiver):
    assert receiver.last() > 0, "without any report, the removal had little to remove"
    mark = receiver.last()
    assert ada.command().output == "Linux\n"
    receiver.settle()
    assert receiver.attempts(after=mark) == []
