# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The output of a run for a person: how many hosts are proven, and each failure once and not in green.

The playbooks are the collection's. A role and a notifier of the test stand in for those of the hosts, and for ssh a
program that runs each command here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
SSH = """#!/bin/sh
# Runs the last argument, as a new connection to the host that a variable of the inventory has put into the first one.
host=${1#host=}
for command; do :; done
test ! -e @ROOT@/$host/down || { echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255; }
echo x >> @ROOT@/$host/connections
SSH_CONNECTION="192.0.2.1 $(wc -l < @ROOT@/$host/connections) 192.0.2.2 22" HOST=$host exec sh -c "$command"
"""
# What the host says of each connection up to now.
NOTIFIER = """#!{python}
import json, os, sys
root = {root!r} + "/" + os.environ["HOST"] + "/"
if sys.argv[1] == "mute":
    answers = json.load(open(root + "mutes"))
    print(json.dumps(dict(dict(changed=True, answer="", mute=dict(reason="a reason")), **answers)))
    connection = len(open(root + "connections").readlines())
    sys.exit(open(root + "muted", "a").write("%d %s\\n" % (connection, " ".join(sys.argv[3:]))) and 0)
status = json.load(open(root + "status"))
ports = range(1, 1 + len(open(root + "connections").readlines()))
logins = [{{"from": "192.0.2.1 port %d" % port, "rule": 2, "delivered_at": 5}} for port in ports]
status[status.pop("logins")] = logins
print(json.dumps(status))
"""
STATUS = {
    "configuration": {"host_label": "web"}, "waiting": 0, "failed": 0, "last_delivery": None, "recent_deliveries": [],
    "problems": [], "version": "0.1.0", "state": "ok", "logins": "recent_deliveries",
}  # fmt: skip
PREFLIGHT = [
    {"ansible.builtin.raw": "true", "changed_when": False, "register": "ssh_login_notify_host"},
    {
        "ansible.builtin.set_fact": {
            "ssh_login_notify_host": {
                "problems": "{{ problems | default([]) }}",
                "repairs": [],
                "installed": "{{ installed | default(true) }}",
            }
        },
        "when": "not ssh_login_notify_host.unreachable | default(false)",
    },
]
ROLE = [
    {"ansible.builtin.fail": {"msg": "Nothing was changed. {{ refused }}"}, "when": "refused is defined"},
    {"ansible.builtin.raw": "touch {{ root }}/{{ inventory_hostname }}/down", "when": "lost is defined"},
]
PROOF = [{"ansible.builtin.set_fact": {"prove_alert": {"delivered": True}}}]


class Fleet:
    """Hosts on which the notifier is what `statuses` say, and playbooks run on them."""

    def __init__(self, directory):
        self.directory = directory
        collection = directory / "collections" / "ansible_collections" / "loginwatch" / "pam"
        collection.mkdir(parents=True)
        for name in ("plugins", "files", "meta"):
            (collection / name).symlink_to(PROJECT / name)
        tasks = collection / "roles" / "ssh_login_notify" / "tasks"
        tasks.mkdir(parents=True)
        (tasks / "preflight.yml").write_text(json.dumps(PREFLIGHT))
        (tasks / "main.yml").write_text(json.dumps(ROLE))
        places = {"/usr/local/bin/": f"{directory}/", "/root/": f"{directory}/", "/etc/pam.d": f"{directory}/pam.d"}
        places['"$(id -u)"'] = '"${NOT_ROOT:-0}"'
        for source in (PROJECT / "playbooks").rglob("*.*"):
            text = source.read_text()
            for place, here in places.items():
                text = text.replace(place, here)
            target = collection / "playbooks" / source.relative_to(PROJECT / "playbooks")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (collection / "playbooks" / "tasks" / "prove_by_pam.yml").write_text(json.dumps(PROOF))
        notifier = NOTIFIER.format(python=sys.executable, root=str(directory))
        for name, text in {"ssh": SSH.replace("@ROOT@", str(directory)), "ssh-login-notify": notifier}.items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)

    def __call__(self, playbook, *options, **hosts):
        """Run a playbook on hosts with these variables; return the exit code and the output."""
        inventory = {}
        for name, variables in hosts.items():
            (self.directory / name).mkdir()
            status = dict(STATUS, **variables.pop("status", {}))
            (self.directory / name / "status").write_text(json.dumps(status))
            mutes = variables.pop("mutes", {"changed": False, "mute": None})
            (self.directory / name / "mutes").write_text(json.dumps(mutes))
            inventory[name] = {"ansible_ssh_args": f"host={name}", **variables}
        everywhere = {
            "ansible_become": False, "ansible_ssh_executable": str(self.directory / "ssh"), "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable, "root": str(self.directory), "prove_login_seconds": 2,
            "ssh_login_notify_webhook_url": "https://hooks.slack.com/services/T00000000/B00000000/not-a-real-secret",
        }  # fmt: skip
        path = self.directory / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": inventory, "vars": everywhere}}))
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(  # noqa: S603
            [Path(sys.executable).with_name("ansible-playbook"), f"loginwatch.pam.{playbook}", "-i", path, *options],
            env={**inherited, "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"), "COLUMNS": "500"},
            cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=240,
        )  # fmt: skip
        return done.returncode, done.stdout

    def muted(self, host):
        """Return what the notifier was asked to mute, and in which connection to the host."""
        lines = (self.directory / host / "muted").read_text().splitlines()
        return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def counts(output, host):
    """Return the host's counts in the closing table."""
    (line,) = re.findall(rf"^{host} +: (.*)$", output.partition("PLAY RECAP")[2], re.MULTILINE)
    return dict(word.split("=") for word in line.split())


