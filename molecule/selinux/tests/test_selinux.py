# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On a server that reports SELinux, everything that sshd writes has its label, and the policy allows the rest.

The role, semanage, matchpathcon, the policy and the labels in the file system are real. Only the report of SELinux is
not: the kernel has none, and enforces nothing.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.lab.deploy import PROJECT, SECRET, deploy, play, url
from tests.lab.footprint import changes
from tests.lab.watch import nobody_looks_by_the_clock

testinfra_hosts = ["ansible://servers"]

WEBHOOK = url(SECRET)
SPOOL = "/var/spool/ssh-login-notify"
OVERFLOW = "/run/ssh-login-notify"
HOUR = "/run/systemd/system/ssh-login-notify.timer.d"
LABEL = "system_u:object_r:var_auth_t:s0"
LOCAL = "/etc/selinux/default/contexts/files/file_contexts.local"


def labels(host, which: str = "") -> dict[str, str]:
    """Return the labels of all files by path. `which` restricts them, as an expression of find(1)."""
    lines = host.check_output(f"find {SPOOL} {OVERFLOW} {which} -exec stat -c '%n %C' {{}} +").splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def inherit(host) -> None:
    """Give new files the label of their directory, as a kernel with SELinux does when they are created."""
    for directory in (SPOOL, OVERFLOW):
        below = f"find {directory} -mindepth 1 -exec chcon --no-dereference --reference {directory} {{}} +"
        host.check_output(f"test ! -d {directory} || {below}")


def until_the_sender_rests(host) -> None:
    """Wait up to 30 s until the sender is idle. What it wrote after inherit() would have no label."""
    waiting = " ".join(f"{SPOOL}/{name}" for name in ("incoming", "outgoing", "state/wake"))
    for _ in range(60):
        work = host.run(f"find {waiting} -type f").stdout
        state = host.check_output("systemctl show -p ActiveState ssh-login-notify.service")
        if not work and state == "ActiveState=inactive":
            return
        time.sleep(0.5)
    pytest.fail(f"the sender does not become idle: {state} {work}")


@pytest.fixture
def only_called(host):
    """During the module, only logins start the sender: its timer stays active, but never elapses.

    The watch against tampering does not run either, because the state that it writes would have no label here.
    """
    never = r"[Timer]\nOnCalendar=\nOnCalendar=2100-01-01\n"
    host.check_output(f"mkdir -p {HOUR} && printf '{never}' > {HOUR}/hour.conf && systemctl daemon-reload")
    with nobody_looks_by_the_clock(host.check_output):
        until_the_sender_rests(host)
        yield
    host.check_output(f"rm -r {HOUR} && systemctl daemon-reload")


def count(output: str) -> int:
    return int(re.findall(r"changed=(\d+)", output)[-1])


def run(host, directory: Path, **settings) -> str:
    done = deploy(host, directory, WEBHOOK, **settings)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_all_that_sshd_writes_to_is_labelled(host):
    names = ("incoming", "outgoing", "failed", "state", "open", "ballast", "mutes", "channels", "ledger")
    below = [f"{SPOOL}/{name}" for name in names]
    assert labels(host, "-type d") == dict.fromkeys([SPOOL, *below, OVERFLOW], LABEL)


def test_the_rules_stay_after_a_relabelling_of_everything(host):
    rules = re.findall(r"^(/\S+)\s+(\S+)$", host.check_output(f"cat {LOCAL}"), re.M)
    assert sorted(rules) == [(f"{path}(/.*)?", LABEL) for path in (OVERFLOW, SPOOL)]
    for path in (SPOOL, f"{SPOOL}/incoming/1763884862.123456-4242", OVERFLOW, f"{OVERFLOW}/1763884862.123456-4242"):
        assert host.check_output(f"matchpathcon -n {path}") == LABEL


def test_systemd_makes_the_directory_in_run_when_the_server_starts(host):
    host.check_output(f"rmdir {OVERFLOW} && systemd-tmpfiles --create ssh-login-notify.conf")
    directory = host.file(OVERFLOW)
    assert (directory.user, directory.group, directory.mode) == ("root", "root", 0o700)
    # If the kernel has SELinux, systemd sets the labels of new files by the policy. Here it does not.
    host.check_output(f"chcon $(matchpathcon -n {OVERFLOW}) {OVERFLOW}")


def test_a_login_is_reported(ada, alerts):
    login = ada.command()
    assert [message.fields["User"] for message in alerts(login)] == ["deploy"]


