# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The output of a run for a person: how many hosts are proven, and each failure once and not in green.

The playbooks are the collection's. Stand-ins replace the hosts' role and notifier, and ssh is replaced by a program
that runs each command here.
"""

import json
import re
import shutil
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
# As with sudo's defaults, which keep no environment. The words up to the shell are its options.
SUDO = """#!/bin/sh
while [ "$1" != /bin/sh ]; do shift; done
exec env -u SSH_CONNECTION "$@"
"""
# The host's records of each connection so far.
NOTIFIER = """#!{python}
import json, os, sys
root = {root!r} + "/" + os.environ["HOST"] + "/"
if sys.argv[1] == "mute":
    answers = json.load(open(root + "mutes"))
    print(json.dumps(dict(dict(changed=True, answer="", mute=dict(reason="a reason", paused=True)), **answers)))
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
    {"ansible.builtin.raw": "sleep {{ slow }}", "when": "slow is defined"},
    {"ansible.builtin.raw": "true", "when": "slow is defined"},
]
TRIAL = [{"ansible.builtin.fail": {"msg": "The test alert was not delivered."}, "when": "dead is defined"}]
PROOF = [{"ansible.builtin.set_fact": {"prove_alert": {"delivered": True}}}]


class Fleet:
    """Hosts whose notifier answers with `statuses`, and playbooks that run on them.

    environment, settings: environment variables of the next run, its own and Ansible's
    """

    def __init__(self, directory, start_ansible):
        self.directory = directory
        self._start_ansible = start_ansible
        self.environment = {}
        self.settings = {}
        collection = directory / "collections" / "ansible_collections" / "loginwatch" / "pam"
        collection.mkdir(parents=True)
        for name in ("plugins", "files", "meta"):
            (collection / name).symlink_to(PROJECT / name)
        tasks = collection / "roles" / "ssh_login_notify" / "tasks"
        tasks.mkdir(parents=True)
        (tasks / "preflight.yml").write_text(json.dumps(PREFLIGHT))
        (tasks / "main.yml").write_text(json.dumps(ROLE))
        (tasks / "try_configuration.yml").write_text(json.dumps(TRIAL))
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
        ssh = SSH.replace("@ROOT@", str(directory))
        for name, text in {"ssh": ssh, "sudo": SUDO, "ssh-login-notify": notifier}.items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)

    def __call__(self, playbook, *options, **hosts):
        """Run a playbook on hosts with these variables. Return the exit code and the output."""
        inventory = {}
        for name, variables in hosts.items():
            shutil.rmtree(self.directory / name, ignore_errors=True)
            (self.directory / name).mkdir()
            if variables.get("down"):
                (self.directory / name / "down").touch()
            status = dict(STATUS, **variables.pop("status", {}))
            (self.directory / name / "status").write_text(json.dumps(status))
            mutes = variables.pop("mutes", {"changed": False, "mute": None})
            (self.directory / name / "mutes").write_text(json.dumps(mutes))
            inventory[name] = {"ansible_ssh_args": f"host={name}", **variables}
        everywhere = {
            "ansible_become": False, "ansible_become_exe": str(self.directory / "sudo"),
            "ansible_ssh_executable": str(self.directory / "ssh"), "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable, "root": str(self.directory), "prove_login_seconds": 2,
            "ssh_login_notify_webhook_url": "https://hooks.slack.com/services/T00000000/B00000000/not-a-real-secret",
        }  # fmt: skip
        path = self.directory / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": inventory, "vars": everywhere}}))
        ansible = self._start_ansible(ANSIBLE_COLLECTIONS_PATH=str(self.directory / "collections"), **self.settings)
        done = ansible.run(
            "ansible-playbook", f"loginwatch.pam.{playbook}", "-i", path, *options, directory=self.directory,
            COLUMNS="500", **self.environment,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def reached(self, host):
        """Return whether anybody connected to the host."""
        return (self.directory / host / "connections").exists()

    def muted(self, host):
        """Return the notifier's mute requests, and in which connection to the host each came."""
        lines = (self.directory / host / "muted").read_text().splitlines()
        return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]


@pytest.fixture(scope="module")
def shared(tmp_path_factory, start_ansible):
    return Fleet(tmp_path_factory.mktemp("fleet"), start_ansible)


@pytest.fixture
def fleet(shared):
    """The fleet. Each run begins with hosts without any connection."""
    yield shared
    shared.environment = {}
    shared.settings = {}