def test_a_roll_out_that_succeeds_says_so(fleet):
    code, output = fleet("deploy", "-e", '{"deploy_batches": [1, "100%"]}', a={}, b={})
    assert code == 0, output
    assert output.count("2 of 2 hosts proven by a real login.") == 1
    assert "[WARNING]" not in output


def test_a_roll_out_that_stops_says_each_thing_once_and_nothing_of_it_in_green(fleet):
    refused = "The PAM file is managed by Puppet."
    batches = ("-e", '{"deploy_batches": [3, 1]}')
    code, output = fleet("deploy", *batches, a={}, b={"refused": refused}, c={"lost": True}, d={})
    assert code != 0
    # Since ansible-core 2.19 Ansible itself prints a failure twice: in words, and as JSON.
    assert output.count(f'"msg": "Nothing was changed. {refused}"') == 1, output
    pending = "Hosts that were not reached yet: d."
    (stop,) = re.findall(r'fatal: \[b\].*"msg": "(The roll-out .*)"', output)
    assert stop == f"The roll-out stops at b. {pending}"
    (lost,) = re.findall(r'(.*) => .*"msg": "The roll-out stops here: (.*)"', output)
    assert lost[0] == "fatal: [a]: FAILED!"
    assert lost[1] == f"b, c failed or could not be reached. 1 of 4 hosts proven by a real login. {pending}"
    assert (counts(output, "a")["failed"], counts(output, "b")["failed"], counts(output, "c")["unreachable"]) == (
        "0",
        "1",
        "1",
    )


def test_without_root_the_roll_out_says_what_to_set(fleet, monkeypatch):
    """A command prints its words among much else, so the last message has them."""
    monkeypatch.setenv("NOT_ROOT", "1000")
    code, output = fleet("deploy", a={})
    assert code != 0
    (stop,) = re.findall(r'fatal: .*"msg": "(.* The roll-out .*)"', output)
    assert stop.startswith("Ansible is not root: set become: true, and check ansible_become")
    assert stop.endswith(" The roll-out stops at a. Nothing was changed on a.")


@pytest.mark.parametrize("playbook", ["deploy", "verify"])
def test_a_quiet_run_mutes_ansibles_logins_but_for_the_one_that_proves_the_way(fleet, playbook):
    code, output = fleet(playbook, "-e", "quiet=true", a={"mutes": {}})
    assert code == 0, output
    (opened, pause, resume, end) = fleet.muted("a")
    assert opened == (1, f"--minutes 30 --reason=loginwatch.pam.{playbook}")
    assert pause[1] == "--pause"
    # Between them, ssh is called to close the connection, and for the login that proves the way.
    assert resume == (pause[0] + 3, "--minutes 10 --reason=a reason")
    assert end[1] == "--end"


def test_where_nothing_can_be_muted_a_quiet_run_says_why_and_goes_on(fleet):
    refused = {"changed": False, "mute": None, "answer": "this login was made without a key: log in with a key"}
    code, output = fleet("deploy", "-e", "quiet=true", a={"mutes": refused})
    assert code == 0, output
    said = "Ansible's own logins on a are reported. Nothing was muted: this login was made without a key: log in"
    assert output.count(said) == 1
    assert [words for _connection, words in fleet.muted("a")][-1] == "--end"


def test_a_roll_out_stops_at_once_at_a_rule_that_ignores_ansibles_login(fleet):
    code, output = fleet("deploy", "-e", "prove_login_seconds=600", a={"status": {"logins": "recent_ignored"}})
    assert code != 0
    assert (
        "Rule 2 of ssh_login_notify_ignore matches the login from 192.0.2.1 port 4, so it has no alert. To prove"
        in output
    )
    assert "its alert was not delivered" not in output


def test_the_report_has_what_is_wrong_and_a_rule_that_ignores_ansibles_login_is_not(fleet):
    code, output = fleet(
        "verify",
        well={},
        robot={"status": {"logins": "recent_ignored"}, "prove_login_seconds": 600},
        unfit={"problems": ["sshd runs with UsePAM no."]},
        broken={"status": {"state": "critical", "problems": ["the PAM line is gone: run the role again"]}},
        silent={"status": {"logins": "nothing"}},
        bare={"installed": False},
    )
    assert code != 0
    table = output.partition("TASK [Show the table]")[2].partition("TASK [")[0]
    for wrong in ("UsePAM no", "the PAM line is gone", "was not delivered in time", "The notifier is not installed."):
        assert output.count(wrong) == table.count(wrong) == 1, output
    rows = {
        row.split()[0]: row.split(maxsplit=4)[1::3] for row in re.findall(r'^ *"(\w+  .*)",?$', table, re.MULTILINE)
    }
    assert rows["well"] == ["ok", "delivered"]
    assert rows["robot"] == ["ok", "ignored by rule 2"]
    assert {rows[name][0] for name in ("unfit", "broken", "silent", "bare")} == {"critical"}
    assert "2 of 6 hosts proven: 1 by a real login, 1 by a test alert." in output
    assert {name: counts(output, name)["failed"] for name in rows if name != "host"} == {
        "well": "0", "robot": "0", "unfit": "1", "broken": "1", "silent": "1", "bare": "1"
    }  # fmt: skip
