# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.deploy goes host by host, proves each by a real login, and stops at the first that can't be proven."""

from __future__ import annotations

import pytest
from operating import CLEAN, CONFIGURATION, KEY, SCENARIO, STRANGERS
from shared.containers import address

PAM = "/etc/pam.d/sshd"
PROGRAM = "/usr/local/bin/ssh-login-notify"
FOOTPRINT = "sh /root/footprint.sh"


def deployed(server) -> bool:
    return server.file(PROGRAM).exists


@pytest.fixture(autouse=True)
def _bare(play, servers):
    """Each test begins, and the last one ends, with servers on which nobody has deployed."""
    yield
    run = play("remove", CLEAN)
    assert run.status == 0, run.output
    assert not any(deployed(server) for server in servers.values())


def test_each_host_proves_a_real_login_before_the_next_batch_begins(play, servers, receiver):
    mark = receiver.last()
    run = play("deploy")
    assert run.status == 0, run.output
    assert all(deployed(server) for server in servers.values())
    receiver.settle()
    messages = receiver.messages(after=mark)
    order = [
        (message.fields["Server"], "test" if "Test alert" in message.text else message.fields["User"])
        for message in messages
    ]
    for name in servers:
        assert (name, "test") in order
        assert order.index((name, "deploy")) > order.index((name, "test")), "when all is installed, Ansible logs in"
    last = max(place for place, entry in enumerate(order) if entry[0] == "debian12")
    assert last < order.index(("debian13", "test")), "the first host has proven itself before the next is touched"
    waits = run.output.count("TASK [Wait for the alert of this login]")
    assert waits == len(servers), "one at a time: a tenth of three is one"


def test_a_second_run_changes_nothing(play, servers):
    assert play("deploy").status == 0
    run = play("deploy")
    assert run.status == 0, run.output
    assert [run.recap(name)["changed"] for name in servers] == [0, 0, 0]


def test_check_mode_changes_nothing_and_logs_nobody_in(play, servers, receiver):
    mark = receiver.last()
    run = play("deploy", ("--check",))
    assert run.status == 0, run.output
    assert not any(deployed(server) for server in servers.values())
    receiver.settle()
    assert receiver.attempts(after=mark) == []


def test_the_roll_out_stops_at_a_host_whose_login_is_not_told(play, servers):
    """There everything is installed and a PAM session's alert arrives, but those of real logins do not."""
    before = servers["debian13"].check_output(FOOTPRINT)
    pam = servers["debian13"].check_output("stat -c '%%a %%u %%g %%i' %s; sha256sum %s", PAM, PAM)
    silent = {"ssh_login_notify_ignore": [{"user": "deploy"}]}
    run = play("deploy", ("-e", "prove_login_seconds=3"), debian13=silent)
    assert run.status != 0
    assert run.recap("debian12")["failed"] == 0
    assert run.recap("debian13")["failed"] == 1
    assert run.recap("debian12-plain") == {}
    assert deployed(servers["debian12"])
    assert not deployed(servers["debian12-plain"])
    after = servers["debian13"].check_output("stat -c '%%a %%u %%g %%i' %s; sha256sum %s", PAM, PAM)
    assert after.split()[:3] + after.split()[4:] == pam.split()[:3] + pam.split()[4:]
    assert servers["debian13"].check_output(FOOTPRINT) == before, "nothing of it is left"
    assert servers["debian13"].run("ls /root/ssh-login-notify-kept.*").rc != 0
    assert "its alert was not delivered" in run.output
    assert "Hosts that were not reached yet: debian12-plain." in run.output


def test_a_host_that_is_refused_is_left_alone_and_named(play, servers):
    """`UsePAM no`: no PAM session, no alert."""
    server = servers["debian12"]
    server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config")
    server.check_output("sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config")
    try:
        before = server.check_output(FOOTPRINT)
        run = play("deploy")
        assert server.check_output(FOOTPRINT) == before
    finally:
        server.check_output("cp -a /root/sshd_config /etc/ssh/sshd_config")
    assert run.status != 0
    assert "UsePAM" in run.output
    assert "Nothing was changed" in run.output
    assert "removed from" not in run.output
    assert not any(deployed(server) for server in servers.values())
    assert run.recap("debian13") == {}
    assert "Hosts that were not reached yet: debian13, debian12-plain." in run.output


def test_an_upgrade_that_fails_puts_the_pam_file_and_the_configuration_back_byte_for_byte(play, servers):
    assert play("deploy").status == 0
    server = servers["debian12"]
    # As an administrator may have left it: without our line, which the role mends, and with bytes that are no UTF-8.
    server.check_output(f"sed -i '/ssh-login-notify/d' {PAM} && printf '# caf\\351\\n' >> {PAM}")
    look = f"sha256sum {PAM} {CONFIGURATION}; stat -c '%a %u %g' {PAM} {CONFIGURATION}"
    before = server.check_output(look)
    silent = {"ssh_login_notify_ignore": [{"user": "deploy"}]}
    run = play("deploy", ("-e", "prove_login_seconds=3"), debian12=silent)
    assert run.status != 0
    assert server.check_output(look) == before
    assert deployed(server), "it was there before"
    assert "The PAM files and the configuration of debian12 are those from before" in run.output


def test_a_host_behind_a_bastion_is_proven_by_the_way_that_ansible_takes(play, servers, receiver):
    mark = receiver.last()
    bastion = address(f"debian12-{SCENARIO}")
    jump = f"ssh -i {KEY} {STRANGERS} -W %h:%p deploy@{bastion}"
    behind = {"ansible_ssh_common_args": f"-o ProxyCommand='{jump}'"}
    run = play("deploy", ("-e", "target=debian13"), debian13=behind)
    assert run.status == 0, run.output
    receiver.settle()
    told = [message.fields for message in receiver.messages(after=mark) if message.fields.get("User") == "deploy"]
    assert {fields["Server"] for fields in told} == {"debian13"}
    assert {fields["From"].split()[0] for fields in told} == {bastion}, "the bastion's address, not ours"
