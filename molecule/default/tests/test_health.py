# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server reports its problems: in `status`, and once in the channel."""

from __future__ import annotations

import re

import pytest
from default.server import CONFIGURATION, LIBRARY, LINE_GONE, PAM, PROGRAM, broken, look, status

testinfra_hosts = ["ansible://debian13-default", "ansible://plain"]
pytestmark = pytest.mark.usefixtures("nobody_looks_by_the_clock")

OPEN = (f"chmod 0644 {CONFIGURATION}", f"users other than root can read {CONFIGURATION}")
# A fault, the command that causes it, and the sentence that reports it.
FAULTS = {
    "the line is gone": LINE_GONE,
    "the line is a comment": (f"sed -i 's/.*pam_exec/#&/' {PAM}", LINE_GONE[1]),
    "the last of the lines is gone": (
        f"sed -i '/session optional pam_exec/d' {PAM}",
        f"the PAM line in {PAM} is not complete",
    ),
    "the line is misplaced": (
        f"grep ssh-login-notify {PAM} > /root/lines && sed -i /ssh-login-notify/d {PAM} && cat /root/lines >> {PAM}",
        f"the PAM line in {PAM} is not the first of the session part",
    ),
    "the line is doubled": (f"sed -i 's/.*pam_exec.*/&\\n&/' {PAM}", f"the PAM line in {PAM} is there more than once"),
    "the configuration is open": OPEN,
    "the program is another": (f"echo >> {PROGRAM}", f"files differ from what the role installed ({PROGRAM}"),
    "a module is another": (
        f"echo >> {LIBRARY}/ssh_login_notify/connection.py",
        f"files differ from what the role installed ({LIBRARY}/ssh_login_notify/connection.py",
    ),
}
SECOND = "/etc/ssh/second"


@pytest.fixture
def second_sshd(host):
    """A second sshd on another port and without PAM, as somebody has started it by hand."""
    made = f"sed '/^Port/d; s/^UsePAM.*/UsePAM no/' /etc/ssh/sshd_config > {SECOND} && echo Port 2222 >> {SECOND}"
    host.check_output(f"{made} && /usr/sbin/sshd -f {SECOND} -o PidFile=/run/second.pid")
    yield
    host.check_output(f"kill $(cat /run/second.pid); rm -f {SECOND} /run/second.pid")


def test_a_second_sshd_whose_logins_are_not_reported_is_told(host, second_sshd):
    code, line, answer = status(host)
    assert code == 2
    assert f": /usr/sbin/sshd -f {SECOND} on port 2222 runs with UsePAM no" in line
    assert answer["sshds"] == ["/usr/sbin/sshd on port 22", f"/usr/sbin/sshd -f {SECOND} on port 2222"]


def test_where_all_is_well_the_status_says_so_in_one_line(host, ada, alerts):
    login = ada.command()
    alerts(login)
    code, line, found = status(host)
    assert (code, found["state"], found["problems"]) == (0, "ok", [])
    assert re.fullmatch(r"OK: [\w-]+: nothing is wrong; captured 0, waiting 0, failed 0; last delivery .*\n", line)
    assert f"deploy from {login.source}" in line


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_critical(host, fault):
    name = host.check_output("hostname")
    with broken(host, fault) as sentence:
        code, line, found = status(host)
        assert (code, found["state"]) == (2, "critical")
        assert line.startswith(f"CRITICAL: {name}: {sentence}")
        assert line.count("\n") == 1
    assert status(host)[0] == 0


def test_the_channel_is_told_once_and_once_that_it_is_over(host, told):
    name = host.check_output("hostname")
    with broken(host, LINE_GONE) as gone:
        look(host)
        look(host)
    with broken(host, OPEN) as exposed:
        look(host)
        look(host)
    look(host)
    look(host)
    assert told() == [f"{name}: {gone}", f"{name}: {exposed}", f"{name} is well again"]


def test_nobody_but_root_is_told_anything(host):
    asked = host.run(f"su deploy -s /bin/sh -c '{PROGRAM} status'")
    assert asked.rc == 3
    assert asked.stdout == ""
