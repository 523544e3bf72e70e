# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks a host gets, for hosts in every state, as Ansible works out the conditions of the role's tasks."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ssh_login_notify"
# What a second run finds on a host on which all is well.
WELL = {
    "pam_faults": {}, "user_environment": False, "account": "right", "adopts": False, "scheduler": "systemd",
    "wrong_units": [], "reload_is_due": False, "selinux": False, "labels_right": False, "pam_services": ["sshd"],
    "other_commands": [], "delivered": True, "repairs": [], "notes": [], "sandbox_without": [],
}  # fmt: skip
STATES = {
    "pam_faults": [{}, {"sshd": "is gone"}],
    "account": ["missing", "right", "wrong"],
    "adopts": [False, True],
    "scheduler": ["systemd", "cron", "none"],
    "selinux": [False, True],
    "pam_services": [["sshd"], ["login", "sshd"]],
}
# Repairs, proofs, and everything of a first run.
RARE = ["prepare.yml", "start.yml", "finish.yml"]


def tasks_of(name):
    return yaml.safe_load((ROLE / "tasks" / name).read_text(encoding="utf-8"))


def conditions():
    """The conditions of each task, by its file and name; those of the file that includes it are not among them."""
    found = {}
    for name in ["present.yml", *RARE]:
        for task in tasks_of(name):
            when = task.get("when", [])
            found[f"{name}: {task['name']}"] = when if isinstance(when, list) else [when]
    return found


@pytest.fixture(scope="module")
def due(tmp_path_factory):
    """[(state, whether something has changed, names of the tasks whose conditions hold), …]"""
    directory = tmp_path_factory.mktemp("steps")
    states = [dict(WELL, **dict(zip(STATES, values))) for values in itertools.product(*STATES.values())]
    for state in states:
        state["repairs"] = ["the account"] if state["account"] == "wrong" else []
    runs = [{"host": state, "changed": changed} for state in [WELL, *states] for changed in (False, True)]
    # Jinja takes no more of a list of conditions than Ansible does: all have to hold.
    holds = {
        name: "{{ " + " and ".join(f"({each})" for each in [*each_of, "true"]) + " }}"
        for name, each_of in conditions().items()
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / directory / "main.yml") for directory in ("defaults", "vars")],
        "vars": {
            "runs": runs,
            "ssh_login_notify_host": "{{ item.host }}",
            "__ssh_login_notify_files_result": {"changed": "{{ item.changed }}"},
            "__ssh_login_notify_pam_result": {"changed": False},
        },
        "tasks": [{"ansible.builtin.debug": {"msg": holds}, "loop": "{{ runs }}", "loop_control": {"label": ""}}],
    }
    (directory / "play.json").write_text(json.dumps([play]))
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.json")],
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
             "ANSIBLE_COLLECTIONS_PATH": str(ROLE.parents[1] / ".dev" / "collections")},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    found = [json.loads(text)["msg"] for text in re.findall(r"^ok: .*? => (\{\n.*?^\})$", done.stdout, re.M | re.S)]
    assert len(found) == len(runs)
    return [
        (run["host"], run["changed"], {name for name, holds in each.items() if str(holds) == "True"})
        for run, each in zip(runs, found)
    ]


def has(names, task):
    return any(name.endswith(": " + task) for name in names)


def test_in_a_second_run_there_are_the_files_and_the_line_to_look_at_and_nothing_else(due):
    (names,) = [names for host, changed, names in due if host == WELL and not changed][:1]
    assert {name for name in names if name.startswith("present.yml")} == {
        "present.yml: Install the notifier's files", "present.yml: Add the PAM line"
    }  # fmt: skip


def test_the_tasks_are_in_the_order_in_which_nothing_refers_to_what_is_not_there_yet():
    assert [task["name"] for task in tasks_of("present.yml")] == [
        "Prepare the host", "Install the notifier's files", "Start the notifier", "Add the PAM line",
        "Finish the installation",
    ]  # fmt: skip
    assert tasks_of("prepare.yml")[0]["name"] == "Check that the PAM line can be added"


def test_a_refusal_by_pam_and_a_repair_of_the_account_come_before_the_files(due):
    for host, _changed, names in due:
        asks, repairs = bool(host["pam_faults"]), host["account"] == "wrong"
        assert has(names, "Prepare the host") == (asks or repairs), host
        assert has(names, "Check that the PAM line can be added") == asks, host
        assert has(names, "Repair the sender's user") == has(names, "Repair the sender's group") == repairs, host


def test_what_the_line_needs_is_there_before_it(due):
    for host, _changed, names in due:
        started = has(names, "Start the notifier")
        if host["adopts"] or host["scheduler"] == "none" or host["account"] == "wrong":
            assert started, host
        assert has(names, "Let sshd write to the spool under SELinux") == host["selinux"], host
        assert has(names, "Start the units") == (not host["adopts"]), host
        tried = has(names, "Try the configuration before the hand-made notifier is replaced")
        assert tried == host["adopts"], host


def test_the_alert_of_a_host_that_adopts_comes_when_it_has_adopted(due):
    names = [task["name"] for task in tasks_of("finish.yml")]
    assert names[-2:] == ["Replace the hand-made notifier", "Send a test alert"]
    for host, changed, found in due:
        assert has(found, "Replace the hand-made notifier") == host["adopts"], host
        assert has(found, "Send a test alert") == (changed or host["adopts"]), host
        left = host["pam_services"] != ["sshd"]
        assert has(found, "Finish the installation") == (changed or host["adopts"] or left), host


def test_each_file_that_is_included_is_there():
    names = {
        str(value)
        for path in (ROLE / "tasks").glob("*.yml")
        for value in re.findall(r"(?:include|import)_tasks: (\S+\.yml)$", path.read_text(encoding="utf-8"), re.M)
    }
    assert names >= {*RARE, "units.yml", "adopt.yml", "test_alert.yml", "try_configuration.yml"}
    assert [name for name in names if not (ROLE / "tasks" / name).is_file()] == []


def test_what_is_included_imports_nothing():
    """ansible-core 2.16 takes no static import below an include whose name depends on the host."""
    imports = {path.name for path in (ROLE / "tasks").glob("*.yml") if "import_tasks:" in path.read_text()}
    assert imports == {"main.yml"}
