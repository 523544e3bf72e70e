# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks run on a host in each state, as Ansible evaluates the conditions of the role's tasks."""

import itertools
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ssh_login_notify"
# The facts of a second run on a healthy host.
WELL = {
    "pam_faults": {}, "pam_line_due": False, "account": "right", "adopts": False, "scheduler": "systemd",
    "wrong_units": [], "reload_is_due": False, "selinux": False, "labels_right": False, "pam_services": ["sshd"],
    "other_commands": [], "delivered": True, "repairs": [], "notes": [], "sandbox_without": [], "metrics_files": [],
}  # fmt: skip
FILES = "loginwatch.pam.installed_files"
SHELL = "ansible.builtin.shell"
STATES = {
    "pam_faults": [{}, {"sshd": "is gone"}],
    "account": ["missing", "right", "wrong"],
    "adopts": [False, True],
    "scheduler": ["systemd", "cron", "none"],
    "selinux": [False, True],
    "pam_services": [["sshd"], ["login", "sshd"]],
}
OLD, NEW = "/var/lib/old/a.prom", "/var/lib/new/a.prom"
# The metrics file of the installed configuration, and that of the settings.
METRICS = [([], ""), ([OLD], ""), ([OLD], OLD), ([OLD], NEW), ([], NEW)]
# Repairs, proofs, and everything that belongs to a first run.
RARE = ["repair_account.yml", "activate.yml", "before_line.yml", "after_line.yml"]


def tasks_of(name):
    return yaml.safe_load((ROLE / "tasks" / name).read_text(encoding="utf-8"))


def conditions():
    """Return the conditions of each task, by its file and name, without those of the file that includes it."""
    found = {}
    for name in ["present.yml", *RARE]:
        for task in tasks_of(name):
            when = task.get("when", [])
            found[f"{name}: {task['name']}"] = when if isinstance(when, list) else [when]
    return found


def states():
    """Return each state of a host that differs from WELL in at most two facts.

    One fact tests each part of a condition, and two test that no part hides another.
    """
    found = [WELL]
    for pair in itertools.combinations(STATES, 2):
        for values in itertools.product(*(STATES[fact] for fact in pair)):
            state = dict(WELL, **dict(zip(pair, values)))
            state["repairs"] = ["the account"] if state["account"] == "wrong" else []
            state["pam_line_due"] = bool(state["pam_faults"])
            found += [] if state in found else [state]
    return found


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory, ansible):
    """Ansible's results of the conditions in each state, as for `due`, and of the obsolete files, by METRICS."""
    directory = tmp_path_factory.mktemp("steps")
    runs = [{"host": state, "changed": changed} for state in states() for changed in (False, True)]
    # Jinja treats a list of conditions as Ansible does: all must be true.
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
        "tasks": [
            {"ansible.builtin.debug": {"msg": holds}, "loop": "{{ runs }}", "loop_control": {"label": ""}},
            {
                "ansible.builtin.debug": {"msg": {name: obsolete(name) for name in ("present.yml", "absent.yml")}},
                "vars": {"ssh_login_notify_metrics_file": "{{ item.file }}"},
                "loop": [{"host": dict(WELL, metrics_files=before), "file": file} for before, file in METRICS],
            },
        ],
    }
    (directory / "play.json").write_text(json.dumps([play]))
    done = ansible("ansible-playbook", directory / "play.json")
    assert done.returncode == 0, done.stdout[-2000:]
    found = [json.loads(text)["msg"] for text in re.findall(r"^ok: .*? => (\{\n.*?^\})$", done.stdout, re.M | re.S)]
    assert len(found) == len(runs) + len(METRICS)
    steps = [
        (run["host"], run["changed"], {name for name, holds in each.items() if str(holds) == "True"})
        for run, each in zip(runs, found)
    ]
    return steps, found[len(runs) :]


@pytest.fixture(scope="module")
def due(worked_out):
    """[(state, whether something has changed, names of the tasks whose conditions are true), …]"""
    return worked_out[0]


def obsolete(name):
    """Return the files that a file of tasks removes."""
    (found,) = [task[FILES]["obsolete"] for task in tasks_of(name) if FILES in task]
    return found


def has(names, task):
    return any(name.endswith(": " + task) for name in names)


def test_in_a_second_run_there_are_the_files_to_compare_and_nothing_else(due):
    """Skipping a task takes Ansible as long as starting it, so no more than two includes may be skipped."""
    (names,) = [names for host, changed, names in due if host == WELL and not changed][:1]
    assert {name for name in names if name.startswith("present.yml")} == {"present.yml: Install the notifier's files"}
    assert len(tasks_of("present.yml")) == 3


def test_an_ordinary_host_skips_two_includes_when_it_is_activated(due):
    for host, _changed, names in due:
        if host == dict(WELL, pam_faults={"sshd": "is gone"}, pam_line_due=True, account="missing"):
            skipped = {name for name in conditions() if name.startswith("activate.yml")} - names
            assert {name.partition(": ")[2] for name in skipped} == {
                "Prepare the host for the PAM line", "Complete the work that depends on the PAM line"
            } | ({"Send a test alert"} if not _changed else set())  # fmt: skip
            break
    else:
        pytest.fail("no host is ordinary")


