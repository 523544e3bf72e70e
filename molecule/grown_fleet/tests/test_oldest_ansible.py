# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook with the oldest Ansible that the collection supports (meta/runtime.yml); `./dev test` installs it."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from tests.lab.deploy import PROJECT
from tests.lab.operating import AT_ONCE, CLEAN, DEAD, NAMES, NOBODY, Operator

PROGRAM = PROJECT / ".dev" / "oldest-ansible" / "bin" / "ansible-playbook"
FOOTPRINT = "sh /root/footprint.sh"
NEW = "https://receiver:8443/services/T00000000/B00000004/not-a-real-secret"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="`./dev test` installs it, where a Python for it is there")


@pytest.fixture(scope="module")
def oldest(tmp_path_factory) -> Operator:
    """An operator with that Ansible."""
    return Operator(tmp_path_factory.mktemp("oldest"), program=PROGRAM)


def footprints(servers) -> dict[str, str]:
    return {name: server.check_output(FOOTPRINT) for name, server in servers.items()}


@pytest.fixture(scope="module", autouse=True)
def _removed(oldest, servers):
    before = footprints(servers)
    yield
    run = oldest("remove", CLEAN)
    assert run.status == 0, run.output
    assert footprints(servers) == before


def test_it_is_the_oldest():
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    runtime = yaml.safe_load((PROJECT / "meta" / "runtime.yml").read_text())
    assert told.split()[2].startswith(runtime["requires_ansible"].removeprefix(">=").removesuffix(".0")), told


def test_check_mode(oldest, servers):
    before = footprints(servers)
    run = oldest("deploy", ("--check", *AT_ONCE))
    assert run.status == 0, run.output
    assert footprints(servers) == before
    assert "TASK [Log in again]" not in run.output


def test_deploy_proves_each_host(oldest):
    run = oldest("deploy", AT_ONCE)
    assert run.status == 0, run.output
    assert f"{len(NAMES)} of {len(NAMES)} hosts proven by a real login." in " ".join(run.output.split())


def test_a_second_roll_out_changes_nothing_and_a_host_that_is_lost_stops_it(oldest):
    run = oldest("deploy", ("-e", '{"deploy_batches": [2, 1]}'), debian13=NOBODY)
    assert run.status != 0
    assert (run.recap("debian12")["failed"], run.recap("debian12")["changed"]) == (0, 0)
    assert run.recap("debian12-plain") == {}
    assert "Hosts that were not reached yet: debian12-plain." in " ".join(run.output.split())


def test_verify(oldest, tmp_path):
    run = oldest("verify", ("-e", f"verify_report={tmp_path}"))
    assert run.status == 0, run.output
    hosts = json.loads((tmp_path / "report.json").read_text())["hosts"]
    found = {host["host"]: (host["state"], host["real_login"]) for host in hosts}
    assert found == dict.fromkeys(NAMES, ("ok", "delivered"))


def test_keys_says_that_the_key_of_the_deployment_was_used(oldest, tmp_path):
    """The notifier remembers it: the deployment has proven each host by a login."""
    run = oldest("keys", ("-e", f"keys_report={tmp_path}"))
    assert run.status == 0, run.output
    report = json.loads((tmp_path / "keys.json").read_text())
    (record,) = report["keys"]
    assert (record["use"], record["person"], record["kind"]) == ("used", "", "key")
    assert {(place["host"], place["user"], place["use"]) for place in record["opens"]} == {
        (name, "deploy", "used") for name in NAMES
    }
    # The memory begins when the first alert is delivered, shortly after its login.
    assert all(host["memory_since"] > 0 for host in report["hosts"])
    assert f'"{record["fingerprint"]}": "ada@laptop (by its comment)"' in (tmp_path / "people.yml").read_text()


def test_safety_valve(oldest):
    run = oldest("safety_valve", ("-e", "target=debian12"))
    assert run.status == 0, run.output


def test_a_webhook_that_delivers_nothing_reaches_no_host(oldest, webhooks, servers):
    before = webhooks()
    run = oldest("rotate_webhook", (*AT_ONCE, "-e", f"ssh_login_notify_webhook_url={DEAD}"))
    assert run.status != 0
    assert "The test alert was not delivered" in run.output
    assert "The canary debian12 could not deliver an alert to each channel" in " ".join(run.output.split())
    assert "TASK [Back up the PAM files and the configuration]" not in run.output, "the roll-out has begun"
    assert run.output.count("TASK [loginwatch.pam.ssh_login_notify : Send a test alert with this configuration]") == 1
    assert "changed: [debian13]" not in run.output, "only the canary was changed"
    assert servers["debian12"].run("ls /root/ssh-login-notify-candidate.*").rc != 0
    assert webhooks() == before


def test_rotate_webhook(oldest, webhooks):
    run = oldest("rotate_webhook", (*AT_ONCE, "-e", f"ssh_login_notify_webhook_url={NEW}"))
    assert run.status == 0, run.output
    assert webhooks() == {NEW}
