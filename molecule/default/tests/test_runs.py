# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a further run of the role does on a server that is not, or no longer, as a run would leave it."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET, deploy, url

testinfra_hosts = ["ansible://debian13-default"]

WEBHOOK = url(SECRET)


def run(host, directory, **settings) -> str:
    """What a run of the role says that goes well."""
    done = deploy(host, directory, WEBHOOK, **settings)
    assert done.returncode == 0, done.stdout
    return done.stdout


def changes(output: str) -> int:
    """How many tasks have changed something, by the last lines of a run."""
    return int(re.findall(r"changed=(\d+)", output)[-1])


@pytest.fixture
def proofs(receiver):
    """How many test alerts have come since the test began."""
    mark = receiver.last()

    def count() -> int:
        receiver.settle()
        return [message.fields["Type"] for message in receiver.messages(after=mark)].count("test, by a PAM session")

    return count


@contextmanager
def refusing(host, receiver):
    """A webhook that was removed for a while."""
    with receiver.misbehaving({"mode": "status", "status": 404}):
        yield
    host.check_output("rm -f /var/spool/ssh-login-notify/failed/*")


def test_the_proof_is_made_until_it_succeeds(host, tmp_path, receiver, proofs):
    """Green, with nothing ever delivered since the change, would be a lie."""
    host.check_output("rm /var/spool/ssh-login-notify/state/sender.json")
    with refusing(host, receiver):
        assert deploy(host, tmp_path, WEBHOOK).returncode != 0
    assert changes(run(host, tmp_path)) == 0
    assert proofs() == 1
    assert changes(run(host, tmp_path)) == 0
    assert proofs() == 1, "once proven, it is left at that"


def test_a_new_configuration_is_proven_anew(host, tmp_path, receiver, proofs):
    """What the old one delivered says nothing about it."""
    with refusing(host, receiver):
        assert deploy(host, tmp_path, WEBHOOK, host_label="renamed").returncode != 0
    assert changes(run(host, tmp_path, host_label="renamed")) == 0
    assert proofs() == 1
    run(host, tmp_path)


def test_the_line_stands_in_the_services_of_the_list_and_in_no_other(host, tmp_path, proofs):
    """Also where sshd is not among them; and a service that was taken off the list loses the line."""
    found = "grep -l pam_exec.so /etc/pam.d/*"
    assert host.check_output(found) == "/etc/pam.d/sshd"
    try:
        run(host, tmp_path, pam_services=["login"], accept=["unreported_sshd"])
        assert host.check_output(found) == "/etc/pam.d/login"
        assert proofs() == 1, "the line of that service was tried"
    finally:
        run(host, tmp_path)
    assert host.check_output(found) == "/etc/pam.d/sshd"


UNITS = "ssh-login-notify.service ssh-login-notify.path ssh-login-notify-path.timer ssh-login-notify.timer"
STALE = f"systemctl show --property NeedDaemonReload {UNITS} | grep -c =yes"
STARTED = "systemctl show --property ActiveEnterTimestampMonotonic ssh-login-notify.timer"


def test_units_of_an_interrupted_upgrade_come_into_force(host, tmp_path):
    """They were written, and then the run ended before systemd was told."""
    host.check_output("touch /etc/systemd/system/ssh-login-notify.timer")
    assert host.run(STALE).stdout == "1\n"
    started = host.check_output(STARTED)
    assert changes(run(host, tmp_path)) == 1
    assert host.run(STALE).stdout == "0\n"
    assert host.check_output(STARTED) != started


def trial_of(output: str) -> str:
    """When the program was to be tried, as the arguments of the module have it."""
    installed = output.split("Install the notifier's files")[1].split("TASK [")[0]
    return re.findall(r"always: \w+", installed)[0]


def test_the_program_is_tried_again_until_it_has_its_line(host, tmp_path):
    """A run that ended because the program did not run has left its files; the next one must not just go on."""
    host.check_output("sed -i /pam_exec/d /etc/pam.d/sshd")
    output = run(host, tmp_path)
    assert changes(output) == 1
    assert trial_of(output) == "always: true"
    assert trial_of(run(host, tmp_path)) == "always: false"


def test_a_timer_that_was_stopped_is_told_and_a_path_unit_is_started_again(host, receiver):
    """Nothing would repeat what could not be sent. The run that a login causes sees it, from its sandbox."""
    mark = receiver.last()
    spool = "/var/spool/ssh-login-notify"
    host.check_output("systemctl stop ssh-login-notify-path.timer ssh-login-notify.timer ssh-login-notify.path")
    try:
        found = json.loads(host.run("ssh-login-notify status --json").stdout)
        units = ("ssh-login-notify.path", "ssh-login-notify-path.timer", "ssh-login-notify.timer")
        assert found["problems"] == [f"the systemd unit {unit} is inactive: run the role again" for unit in units]
        installed = "/usr/local/lib/ssh-login-notify/manifest.json /usr/local/etc/ssh-notify.conf"
        host.check_output(f"touch -d -10min {installed} {spool}/state/watch.json")
        host.check_output("systemctl start --wait ssh-login-notify.service")
        receiver.wait_for(lambda message: "the systemd unit ssh-login-notify-path.timer" in message.text, after=mark)
        assert host.service("ssh-login-notify.path").is_running
    finally:
        host.check_output("systemctl start ssh-login-notify.timer ssh-login-notify-path.timer")
        host.check_output(f"touch -d -10min {spool}/state/watch.json")
        host.check_output("systemctl start --wait ssh-login-notify.service")
    receiver.wait_for(lambda message: message.header.endswith(" is well again"), after=mark)