def counts(output, host):
    """Return the host's counts in the play recap."""
    (line,) = re.findall(rf"^{host} +: (.*)$", output.partition("PLAY RECAP")[2], re.MULTILINE)
    return dict(word.split("=") for word in line.split())


def test_a_roll_out_that_succeeds_says_so(fleet):
    omitted = {"ssh_login_notify_offline": "{{ omit }}"}
    code, output = fleet("deploy", "-e", '{"deploy_batches": [1, "100%"]}', a=omitted, b=omitted)
    assert code == 0, output
    assert output.count("2 of 2 hosts proven by a real login.") == 1
    assert "WARNING]" not in output


def test_a_roll_out_that_stops_says_each_thing_once_and_nothing_of_it_in_green(fleet):
    refused = "The PAM file is managed by Puppet."
    batches = ("-e", '{"deploy_batches": [4, 1]}')
    wrong = {"ssh_login_notify_host_lable": "x"}
    code, output = fleet("deploy", *batches, a={}, b={"refused": refused}, c={"lost": True}, d=wrong, e={})
    assert code != 0
    # Since ansible-core 2.19 Ansible itself prints a failure twice: in words, and as JSON.
    assert output.count(f'"msg": "Nothing was changed. {refused}"') == 1, output
    pending = "Hosts that were not reached yet: e."
    stops = dict(re.findall(r'fatal: \[(.)\].*"msg": "(.*The roll-out stops at .*)"', output))
    assert stops["b"] == f"The roll-out stops at b. {pending}"
    assert "Nothing was changed. ssh_login_notify_host_lable is not a variable of this role" in output
    assert stops["d"].endswith(f"The roll-out stops at d. {pending}")
    (lost,) = re.findall(r'(.*) => .*"msg": "The roll-out stops here: (.*)"', output)
    assert lost[0] == "fatal: [a]: FAILED!"
    assert lost[1] == f"b, c, d failed or could not be reached. 1 of 5 hosts proven by a real login. {pending}"
    assert [counts(output, name)["failed"] for name in "abd"] == ["0", "1", "1"]
    assert counts(output, "c")["unreachable"] == "1"
    assert [fleet.reached(name) for name in "abde"] == [True, True, False, False], "no setting is checked too late"


def test_a_sites_ansible_cfg_does_not_change_how_a_batch_ends(fleet):
    """That file could make hosts continue alone, or abort the good hosts of a batch."""
    fleet.settings = {"ANSIBLE_STRATEGY": "free", "ANSIBLE_ANY_ERRORS_FATAL": "true"}
    # The good host finishes before the other one fails.
    silent = {"status": {"logins": "recent_ignored"}, "slow": 3}
    code, output = fleet("deploy", "-e", '{"deploy_batches": [2, 1]}', a=silent, b={}, c={})
    assert code != 0
    assert (counts(output, "a")["failed"], counts(output, "b")["failed"]) == ("1", "0")
    assert "1 of 3 hosts proven by a real login. Hosts that were not reached yet: c." in output
    assert not fleet.reached("c")


@pytest.mark.whole
def test_a_removal_goes_through_each_host_without_a_break(fleet):
    """With many hosts, a step takes minutes, and the watch against tampering would think that the removal had ended."""
    code, output = fleet("remove", "--forks=1", "-e", "target=all", a={"slow": 0.1}, b={"slow": 0.1})
    assert code == 0, output
    assert re.findall(r"^changed: \[(.)\]", output, re.MULTILINE) == ["a", "a", "b", "b"]


@pytest.mark.whole
def test_all_hosts_of_a_batch_have_the_same_time(fleet):
    """With one fork, hosts are checked one after another, and the second one does not wait for the full time again."""
    batch = {name: {"status": {"logins": "nothing"}} for name in ("a", "b", "c")}
    code, output = fleet("deploy", "--forks=1", "-e", '{"deploy_batches": ["100%"]}', **batch)
    assert code != 0
    assert output.count("its alert was not delivered in time") >= len(batch), output
    # The first one has used up the time. On a busy machine the others had not even one retry.
    assert [output.count(f"FAILED - RETRYING: [{name}]") for name in ("b", "c")] == [0, 0]


def test_a_login_that_does_not_say_which_it_is_proves_nothing(fleet):
    """Not even an extra variable can skip the proof silently."""
    code, output = fleet("deploy", "-e", "ansible_become=true", a={})
    assert code != 0
    assert "set ansible_become in the inventory, not by -e" in output
    assert counts(output, "a")["failed"] == "1"


ANOTHER = "https://hooks.slack.com/services/T00000000/B00000001/not-a-real-secret"


