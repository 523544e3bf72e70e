# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only automation is muted: real logins, the real module over SSH, and real failures before a login."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from tests.lab.containers import address
from tests.lab.operating import KEY, PROGRAM, SCENARIO, STRANGERS, wait_for
from tests.lab.people import FORGET_FAILURES

pytestmark = pytest.mark.usefixtures("deployed")

# Each task logs in again, as if its control connection had just ended.
EACH_ANEW = {"ansible_ssh_args": f"-o ControlMaster=no -o ControlPath=none {STRANGERS}"}
SPOOL = "/var/spool/ssh-login-notify"
# Lets the window end a minute ago.
AGE = f"""
import json, os, time
for name in os.listdir("{SPOOL}/mutes"):
    path = "{SPOOL}/mutes/" + name
    window = json.load(open(path))
    assert not window["pauses"] or window["pauses"][-1][1], window
    window["until"] = min(window["until"], time.time() - 60)
    open(path, "w").write(json.dumps(window))
"""
ATTEMPTS = "import sys; sys.path.insert(0, '/usr/local/lib/ssh-login-notify'); import time\n" + (
    "from ssh_login_notify import failures; print(failures.Log().before(sys.argv[1], time.time()))"
)


@pytest.fixture(autouse=True)
def _nobody_has_failed(servers):
    """Remove the failures: other tests try rejected keys from the same address, and then no login is muted."""
    for name, server in servers.items():
        if not name.endswith("-plain"):
            server.check_output(FORGET_FAILURES)


def run(*words, check=True):
    return subprocess.run(words, check=check, timeout=60).returncode  # noqa: S603


def log_in(name, key=KEY, user="deploy"):
    words = ["ssh", *shlex.split(STRANGERS), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key)]
    return run(*words, f"{user}@{address(f'{name}-{SCENARIO}')}", "true", check=False)


def told(receiver, mark, server):
    receiver.settle()
    return [found for found in receiver.messages(after=mark) if found.fields.get("Server", found.header) == server]


def test_a_quiet_run_tells_of_the_login_that_proves_the_way_and_of_all_others_in_one_message(
    verify, play, servers, receiver, tmp_path
):
    mark = receiver.last()
    names = ("debian12", "debian12-plain")
    every = {name.replace("-", "_"): EACH_ANEW for name in names}
    done = play("verify", ("-e", "quiet=true", "-e", f"target={':'.join(names)}"), **every)
    assert done.status == 0, done.output
    assert "are reported" not in done.output
    for server in map(servers.get, names):
        server.check_output(f"python3 -c {shlex.quote(AGE)}")
        server.run(f"{PROGRAM} flush")
        assert server.check_output(f"ls {SPOOL}/mutes") == ""
    receiver.settle()
    found = receiver.messages(after=mark)
    for name in names:
        began, ended = [message.text for message in found if message.text.startswith(f"{name}: deploy from ")]
        assert " by publickey SHA256:" in began
        assert " is muted for 30 minutes: loginwatch.pam.verify" in began
        count = int(ended.partition(" is no longer muted: ")[2].split()[0])
        assert count >= 5, ended
        logins = [message for message in found if message.fields.get("User") == "deploy"]
        mine = [message for message in logins if message.fields.get("Server") == name]
        # The login that began the mute, the one that proves the host, and at most the one that continues the mute.
        assert 2 <= len(mine) <= 4, [message.fields for message in mine]


def test_only_what_the_window_names_is_muted(play, servers, receiver, tmp_path):
    name, server = "debian12", servers["debian12"]
    playbook = tmp_path / "mute.yml"
    task = {"loginwatch.pam.mute": {"minutes": 5, "reason": "a test"}, "register": "opened"}
    again = {"loginwatch.pam.mute": {"minutes": 60, "reason": "longer"}, "register": "again"}
    same = {"ansible.builtin.assert": {"that": ["opened.changed", "not again.changed", "opened.mute == again.mute"]}}
    others = {"become": True, "gather_facts": False}
    playbook.write_text(json.dumps([{"hosts": name, "tasks": [task, again, same], **others}]))
    stranger = tmp_path / "stranger"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger))
    keys = "/home/deploy/.ssh/authorized_keys"
    public = shlex.quote((tmp_path / "stranger.pub").read_text().strip())
    server.check_output(f"cp -a {keys} /root/keys-of-deploy && echo {public} >> {keys}")
    try:
        done = play(str(playbook))
        assert done.status == 0, done.output
        receiver.settle()
        mark = receiver.last()
        assert log_in(name) == 0
        assert log_in(name, stranger) == 0
        wait_for(lambda: told(receiver, mark, name), 30)
        status = json.loads(server.run(f"{PROGRAM} status --json").stdout)
        (window,) = status["mutes"]
        assert (window["user"], window["minutes"], window["reason"]) == ("deploy", 5, "a test")
        wait_for(lambda: window["id"] in server.run(f"cat {SPOOL}/state/mutes.json").stdout, 30)
        (message,) = told(receiver, mark, name)
        assert window["key"].split()[-1] not in message.fields["Key"], "another key's login is reported"
    finally:
        server.check_output(f"cp -a /root/keys-of-deploy {keys}; rm -f {SPOOL}/mutes/*")


def test_outside_of_a_connection_nothing_is_muted(servers):
    for server in servers.values():
        done = server.run(f"SSH_CONNECTION='192.0.2.1 5 192.0.2.2 22' {PROGRAM} mute --reason x --json")
        assert done.rc == 2
        assert "does not run in an SSH connection" in json.loads(done.stdout)["answer"]
        assert server.run(f"ls {SPOOL}/mutes").stdout == ""


@pytest.mark.parametrize("name", ["debian12", "debian13"])
def test_failures_are_counted_by_sshds_own_lines(servers, name):
    server = servers[name]
    where = f"receiver-{SCENARIO}"
    origin = address(where)
    target = address(f"{name}-{SCENARIO}")
    words = f"ssh {STRANGERS} -o BatchMode=yes -o PubkeyAuthentication=no"
    forged = f"Failed password for root from {origin} port 5 ssh2"
    count = f"python3 -ISBc {shlex.quote(ATTEMPTS)}"
    before = int(server.check_output(f"{count} {origin}"))
    server.check_output(f"for n in 1 2 3 4 5; do su deploy -s /bin/sh -c \"logger -t sshd '{forged}'\"; done")
    for user in ("deploy", "'x from 192.0.2.9 port 5'"):
        run("docker", "exec", where, "sh", "-c", f"{words} -l {user} {target}", check=False)
    wait_for(lambda: int(server.check_output(f"{count} {origin}")) == before + 2, 10)
    assert server.check_output(f"{count} 192.0.2.9") == "0"
