# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.deploy goes host by host, proves each by a real login, and stops at the first that can't be proven."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.lab.containers import address
from tests.lab.operating import (
    AT_ONCE,
    CONFIGURATION,
    DEAD,
    ENVIRONMENT,
    KEY,
    NOBODY,
    PROGRAM,
    SCENARIO,
    STRANGERS,
    Run,
    make_bare,
)
from tests.lab.receiver.client import Message

PAM = "/etc/pam.d/sshd"
FOOTPRINT = "sh /root/footprint.sh"
# There everything is installed and a PAM session's alert arrives, but a real login has no alert.
SILENT: dict[str, object] = {"ssh_login_notify_ignore": [{"user": "deploy", "weight": "first"}]}
IGNORED = "Rule 1 of ssh_login_notify_ignore matches the login from"
# There no alert arrives at all.
DEAF: dict[str, object] = {"ssh_login_notify_webhook_url": DEAD, "ssh_login_notify_send_test_alert": False}


def deployed(server) -> bool:
    return server.file(PROGRAM).exists


@pytest.fixture(autouse=True)
def _bare(servers):
    """Each test begins, and the last one ends, with servers on which nobody has deployed."""
    yield
    make_bare(servers.values())


def test_check_mode_changes_nothing_and_logs_nobody_in(play, servers, receiver):
    mark = receiver.last()
    run = play("deploy", ("--check", *AT_ONCE))
    assert run.status == 0, run.output
    assert not any(deployed(server) for server in servers.values())
    assert "TASK [Log in again]" not in run.output
    receiver.settle()
    assert receiver.attempts(after=mark) == []


def test_a_name_that_sshd_has_looked_up_does_not_hide_the_login(play, servers):
    """With `UseDNS yes` the alert says it behind the address."""
    server = servers["debian12"]
    ours = server.check_output("ip route show default").split()[2]
    server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config && echo UseDNS yes >> /etc/ssh/sshd_config")
    # Docker has it mounted, so it is written in its place.
    server.check_output("cat /etc/hosts > /root/hosts && echo %s controller.example.net >> /etc/hosts", ours)
    server.check_output("systemctl restart ssh")
    try:
        run = play("deploy", ("-e", "target=debian12"))
        assert run.status == 0, run.output
        status = json.loads(server.check_output(f"{PROGRAM} status --json"))
        assert f"{ours} port" in status["last_delivery"]["from"]
        assert status["last_delivery"]["from"].endswith("(controller.example.net)")
    finally:
        server.check_output("cp -a /root/sshd_config /etc/ssh/sshd_config && cat /root/hosts > /etc/hosts")
        server.check_output("systemctl restart ssh")


def test_all_hosts_of_a_batch_have_the_same_time(play):
    """With one fork, they are looked at one after the other; the second does not wait as long again."""
    deaf = dict.fromkeys(("debian12", "debian13", "debian12_plain"), DEAF)
    run = play("deploy", ("-e", "prove_login_seconds=5", "--forks=1", *AT_ONCE), **deaf)
    assert run.status != 0
    assert "its alert was not delivered" in run.output
    retries = [run.output.count(f"FAILED - RETRYING: [{name}]") for name in ("debian12", "debian13", "debian12-plain")]
    assert retries[0] > 0
    assert retries[1:] == [0, 0]


# A variable that is omitted in the inventory has its default.
OMITTED = {
    f"ssh_login_notify_{name}": "{{ nowhere | default(omit) }}"
    for name in (
        "host_label", "pam_services", "people", "offline", "heartbeat_time", "adopt_commands", "accept", "state",
    )
}  # fmt: skip


def test_where_hosts_are_not_reached_by_ssh_a_pam_session_is_the_proof(play, servers, receiver):
    """Also where no test alert is wanted, since logins are proven."""
    mark = receiver.last()
    by_docker = {"ansible_connection": "community.docker.docker", "ansible_host": f"debian12-{SCENARIO}"}
    extra = ("-e", "target=debian12", "-e", "ssh_login_notify_send_test_alert=false")
    run = play("deploy", extra, debian12={**by_docker, **OMITTED})
    assert run.status == 0, run.output
    receiver.settle()
    assert ["Test alert" in message.text for message in receiver.messages(after=mark)] == [True]
    found = json.loads(servers["debian12"].check_output(f"cat {CONFIGURATION}"))
    assert (found["host_label"], found["pam_services"], found["people"]) == ("", ["sshd"], {})


