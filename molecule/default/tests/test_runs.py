# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of the role on a server that an earlier run, or somebody after it, has left in another state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.lab.deploy import SECRET, deploy, url

testinfra_hosts = ["ansible://debian13-default"]

OTHERS = {"host_label": "renamed", "pam_services": ["login"], "accept": ["unreported_sshd"]}


@dataclass(frozen=True)
class Run:
    """A run of the role, and the state after it."""

    code: int
    output: str
    services: str  # the PAM files that have a line
    proofs: int  # number of test alerts since the module began

    @property
    def changes(self) -> int:
        """The number of tasks that changed something, from the recap."""
        return int(re.findall(r"changed=(\d+)", self.output)[-1])

    @property
    def trial(self) -> str:
        """When the program had to be tried, from the arguments of the module."""
        installed = self.output.split("Install the notifier's files")[1].split("TASK [")[0]
        return re.findall(r"always: \w+", installed)[0]


@pytest.fixture(scope="module")
def run(host, receiver, tmp_path_factory) -> Callable[..., Run]:
    """Run the role with these settings in addition to the usual ones."""
    directory, mark = tmp_path_factory.mktemp("runs"), receiver.last()

    def run_with(**settings: object) -> Run:
        done = deploy(host, directory, url(SECRET), **settings)
        receiver.settle()
        types = [message.fields.get("Type") for message in receiver.messages(after=mark)]
        services = host.check_output("grep -l pam_exec.so /etc/pam.d/*")
        return Run(done.returncode, done.stdout, services, types.count("test, by a PAM session"))

    return run_with


@pytest.fixture(scope="module")
def runs(host, receiver, run) -> list[Run]:
    """Three runs with other settings, the first with a webhook that is gone, and one with the usual settings."""
    assert host.check_output("grep -l pam_exec.so /etc/pam.d/*") == "/etc/pam.d/sshd"
    with receiver.misbehaving({"mode": "status", "status": 404}):
        refused = run(**OTHERS)
    host.check_output("rm -f /var/spool/ssh-login-notify/failed/*")
    return [refused, run(**OTHERS), run(**OTHERS), run()]


def test_a_new_configuration_is_proven_until_that_succeeds(runs):
    """A delivery with the old one proves nothing. A green run with nothing delivered since would be misleading."""
    refused, proven, again, back = runs
    assert refused.code != 0
    assert [proven.code, again.code, back.code] == [0, 0, 0], proven.output
    assert (proven.changes, proven.proofs) == (0, 1)
    assert (again.changes, again.proofs) == (0, 1), "no further proof after the first"
    assert back.proofs == 2


def test_the_line_stands_in_the_services_of_the_list_and_in_no_other(runs):
    """This holds for a list without sshd too. A service that is taken off the list loses its line."""
    *others, back = runs
    assert {run.services for run in others} == {"/etc/pam.d/login"}
    assert back.services == "/etc/pam.d/sshd"


def test_the_program_is_tried_again_until_it_has_its_line(runs):
    """A run that failed because the program did not run has left its files. The next run must try the program again."""
    _refused, _proven, again, back = runs
    assert again.trial == "always: false"
    assert back.trial == "always: true", "sshd had no line, although everything was delivered"


UNITS = "ssh-login-notify.service ssh-login-notify.path ssh-login-notify-path.timer ssh-login-notify.timer"
STALE = f"systemctl show --property NeedDaemonReload {UNITS} | grep -c =yes"
STARTED = "systemctl show --property ActiveEnterTimestampMonotonic ssh-login-notify.timer"


def test_units_of_an_interrupted_upgrade_come_into_force(host, run, runs):
    """They were written, but the run ended before systemd reloaded them."""
    host.check_output("touch /etc/systemd/system/ssh-login-notify.timer")
    assert host.run(STALE).stdout == "1\n"
    started = host.check_output(STARTED)
    done = run()
    assert (done.code, done.changes, done.trial) == (0, 1, "always: false"), done.output
    assert host.run(STALE).stdout == "0\n"
    assert host.check_output(STARTED) != started


def test_a_timer_that_was_stopped_is_told_and_a_path_unit_is_started_again(host, receiver):
    """Otherwise nothing would retry a failed delivery. A run that a login starts detects it, from its sandbox."""
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