def test_the_tasks_are_in_the_order_in_which_nothing_refers_to_what_is_not_there_yet():
    assert [task["name"] for task in tasks_of("present.yml")] == [
        "Repair the sender's account", "Install the notifier's files", "Activate the notifier",
    ]  # fmt: skip
    assert [task["name"] for task in tasks_of("activate.yml")] == [
        "Prepare the host for the PAM line", "Start the units", "Add the PAM line",
        "Complete the work that depends on the PAM line", "Send a test alert",
    ]  # fmt: skip


def test_a_removal_is_announced_before_anything_is_removed():
    """Otherwise the watch against tampering would report the missing line."""
    first = tasks_of("absent.yml")[0]
    assert first["ansible.builtin.file"]["path"] == "{{ __ssh_login_notify_manifest }}"
    assert first["ansible.builtin.file"]["state"] == "touch"


def test_the_units_are_started_with_time_left_to_add_the_line():
    """They include the watch against tampering. With many hosts, each waits for all others between two tasks."""
    (task,) = tasks_of("units.yml")
    assert task["loginwatch.pam.systemd_units"]["announced_by"] == "{{ __ssh_login_notify_manifest }}"


def test_a_removal_stays_announced_while_alerts_are_sent(tmp_path):
    """That takes up to ten minutes if a channel requests pauses, and the announcement is valid for two."""
    manifest, program = tmp_path / "manifest.json", tmp_path / "program"
    (tmp_path / "incoming").mkdir()
    manifest.touch()
    os.utime(manifest, (0, 0))
    program.write_text(f"""#!/bin/sh
for try in $(seq 100); do [ -z "$(find {manifest} -mmin -60)" ] || exit 0; sleep 0.1; done
""")
    program.chmod(0o755)
    (command,) = [task[SHELL]["cmd"] for task in tasks_of("absent.yml") if SHELL in task]
    for name, path in {"program": program, "manifest": manifest}.items():
        command = command.replace(f"{{{{ __ssh_login_notify_{name} | quote }}}}", str(path))
    assert "{" not in command
    begun = time.time()
    subprocess.run(["/bin/sh", "-c", command.replace("sleep 60", "sleep 0.2")], cwd=tmp_path, check=True)  # noqa: S603
    assert manifest.stat().st_mtime > begun - 1
    manifest.unlink()
    time.sleep(0.5)
    assert not manifest.exists(), "nothing of it goes on"


def test_a_repair_of_the_account_comes_before_the_files(due):
    for host, _changed, names in due:
        assert has(names, "Repair the sender's account") == (host["account"] == "wrong"), host


def test_what_the_line_needs_is_there_before_it(due):
    for host, changed, names in due:
        has_repairs = host["account"] == "wrong" or host["pam_line_due"] or host["pam_services"] != ["sshd"]
        activated = changed or has_repairs or host["adopts"] or host["scheduler"] == "none"
        assert has(names, "Activate the notifier") == activated, host
        prepared = host["adopts"] or host["scheduler"] == "none" or host["selinux"]
        assert has(names, "Prepare the host for the PAM line") == prepared, host
        assert has(names, "Let sshd write to the spool under SELinux") == host["selinux"], host
        assert has(names, "Start the units") == (host["scheduler"] == "systemd" and not host["adopts"]), host
        assert has(names, "Add the PAM line"), host
        tried = has(names, "Try the configuration before the hand-made notifier is replaced")
        assert tried == host["adopts"], host


def test_the_alert_of_a_host_that_adopts_comes_when_it_has_adopted(due):
    assert [task["name"] for task in tasks_of("after_line.yml")][-1] == "Replace the hand-made notifier"
    assert [task["name"] for task in tasks_of("activate.yml")][-1] == "Send a test alert"
    for host, changed, found in due:
        assert has(found, "Replace the hand-made notifier") == host["adopts"], host
        assert has(found, "Send a test alert") == (changed or host["adopts"]), host
        left = host["pam_services"] != ["sshd"]
        assert has(found, "Complete the work that depends on the PAM line") == (host["adopts"] or left), host


def test_metrics_that_nothing_writes_any_more_are_removed(worked_out):
    for (before, file), found in zip(METRICS, worked_out[1]):
        gone = {name: {path for path in paths if path.endswith(".prom")} for name, paths in found.items()}
        assert gone["present.yml"] == set(before) - {file}, (before, file)
        assert gone["absent.yml"] == {*before, file} - {""}, (before, file)


def test_each_file_that_is_included_is_there():
    names = {
        str(value)
        for path in (ROLE / "tasks").glob("*.yml")
        for value in re.findall(r"(?:include|import)_tasks: (\S+\.yml)$", path.read_text(encoding="utf-8"), re.M)
    }
    assert names >= {*RARE, "units.yml", "adopt.yml", "test_alert.yml", "try_configuration.yml"}
    assert [name for name in names if not (ROLE / "tasks" / name).is_file()] == []


def test_what_is_included_imports_nothing():
    """ansible-core 2.16 allows no static import below an include whose name depends on the host."""
    imports = {path.name for path in (ROLE / "tasks").glob("*.yml") if "import_tasks:" in path.read_text()}
    assert imports == {"main.yml"}