def test_the_roll_out_stops_at_a_host_whose_login_is_not_told(play, servers):
    before = servers["debian13"].check_output(FOOTPRINT)
    pam = servers["debian13"].check_output("stat -c '%%a %%u %%g %%i' %s; sha256sum %s", PAM, PAM)
    run = play("deploy", ("-e", "prove_login_seconds=3"), debian13=SILENT)
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
    told = " ".join(run.output.split())
    assert IGNORED in told
    assert "Hosts that were not reached yet: debian12-plain." in told


# As a site's ansible.cfg may have it.
ELSEWHERE = {"ANSIBLE_STRATEGY": "free", "ANSIBLE_ANY_ERRORS_FATAL": "true"}


@pytest.mark.parametrize(
    ("lost", "settings"),
    [(SILENT, {}), (NOBODY, {}), (SILENT, ELSEWHERE)],
    ids=["failed", "unreachable", "failed, with the site's ansible.cfg"],
)
def test_a_batch_that_loses_a_host_is_the_last(play, servers, lost, settings, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    # The lost host ends its wait by itself. The other one may need its time on a busy machine.
    run = play("deploy", ("-e", "prove_login_seconds=60", "-e", '{"deploy_batches": [2, 1]}'), debian13=lost)
    assert run.status != 0
    assert deployed(servers["debian12"]), "it was of the same batch, and is well"
    assert run.recap("debian12")["failed"] == 0
    assert not deployed(servers["debian13"])
    assert run.recap("debian12-plain") == {}
    assert not deployed(servers["debian12-plain"])
    assert "Hosts that were not reached yet: debian12-plain." in " ".join(run.output.split())


def test_a_host_that_was_lost_before_the_roll_out_does_not_stop_it(play, servers, tmp_path):
    """In a site's own playbook, where deploy is one part of many."""
    site = tmp_path / "site.yml"
    failure = {"ansible.builtin.fail": {"msg": "something else"}, "when": "inventory_hostname == 'debian13'"}
    earlier = {"hosts": "all", "gather_facts": False, "tasks": [failure]}
    site.write_text(json.dumps([earlier, {"ansible.builtin.import_playbook": "loginwatch.pam.deploy"}]))
    run = play(str(site), ("-e", '{"deploy_batches": [1, 1, 1]}'))
    assert run.status != 0
    assert {name: deployed(server) for name, server in servers.items()} == {
        "debian12": True, "debian13": False, "debian12-plain": True
    }  # fmt: skip


def test_a_login_that_does_not_say_which_it_is_proves_nothing(play, servers):
    """Not even by an extra variable is the proof skipped in silence."""
    run = play("deploy", ("-e", "ansible_become=true", "-e", "target=debian12"))
    assert run.status != 0
    assert "set ansible_become in the inventory, not by -e" in " ".join(run.output.split())
    assert not deployed(servers["debian12"])


def test_wrong_settings_stop_the_roll_out_before_a_host_is_touched(play, servers):
    wrong: dict[str, object] = {"ssh_login_notify_host_lable": "x"}
    run = play("deploy", ("-e", '{"deploy_batches": [2, 1]}'), debian13=wrong)
    assert run.status != 0
    told = " ".join(run.output.split())
    assert "Nothing was changed. ssh_login_notify_host_lable is not a variable of this role" in told
    assert [deployed(server) for server in servers.values()] == [True, False, False]
    assert "Hosts that were not reached yet: debian12-plain." in told


def test_each_host_that_nothing_was_begun_on_is_told_in_its_own_words(play, servers):
    """One has no room for whole copies to put back, the PAM file of one is no file, and on one Ansible is not root.

    The last as an inventory may have it, which counts for more than the playbook's own word. Nothing is told as "One or
    more items failed", and not as if something had been installed.
    """
    full, linked = servers["debian12"], servers["debian13"]
    full.check_output("mount -t tmpfs -o size=4k tmpfs /root/ && head -c 4096 /dev/zero > /root/full")
    linked.check_output(f"mv {PAM} /root/sshd.pam && ln -s /root/sshd.pam {PAM}")
    try:
        run = play("deploy", AT_ONCE, debian12_plain={"ansible_become": False})
    finally:
        full.check_output("umount /root/")
        linked.check_output(f"mv /root/sshd.pam {PAM}")
    assert run.status != 0
    assert not any(deployed(server) for server in servers.values())
    told = " ".join(run.output.split())
    assert f"{PAM} could not be copied to /root/ssh-login-notify-kept." in told
    assert f"Nothing was changed. {PAM} was left unchanged: " in told
    assert "symbolic link" in told
    assert "Ansible is not root: set become: true, and check ansible_become" in told
    for name in ("debian12", "debian12-plain"):
        assert f"Nothing was changed on {name}." in told
    assert "One or more items failed" not in told
    assert "removed from" not in told


def test_a_host_that_is_refused_is_left_alone_and_named(play, servers):
    """`UsePAM no`: no PAM session, no alert."""
    server = servers["debian12"]
    server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config")
    server.check_output("sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config")
    # Nor is a module needed for what is done there, so that a host whose Python runs none is left alone, too.
    no_module = {"ansible_python_interpreter": "/bin/false"}
    try:
        before = server.check_output(FOOTPRINT)
        run = play("deploy", debian12=no_module)
        assert server.check_output(FOOTPRINT) == before
        assert server.run("ls /root/ssh-login-notify-kept.*").rc != 0
    finally:
        server.check_output("cp -a /root/sshd_config /etc/ssh/sshd_config")
    assert run.status != 0
    assert "UsePAM" in run.output
    assert "Nothing was changed" in run.output
    assert "removed from" not in run.output
    assert not any(deployed(server) for server in servers.values())
    assert run.recap("debian13") == {}
    assert "Hosts that were not reached yet: debian13, debian12-plain." in run.output


class TestWhereItIsAtWork:
    """On a fleet that was deployed to before."""

    @pytest.fixture(autouse=True, scope="class")
    def rolled_out(self, play, servers, receiver) -> Iterator[tuple[Run, list[Message]]]:
        """The first run, and what came of it in the channel."""
        mark = receiver.last()
        # As many inventories have it; then sudo would take away what the login is known by.
        run = play("deploy", debian13={"ansible_become": True, "ansible_python_interpreter": "auto"})
        assert run.status == 0, run.output
        receiver.settle()
        yield run, receiver.messages(after=mark)
        make_bare(servers.values())

    @pytest.fixture(autouse=True, scope="class")
    def _bare(self) -> None:
        """Each test finds what the one before has left."""

    def test_each_host_proves_a_real_login_before_the_next_batch_begins(self, rolled_out, servers):
        run, messages = rolled_out
        assert all(deployed(server) for server in servers.values())
        order = [
            (message.fields["Server"], "test" if "Test alert" in message.text else message.fields["User"])
            for message in messages
        ]
        for name in servers:
            assert (name, "test") in order
            assert order.index((name, "deploy")) > order.index((name, "test")), "when all is installed, Ansible logs in"
        last = max(place for place, entry in enumerate(order) if entry[0] == "debian12")
        assert last < order.index(("debian13", "test")), "the first host has proven itself before the next is touched"
        waits = run.results_of("Wait for the alert of this login")
        assert len(waits) == len(servers), "one at a time: a tenth of three is one"
        assert ["ok: [" in wait for wait in waits] == [True] * len(servers)

    def test_a_second_run_changes_nothing(self, play, servers):
        run = play("deploy", AT_ONCE)
        assert run.status == 0, run.output
        assert [run.recap(name)["changed"] for name in servers] == [0, 0, 0]

    def test_an_upgrade_that_fails_puts_the_pam_file_and_the_configuration_back_byte_for_byte(self, play, servers):
        server = servers["debian12"]
        # As an administrator may have left it: without our line, which the role adds, and with bytes that are no UTF-8.
        server.check_output(f"cp -a {PAM} /root/sshd.pam")
        server.check_output(f"sed -i '/ssh-login-notify/d' {PAM} && printf '# caf\\351\\n' >> {PAM}")
        look = f"sha256sum {PAM} {CONFIGURATION}; stat -c '%a %u %g' {PAM} {CONFIGURATION}"
        before = server.check_output(look)
        try:
            run = play("deploy", ("-e", "prove_login_seconds=3"), debian12=SILENT)
            assert server.check_output(look) == before
        finally:
            server.check_output(f"mv /root/sshd.pam {PAM}")
        assert run.status != 0
        assert deployed(server), "it was there before"
        assert "The PAM files and the configuration of debian12 were restored" in run.output

    def test_copies_that_could_not_be_put_back_stay_and_are_named(self, play, servers):
        server = servers["debian12"]
        before = server.check_output(f"cat {CONFIGURATION}")
        in_the_way = "/usr/local/etc/.ssh-notify.conf.ssh-login-notify"
        server.check_output(f"mkdir {in_the_way}")
        try:
            run = play("deploy", ("-e", "prove_login_seconds=3", "-e", "target=debian12"), debian12=SILENT)
        finally:
            server.check_output(f"rm -r {in_the_way}")
        assert run.status != 0
        told = " ".join(run.output.split())
        assert IGNORED in told
        left = r"debian12 could not be restored \((mv: .+?)\)\. Copies of its PAM files and its configuration"
        found = re.search(left + r" are in (\S+)\.", told)
        assert found
        assert "cannot overwrite" in found[1]
        assert server.check_output(f"cat {found[2]}/ssh-notify.conf") == before
        server.check_output(f"rm -r {found[2]}")


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
