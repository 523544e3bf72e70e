# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with a small stand-in for systemctl."""

import json
import os
import sys

import pytest

# It keeps the units in a file: name -> [UnitFileState, ActiveState], and records each command that changes something.
SYSTEMCTL = """#!{python} -ISB
import json, os, sys
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "state")
state = json.load(open(path))
units = state["units"]
words = [word for word in sys.argv[1:] if not word.startswith("--")]
verb, names = words[0], words[1:]
if os.environ.get("SYSTEMD_OFFLINE") != "1" and not state["runs"]:
    sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
if verb == "show":
    found = [tuple(units.get(name, ["", "inactive"])) for name in names]
    print("\\n".join("UnitFileState=%s\\nActiveState=%s\\n" % states for states in found))
elif verb == "is-enabled":
    if names[0] not in units:
        sys.exit("Failed to get unit file state for %s: No such file or directory" % names[0])
    print(units[names[0]][0])
    sys.exit(units[names[0]][0] != "enabled")
else:
    state["commands"].append(" ".join(sys.argv[1:]))
    for name in names:
        if name not in units:
            sys.exit("Unit %s could not be found." % name)
        if verb in ("enable", "disable"):
            units[name][0] = verb + "d"
        else:
            units[name][1] = "inactive" if verb == "stop" else "active"
json.dump(state, open(path, "w"))
"""
NEW = ["disabled", "inactive"]
AT_WORK = ["enabled", "active"]


class Host:
    """A host with units, with or without systemd."""

    def __init__(self, path):
        self.tools = path
        (path / "systemctl").write_text(SYSTEMCTL.format(python=sys.executable))
        (path / "systemctl").chmod(0o755)
        self.has({"a.path": NEW, "b.timer": NEW, "c.service": ["static", "inactive"]})

    def has(self, units, runs=True):
        (self.tools / "state").write_text(json.dumps({"units": units, "commands": [], "runs": runs}))

    @property
    def units(self):
        return json.loads((self.tools / "state").read_text())["units"]

    @property
    def commands(self):
        return json.loads((self.tools / "state").read_text())["commands"]


@pytest.fixture
def host(tmp_path):
    (tmp_path / "tools").mkdir()
    return Host(tmp_path / "tools")


@pytest.fixture
def run(run_module, host, monkeypatch):
    monkeypatch.setenv("PATH", f"{host.tools}:{os.environ['PATH']}")
    return lambda **options: run_module("systemd_units", **options)


def test_check_mode_reports_and_changes_nothing(run, host):
    before = host.units
    result = run(check=True, started=["a.path", "b.timer"])
    assert (host.units, host.commands) == (before, [])
    assert result["changes"] == ["enable a.path", "enable b.timer", "start a.path", "start b.timer"]


def test_in_check_mode_a_unit_whose_file_does_not_exist_yet_would_be_started(run, host):
    assert run(check=True, started=["new.timer"])["changes"] == ["enable new.timer", "start new.timer"]


def test_a_first_run_changes_and_a_second_does_not(run, host):
    result = run(diff=True, started=["a.path", "b.timer"])
    assert result["diff"] == {"before": "", "after": "enable a.path\nenable b.timer\nstart a.path\nstart b.timer\n"}
    assert {name: host.units[name] for name in ("a.path", "b.timer")} == {"a.path": AT_WORK, "b.timer": AT_WORK}
    commands = host.commands
    assert run(check=True, started=["a.path", "b.timer"])["changed"] is False
    second = run(started=["a.path", "b.timer"])
    assert (second["changed"], second["changes"], host.commands) == (False, [], commands)


def test_systemd_reads_its_files_once_however_many_units_are_enabled(run, host):
    run(started=["a.path", "b.timer"])
    assert host.commands == ["--no-reload enable a.path b.timer", "daemon-reload", "start a.path b.timer"]


def test_only_what_is_not_as_wanted_is_changed(run, host):
    host.has({"a.path": AT_WORK, "b.timer": ["enabled", "failed"], "d.timer": ["disabled", "active"]})
    assert run(started=["a.path", "b.timer", "d.timer"])["changes"] == ["enable d.timer", "start b.timer"]


def test_units_are_stopped_one_after_the_other_in_the_given_order(run, host):
    host.has({"a.path": AT_WORK, "b.timer": AT_WORK, "c.service": ["static", "activating"]})
    result = run(stopped=["b.timer", "a.path", "c.service", "none.timer"])
    assert host.commands == [
        "--no-reload disable b.timer a.path", "daemon-reload", "stop b.timer", "stop a.path", "stop c.service"
    ]  # fmt: skip
    assert result["changes"][-3:] == ["stop b.timer", "stop a.path", "stop c.service"]
    assert run(stopped=["b.timer", "a.path", "c.service", "none.timer"])["changed"] is False


def test_changed_unit_files_are_read_and_their_units_restarted(run, host):
    host.has({"a.path": AT_WORK, "b.timer": NEW})
    result = run(started=["a.path", "b.timer"], reload=True)
    assert host.commands == ["--no-reload enable b.timer", "daemon-reload", "restart a.path", "start b.timer"]
    assert result["changes"] == ["enable b.timer", "restart a.path", "start b.timer"]
    assert run(check=True, started=["a.path"], reload=True)["changes"] == ["restart a.path"]


def test_some_are_started_and_others_stopped(run, host):
    host.has({"a.path": NEW, "b.timer": AT_WORK})
    assert run(started=["a.path"], stopped=["b.timer"])["changed"] is True
    assert host.units == {"a.path": AT_WORK, "b.timer": NEW}


def test_in_an_image_units_are_enabled_and_disabled_and_none_is_started(run, host):
    host.has({"a.path": NEW, "b.timer": ["enabled", "inactive"]}, runs=False)
    result = run(offline=True, started=["a.path"], stopped=["b.timer", "none.timer"], reload=True)
    assert result["changes"] == ["enable a.path", "disable b.timer"]
    assert host.commands == ["--no-reload enable a.path", "--no-reload disable b.timer"]
    assert run(offline=True, started=["a.path"], stopped=["b.timer", "none.timer"], reload=True)["changed"] is False


def test_a_failure_names_the_command_its_reason_and_what_was_changed(run, host):
    result = run(started=["a.path", "none.timer"])
    assert result["failed"] is True
    assert result["msg"] == (
        "`systemctl --no-reload enable a.path none.timer` failed: Unit none.timer could not be found."
    )
    host.has({}, runs=False)
    assert "System has not been booted with systemd" in run(started=["a.path"])["msg"]


def test_a_run_is_announced_before_it_changes_anything(run, host, tmp_path):
    """This holds even if the run then fails."""
    file = tmp_path / "manifest"
    assert run(started=["a.path"], announced_by=str(file))["changed"] is True
    assert not file.exists()
    file.write_text("x")
    os.utime(str(file), (0, 0))
    run(check=True, started=["b.timer"], announced_by=str(file))
    assert file.stat().st_mtime == 0
    assert run(started=["none.timer"], announced_by=str(file))["failed"] is True
    assert file.stat().st_mtime > 0
    assert run(started=["a.path"], announced_by=str(file))["changed"] is False
    assert file.read_text() == "x"