@pytest.mark.usefixtures("only_called")
def test_the_verification_of_a_fleet_finds_a_wrong_label(host, tmp_path):
    inherit(host)
    well = play("loginwatch.pam.verify", host, tmp_path, WEBHOOK)
    assert well.returncode == 0, well.stdout
    until_the_sender_rests(host)
    inherit(host)
    host.check_output(f"chcon -t var_spool_t {SPOOL}/incoming")
    done = play("loginwatch.pam.verify", host, tmp_path, WEBHOOK)
    host.check_output(f"chcon -t var_auth_t {SPOOL}/incoming")
    assert done.returncode != 0
    assert "not everything has the SELinux type var_auth_t that lets sshd write there" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("fault", "mend", "told"),
    [
        (
            f"chcon -R {LABEL.replace('var_auth_t', 'var_spool_t')} {SPOOL}",
            f"restorecon -R {SPOOL}",
            f"{SPOOL} has the SELinux type var_spool_t, but sshd can only write to var_auth_t",
        ),
        (f"rmdir {OVERFLOW}", f"mkdir -m 700 {OVERFLOW}; restorecon -R {OVERFLOW}", f"{OVERFLOW} is missing"),
        (
            "mv /etc/tmpfiles.d/ssh-login-notify.conf /root/",
            "mv /root/ssh-login-notify.conf /etc/tmpfiles.d/",
            "files differ from what the role installed (/etc/tmpfiles.d/ssh-login-notify.conf",
        ),
    ],
)
@pytest.mark.usefixtures("only_called")
def test_status_compares_the_labels_with_what_is_needed(host, fault, mend, told):
    """It runs unconfined, and can write where sshd can't."""
    assert host.run("ssh-login-notify status").rc == 0
    host.check_output(fault)
    found = host.run("ssh-login-notify status")
    host.check_output(mend)
    assert found.rc == 2
    assert told in found.stdout
    assert host.run("ssh-login-notify status").rc == 0


@pytest.mark.usefixtures("only_called")
def test_a_wrong_label_is_found_and_mended(host, tmp_path):
    host.check_output(f"chcon -t var_spool_t {SPOOL}/incoming && rmdir {OVERFLOW}")
    output = run(host, tmp_path, send_test_alert=False)
    assert count(output) == 2, "the directory was created, and the labels were set"
    assert set(labels(host).values()) == {LABEL}
    until_the_sender_rests(host)
    inherit(host)
    again = run(host, tmp_path, send_test_alert=False)
    assert count(again) == 0
    task = re.compile(r"^TASK \[.*Let sshd write to the spool under SELinux\]", re.M)
    assert task.search(output)
    assert not task.search(again), "the task is not even reached"


def test_missing_tools_are_told_with_their_packages_before_anything_changes(host, tmp_path):
    tools = {"/usr/sbin/semanage": "policycoreutils-python-utils", "/usr/sbin/matchpathcon": "selinux-utils"}
    host.check_output("rm /usr/local/bin/ssh-login-notify")
    try:
        for tool, package in tools.items():
            host.check_output(f"mv {tool} {tool}.away")
            refused = deploy(host, tmp_path, WEBHOOK)
            host.check_output(f"mv {tool}.away {tool}")
            assert refused.returncode != 0
            said = " ".join((refused.stdout + refused.stderr).split())
            told = re.search(r"Nothing was changed\. SELinux is on, [^:]*: ([^.]*)\. Install them\.", said)
            assert told
            assert [name for name in tools.values() if name in told[1]] == [package]
            assert not host.file("/usr/local/bin/ssh-login-notify").exists
    finally:
        run(host, tmp_path)


# The queries that docs/selinux.md shows. The policy is Debian 12's here.
QUERIES = re.findall(
    r"^    (?P<command>sesearch .*?)(?:  # (?P<answer>none))?$", (PROJECT / "docs" / "selinux.md").read_text(), re.M
)


def test_the_documentation_has_queries():
    answers = [answer for _command, answer in QUERIES]
    assert answers.count("") > 8
    assert answers.count("none") > 2


@pytest.mark.parametrize(("command", "answer"), QUERIES)
def test_the_documented_query_has_the_documented_answer(host, command, answer):
    policy = "/etc/selinux/default/policy/policy.*"
    found = host.check_output(f"set -- {policy}; {command} $1")
    assert bool(found.strip()) == (answer == ""), f"{command}\n{found}"


def test_removed_means_no_rule_no_label_and_no_file(host, tmp_path):
    """This test runs last. After it the server is as it was before anybody deployed the notifier."""
    run(host, tmp_path, state="absent")
    assert "ssh-login-notify" not in host.check_output(f"cat {LOCAL}")
    assert host.check_output(f"matchpathcon -n {SPOOL}") == "system_u:object_r:var_spool_t:s0"
    assert not host.file(OVERFLOW).exists
    assert changes(host) == []
    assert count(run(host, tmp_path, state="absent")) == 0
