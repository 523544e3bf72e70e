# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of tasks a host is given, for hosts in every state, as Ansible works it out.

Hosts of one play share what they include. Ansible takes the files of a loop in the order in which it has met them
first, on any host, so that another host may have them in another order than its own list says.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ssh_login_notify"
LISTS = ["before_files", "before_line", "after_line"]
STATES = {
    "pam_line": [None, "missing"],
    "account": [None, "right", "wrong"],
    "adopt": [None, "due"],
    "scheduler": ["systemd", "cron", "none"],
    "selinux": ["off", "on"],
    "pam_services": ["sshd", "sshd login"],
}


def has_others(state):
    """Whether something else runs at each login: a choice of ours, to have fewer states to ask after."""
    return state["scheduler"] == "cron"


def answers(state):
    """What the look at the host prints, line by line."""
    said = [f"{name}={value}" for name, value in state.items() if value is not None]
    if has_others(state):
        said.append("other_commands=/bin/something")
    return [*said, "unit_is_wrong=yes", "delivery=missing", "finished=yes"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """[(state, {list: files}), …]"""
    directory = tmp_path_factory.mktemp("steps")
    states = [dict(zip(STATES, values)) for values in itertools.product(*STATES.values())]
    message = {name: "{{ __ssh_login_notify_steps_" + name + " }}" for name in LISTS}
    variables = {
        "answers": [answers(state) for state in states],
        "__ssh_login_notify_preflight_result": {"stdout_lines": "{{ item }}"},
        "__ssh_login_notify_files_result": {"changed": True, "changed_paths": []},
        "__ssh_login_notify_pam_result": {"changed": True},
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "vars": variables,
        "tasks": [{"ansible.builtin.debug": {"msg": message}, "loop": "{{ answers }}"}],
    }
    (directory / "play.json").write_text(json.dumps([play]))
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.json")],
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    found = [json.loads(text)["msg"] for text in re.findall(r"^ok: .*? => (\{\n.*?^\})$", done.stdout, re.M | re.S)]
    assert len(found) == len(states)
    return list(zip(states, found))


def test_each_step_is_a_file(given):
    named = {step for _state, lists in given for name in LISTS for step in lists[name]}
    assert len(named) > 8
    assert [step for step in named if not (ROLE / "tasks" / step).is_file()] == []


def test_before_the_files_there_is_one_step_at_most(given):
    expected = {
        (False, False): [],
        (True, False): ["pam_refusal.yml"],
        (False, True): ["account.yml"],
        (True, True): ["pam_refusal_and_account.yml"],
    }
    for state, lists in given:
        assert lists["before_files"] == expected[state["pam_line"] is not None, state["account"] == "wrong"], state


def test_the_alert_of_a_host_that_adopts_comes_when_it_has_adopted(given):
    for state, lists in given:
        last = {"adopt.yml", "test_alert.yml"} & set(lists["after_line"])
        assert last == {"adopt.yml" if state["adopt"] else "test_alert.yml"}, state


def test_who_starts_the_sender_comes_before_the_line_unless_the_configuration_is_still_another(given):
    starts = {"systemd": {"units.yml"}, "cron": set(), "none": {"no_scheduler.yml"}}
    for state, lists in given:
        expected = {"try_configuration.yml"} if state["adopt"] else starts[state["scheduler"]]
        assert set(lists["before_line"]) - {"selinux.yml"} == expected, state
        assert ("selinux.yml" in lists["before_line"]) == (state["selinux"] == "on"), state


def test_the_rest_after_the_line(given):
    for state, lists in given:
        assert ("other_commands.yml" in lists["after_line"]) == has_others(state), state
        assert ("services_left.yml" in lists["after_line"]) == (state["pam_services"] != "sshd"), state


def test_what_is_included_imports_nothing():
    """ansible-core 2.16 takes no static import below an include whose name depends on the host."""
    imports = {path.name for path in (ROLE / "tasks").glob("*.yml") if "import_tasks:" in path.read_text()}
    assert imports == {"main.yml"}
