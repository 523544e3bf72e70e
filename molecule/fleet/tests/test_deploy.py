# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.deploy goes host by host, proves each by a real login, and stops at the first that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.containers import address
from tests.lab.operating import (
    AT_ONCE,
    CONFIGURATION,
    KEY,
    PROGRAM,
    SCENARIO,
    STRANGERS,
    Run,
    make_bare,
)
from tests.lab.receiver.client import Message

PAM = "/etc/pam.d/sshd"
FOOTPRINT = "sh /root/footprint.sh"
# With this, everything is installed and the alert of a PAM session arrives, but a real login has no alert.
SILENT: dict[str, object] = {"ssh_login_notify_ignore": [{"user": "deploy", "weight": "first"}]}
IGNORED = "Rule 1 of ssh_login_notify_ignore matches the login from"
OUR_NAME = "controller.example.net"


def our_address(server) -> str:
    """Return the address from which logins to a server come."""
    return server.check_output("ip route show default").split()[2]


@contextmanager
def names_are_looked_up(server) -> Iterator[None]:
    """During the block the server's sshd looks up clients' names, and ours has one (UseDNS, sshd_config(5))."""
    server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config && echo UseDNS yes >> /etc/ssh/sshd_config")
    # Docker has mounted this file, so it is overwritten and not replaced.
    server.check_output("cat /etc/hosts > /root/hosts && echo %s %s >> /etc/hosts", our_address(server), OUR_NAME)
    server.check_output("systemctl restart ssh")
    try:
        yield
    finally:
        server.check_output("cp -a /root/sshd_config /etc/ssh/sshd_config && cat /root/hosts > /etc/hosts")
        server.check_output("systemctl restart ssh")


def deployed(server) -> bool:
    return server.file(PROGRAM).exists


@pytest.fixture(autouse=True)
def _bare(servers):
    """Begin each test, and end the module, with servers on which nobody has deployed."""
    yield
    make_bare(servers.values())


def test_the_roll_out_stops_at_a_host_whose_login_is_not_told(play, servers):
    """Its batch is the last one, and the other host of that batch is healthy."""
    before = servers["debian13"].check_output(FOOTPRINT)
    pam = servers["debian13"].check_output("stat -c '%%a %%u %%g %%i' %s; sha256sum %s", PAM, PAM)
    # The wait on the lost host ends by itself. The other host can need its time on a busy machine.
    run = play("deploy", ("-e", "prove_login_seconds=60", "-e", '{"deploy_batches": [2, 1]}'), debian13=SILENT)
    assert run.status != 0
    assert run.recap("debian12")["failed"] == 0
    assert run.recap("debian13")["failed"] == 1
    assert run.recap("debian12-plain") == {}
    assert {name: deployed(server) for name, server in servers.items()} == {
        "debian12": True, "debian13": False, "debian12-plain": False
    }  # fmt: skip
    after = servers["debian13"].check_output("stat -c '%%a %%u %%g %%i' %s; sha256sum %s", PAM, PAM)
    assert after.split()[:3] + after.split()[4:] == pam.split()[:3] + pam.split()[4:]
    assert servers["debian13"].check_output(FOOTPRINT) == before, "nothing of it is left"
    assert servers["debian13"].run("ls /root/ssh-login-notify-kept.*").rc != 0
    told = " ".join(run.output.split())
    assert IGNORED in told
    assert "Hosts that were not reached yet: debian12-plain." in told


# A variable that is omitted in the inventory has its default.
OMITTED = {
    f"ssh_login_notify_{name}": "{{ nowhere | default(omit) }}"
    for name in (
        "host_label", "pam_services", "people", "offline", "heartbeat_time", "adopt_commands", "accept", "state",
    )
}  # fmt: skip


class TestInASitesOwnPlaybook:
    """deploy as one part of a larger playbook. One host fails before it, and one is not reached by SSH."""

    @pytest.fixture(autouse=True, scope="class")
    def played(self, play, servers, receiver, tmp_path_factory) -> Iterator[tuple[Run, list[Message]]]:
        """The run, and its messages in the channel."""
        site = tmp_path_factory.mktemp("site") / "site.yml"
        failure = {"ansible.builtin.fail": {"msg": "something else"}, "when": "inventory_hostname == 'debian13'"}
        earlier = {"hosts": "all", "gather_facts": False, "tasks": [failure]}
        site.write_text(json.dumps([earlier, {"ansible.builtin.import_playbook": "loginwatch.pam.deploy"}]))
        by_docker = {"ansible_connection": "community.docker.docker", "ansible_host": f"debian12-{SCENARIO}"}
        # Logins are proven, so no test alert is wanted.
        quiet = {"ssh_login_notify_send_test_alert": False}
        mark = receiver.last()
        run = play(str(site), ("-e", '{"deploy_batches": [1, 1, 1]}'), debian12={**by_docker, **OMITTED, **quiet})
        receiver.settle()
        yield run, receiver.messages(after=mark)
        make_bare(servers.values())

    @pytest.fixture(autouse=True, scope="class")
    def _bare(self) -> None:
        """Both tests check the result of the same run."""

    def test_a_host_that_was_lost_before_the_roll_out_does_not_stop_it(self, played, servers):
        run, _messages = played
        assert run.status != 0
        assert {name: deployed(server) for name, server in servers.items()} == {
            "debian12": True, "debian13": False, "debian12-plain": True
        }  # fmt: skip

    def test_where_a_host_is_not_reached_by_ssh_a_pam_session_is_the_proof(self, played, servers):
        """This holds if no test alert is wanted, too."""
        run, messages = played
        assert run.recap("debian12")["failed"] == 0, run.output
        told = [message for message in messages if message.fields["Server"] == "debian12"]
        assert ["Test alert" in message.text for message in told] == [True]
        found = json.loads(servers["debian12"].check_output(f"cat {CONFIGURATION}"))
        assert (found["host_label"], found["pam_services"], found["people"]) == ("", ["sshd"], {})


