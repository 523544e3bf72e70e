# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With SELinux enforcing, the role deploys, each login is reported, and nothing is denied that the notifier needs.

The tests build on each other and run in this order.
"""

from __future__ import annotations

import re

SPOOL = "/var/spool/ssh-login-notify"
# From the login to Slack, on an emulated processor.
ALERT_SECONDS = 120.0


def reported(receiver, login, seconds: float = ALERT_SECONDS) -> None:
    """Log in, and wait until it is reported. The machine sees qemu's address, not the client's."""
    mark = receiver.last()
    login()
    receiver.wait_for(lambda message: message.fields.get("User") == "deploy", after=mark, timeout=seconds)


def test_selinux_is_enforcing_and_sshd_is_confined(machine):
    assert machine.output("getenforce").strip() == "Enforcing"
    assert ":sshd_t:" in machine.output("cat /proc/$(cat /run/sshd.pid)/attr/current")


def test_the_role_deploys_and_a_second_run_changes_nothing(machine):
    assert re.search(r"changed=[1-9]", machine.deploy())
    assert "changed=0" in machine.deploy()


def test_each_kind_of_login_is_reported(receiver, ada):
    for login in (ada.command, ada.interactive, ada.sftp):
        reported(receiver, login)


def test_a_login_leaves_no_denial_and_status_says_ok(machine, receiver, ada):
    machine.output("date +%H:%M:%S > /root/since")
    reported(receiver, ada.command)
    assert machine.output("ssh-login-notify status").startswith("OK: ")
    assert not machine.denials("today $(cat /root/since)")


def test_a_lost_label_is_told(machine, ada):
    machine.output(f"chcon -R -t var_spool_t {SPOOL}")
    found = machine.run("ssh-login-notify status")
    assert found.returncode == 2
    assert f"{SPOOL} has the SELinux type var_spool_t, but sshd can only write to var_auth_t" in found.stdout
    ada.command()
    assert machine.denials(), "the kernel does enforce"