@pytest.mark.whole
def test_a_canary_that_is_none_of_the_hosts_proves_nothing(fleet):
    code, output = fleet("rotate_webhook", "-e", "canary=debian31", a={}, b={})
    assert code != 0
    assert "Nothing was changed. The canary debian31 is not one of the hosts of this run." in output
    assert not any(map(fleet.reached, "ab"))


def test_a_webhook_that_delivers_nothing_on_the_canary_reaches_no_host(fleet):
    code, output = fleet("rotate_webhook", a={"dead": True}, b={})
    assert code != 0
    assert output.count('"msg": "The test alert was not delivered."') == 1
    assert not fleet.reached("b")
    assert "TASK [Back up the PAM files and the configuration]" not in output, "the roll-out has begun"


@pytest.mark.whole
def test_hosts_with_another_webhook_than_the_canarys_are_refused(fleet):
    """The new webhook would reach them untested."""
    code, output = fleet("rotate_webhook", a={}, b={}, c={"ssh_login_notify_webhook_url": ANOTHER})
    assert code != 0
    assert "Nothing was changed. The webhook or the channels of c differ from those of the canary a" in output
    assert not any(map(fleet.reached, "abc"))


def test_without_root_the_roll_out_says_what_to_set(fleet):
    """A command's message is buried in its output, so the last message repeats it."""
    fleet.environment = {"NOT_ROOT": "1000"}
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
    # Between them, ssh is called to close the connection, and for the login that proves the host.
    assert resume == (pause[0] + 3, "--minutes 10 --reason=a reason")
    assert end[1] == "--end"


def test_where_nothing_can_be_muted_a_quiet_run_says_why_and_goes_on(fleet):
    refused = {"changed": False, "mute": None, "answer": "this login was made without a key: log in with a key"}
    code, output = fleet("deploy", "-e", "quiet=true", a={"mutes": refused})
    assert code == 0, output
    said = "Ansible's own logins on a are reported. Nothing was muted: this login was made without a key: log in"
    assert output.count(said) == 1
    assert [words for _connection, words in fleet.muted("a")][-1] == "--end"


def test_a_quiet_run_that_ends_before_it_has_muted_anything_says_only_why(fleet):
    code, output = fleet("deploy", "-e", "quiet=true", "-e", "ssh_login_notify_webhook_url=ftp://x", a={})
    assert code != 0
    assert "Nothing was changed" in output
    assert "mute_opened" not in output


def test_a_roll_out_stops_at_once_at_a_rule_that_ignores_ansibles_login(fleet):
    code, output = fleet("deploy", "-e", "prove_login_seconds=600", a={"status": {"logins": "recent_ignored"}})
    assert code != 0
    assert (
        "Rule 2 of ssh_login_notify_ignore matches the login from 192.0.2.1 port 4, so it has no alert. To prove"
        in output
    )
    assert "its alert was not delivered" not in output


def test_when_no_host_can_be_reached_the_report_says_so(fleet):
    gone = {"down": True}
    code, output = fleet("verify", "-e", f"verify_report={fleet.directory}", a=gone, b=gone)
    assert code != 0
    hosts = json.loads((fleet.directory / "report.json").read_text())["hosts"]
    assert {record["host"]: record["state"] for record in hosts} == {"a": "unreachable", "b": "unreachable"}
    assert [record["problems"][0].partition(": ")[0] for record in hosts] == ["Ansible could not reach it"] * 2
    assert [record["host"] in record["problems"][0] for record in hosts] == [True, True]
    assert output.count("TASK [Show the table]") == 1


def test_the_report_has_what_is_wrong_and_a_rule_that_ignores_ansibles_login_is_not(fleet):
    code, output = fleet(
        "verify",
        well={},
        robot={"status": {"logins": "recent_ignored"}, "prove_login_seconds": 600},
        unfit={"problems": ["sshd runs with UsePAM no."]},
        broken={"status": {"state": "critical", "problems": ["the PAM line is gone: run the role again"]}},
        silent={"status": {"logins": "nothing"}},
        bare={"installed": False},
        gone={"down": True},
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
    assert rows["gone"][0] == "unreachable"
    assert "2 of 7 hosts proven: 1 by a real login, 1 by a test alert." in output
    assert {name: counts(output, name)["failed"] for name in rows if name != "host"} == {
        "well": "0", "robot": "0", "unfit": "1", "broken": "1", "silent": "1", "bare": "1", "gone": "1",
    }  # fmt: skip