def test_each_host_that_nothing_was_begun_on_is_told_in_its_own_words(play, servers):
    """One has no room for backups, on one the PAM file is not a file, and on one Ansible is not root.

        An inventory can set the last, and takes precedence over the playbook. The error is not "One or more items
        failed", and does not suggest that something was installed.
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


class TestWhereItIsAtWork:
    """A fleet that was deployed to before."""

    @pytest.fixture(autouse=True, scope="class")
    def rolled_out(self, play, servers, receiver) -> Iterator[tuple[Run, list[Message], str]]:
        """The first run, its messages, and the source of debian12's last login according to debian12."""
        mark = receiver.last()
        with names_are_looked_up(servers["debian12"]):
            # As in many inventories. sudo then removes the variable that identifies the login.
            run = play("deploy", debian13={"ansible_become": True, "ansible_python_interpreter": "auto"})
            assert run.status == 0, run.output
            status = json.loads(servers["debian12"].check_output(f"{PROGRAM} status --json"))
        receiver.settle()
        yield run, receiver.messages(after=mark), status["last_delivery"]["from"]
        make_bare(servers.values())

    @pytest.fixture(autouse=True, scope="class")
    def _bare(self) -> None:
        """Each test continues with the state that the one before has left."""

    def test_each_host_proves_a_real_login_before_the_next_batch_begins(self, rolled_out, servers):
        run, messages, _source = rolled_out
        assert all(deployed(server) for server in servers.values())
        order = [
            (message.fields["Server"], "test" if "Test alert" in message.text else message.fields["User"])
            for message in messages
        ]
        for name in servers:
            assert (name, "test") in order
            assert order.index((name, "deploy")) > order.index((name, "test")), "Ansible logs in after the installation"
        last = max(place for place, entry in enumerate(order) if entry[0] == "debian12")
        assert last < order.index(("debian13", "test")), "the first host is proven before the next one is changed"
        waits = run.results_of("Wait for the alert of this login")
        assert len(waits) == len(servers), "one at a time: a tenth of three is one"
        assert ["ok: [" in wait for wait in waits] == [True] * len(servers)

    def test_a_name_that_sshd_has_looked_up_does_not_hide_the_login(self, rolled_out, servers):
        """With `UseDNS yes` the alert shows it after the address."""
        _run, _messages, source = rolled_out
        assert source.startswith(f"{our_address(servers['debian12'])} port")
        assert source.endswith(f"({OUR_NAME})")

    def test_a_second_run_changes_nothing_and_a_bastion_is_the_way_of_the_login_that_is_proven(
        self, play, servers, receiver
    ):
        mark = receiver.last()
        bastion = address(f"debian12-{SCENARIO}")
        jump = f"ssh -i {KEY} {STRANGERS} -W %h:%p deploy@{bastion}"
        run = play("deploy", AT_ONCE, debian13={"ansible_ssh_common_args": f"-o ProxyCommand='{jump}'"})
        assert run.status == 0, run.output
        assert [run.recap(name)["changed"] for name in servers] == [0, 0, 0], run.output
        receiver.settle()
        told = [message.fields for message in receiver.messages(after=mark)]
        sources = [fields["From"].split()[0] for fields in told if fields["Server"] == "debian13"]
        assert set(sources) == {bastion}, "the bastion's address, not ours"

    def test_an_upgrade_that_fails_puts_the_pam_file_and_the_configuration_back_byte_for_byte(self, play, servers):
        server = servers["debian12"]
        # As an administrator can have left it: without our line, which the role adds, and with invalid UTF-8.
        server.check_output(f"cp -a {PAM} /root/sshd.pam")
        server.check_output(f"sed -i '/ssh-login-notify/d' {PAM} && printf '# caf\\351\\n' >> {PAM}")
        look = f"sha256sum {PAM} {CONFIGURATION}; stat -c '%a %u %g' {PAM} {CONFIGURATION}"
        before = server.check_output(look)
        try:
            run = play("deploy", ("-e", "prove_login_seconds=3", "-e", "target=debian12"), debian12=SILENT)
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
