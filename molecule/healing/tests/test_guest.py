# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest that can't mount (LXC, Proxmox VE without nesting): alerts arrive, and `status` reports what is missing."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.lab.deploy import SECRET, deploy, url
from tests.lab.units import units

testinfra_hosts = ["ansible://guest-healing"]

SERVICE = "ssh-login-notify.service"
FILE = f"/etc/systemd/system/{SERVICE}"
SYSTEMD = 247
REFUSED = "it refuses namespaces"


def status(host) -> tuple[int, dict]:
    found = host.run("ssh-login-notify status --json")
    return found.rc, json.loads(found.stdout)


def changed(done) -> int:
    assert done.returncode == 0, done.stdout
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def test_a_login_is_reported(ada, alerts):
    login = ada.command()
    assert [message.fields["User"] for message in alerts(login)] == ["deploy"]


def test_the_units_have_all_but_what_the_guest_refuses_and_status_says_so(host):
    assert host.check_output(f"cat {FILE}") == units(SYSTEMD, ["namespaces"])[SERVICE].rstrip("\n")
    code, found = status(host)
    assert (code, found["problems"], found["sandbox_without"]) == (0, [], ["namespaces"])


@pytest.fixture
def whole_sandbox(host):
    """The unit of a host that can mount."""
    text = shlex.quote(units(SYSTEMD)[SERVICE])
    host.check_output(f"printf %s {text} > {FILE} && systemctl daemon-reload && systemctl start {SERVICE}")


@pytest.mark.usefixtures("whole_sandbox")
def test_a_service_that_can_not_start_is_critical_at_once_and_the_role_mends_it(host, tmp_path, ada, alerts):
    code, found = status(host)
    assert code == 2
    assert f"systemd could not start {SERVICE} (exit code 226, " in str(found["problems"])
    login = ada.command()
    done = deploy(host, tmp_path, url(SECRET))
    assert changed(done) > 0
    assert REFUSED in " ".join(done.stdout.split())
    assert len(alerts(login)) == 1
    assert status(host)[0] == 0
    assert changed(deploy(host, tmp_path, url(SECRET))) == 0
