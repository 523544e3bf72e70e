# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with small stand-ins for SELinux's tools."""

import json
import os
import sys

import pytest

# semanage keeps its rules in a file, and restorecon the label of the only directory.
TOOL = """#!{python} -ISB
import json, os, re, sys
here = os.path.dirname(os.path.abspath(__file__))
state = json.load(open(os.path.join(here, "state")))
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
def wanted(path):
    return next((kind for pattern, kind in state["rules"].items() if re.fullmatch(pattern, path)), "var_spool_t")
if name == "semanage" and words[1] == "--extract":
    for pattern, kind in state["rules"].items():
        print("fcontext -a -f a -t %s -r 's0' '%s'" % (kind, pattern))
elif name == "semanage":
    if words[1] == "--delete":
        del state["rules"][words[-1]]
    else:
        state["rules"][words[-1]] = words[words.index("--type") + 1]
elif name == "matchpathcon":
    print("system_u:object_r:%s:s0" % wanted(words[-1]))
elif wanted(words[-1]) != state["label"]:
    print("Relabeled " + words[-1])
    if "-n" not in words:
        state["label"] = wanted(words[-1])
json.dump(state, open(os.path.join(here, "state"), "w"))
"""
POLICIES = """
from ansible_collections.loginwatch.pam.plugins.module_utils._file_contexts import FileContexts
FileContexts.__init__.__defaults__ = ({path!r},)
"""


class Host:
    """A host with a policy, a directory, and tools that can be missing."""

    def __init__(self, path):
        self.tools = path / "tools"
        self.tools.mkdir()
        for name in ("semanage", "restorecon", "matchpathcon"):
            (self.tools / name).write_text(TOOL.format(python=sys.executable))
            (self.tools / name).chmod(0o755)
        self.write({"rules": {}, "label": "var_spool_t"})
        policies = path / "selinux"
        policies.mkdir()
        (policies / "config").write_text("SELINUXTYPE=targeted\n")
        (path / "sitecustomize.py").write_text(POLICIES.format(path=str(policies)))
        self.spool = path / "spool"
        self.spool.mkdir()

    def write(self, state):
        (self.tools / "state").write_text(json.dumps(state))

    def read(self):
        return json.loads((self.tools / "state").read_text())


@pytest.fixture
def host(tmp_path):
    (tmp_path / "host").mkdir()
    return Host(tmp_path / "host")


@pytest.fixture
def run(run_module, host, monkeypatch):
    monkeypatch.syspath_prepend(str(host.tools.parent))
    monkeypatch.setenv("PATH", f"{host.tools}:{os.environ['PATH']}")

    def run(check=False, diff=False, **options):
        usual = {"directories": [str(host.spool)], "setype": "var_auth_t"}
        return run_module("file_contexts", check=check, diff=diff, **dict(usual, **options))

    return run


def test_missing_arguments_are_named(run_module):
    assert "missing required arguments: directories" in run_module("file_contexts", setype="var_auth_t")["msg"]
    message = run_module("file_contexts", directories=["/var/spool/example"])["msg"]
    assert "state is present but all of the following are missing: setype" in message


def test_check_mode_reports_and_changes_nothing(run, host):
    before = host.read()
    result = run(check=True)
    assert (result["changed"], host.read()) == (True, before)
    assert result["changes"] == [f"add {host.spool}(/.*)? var_auth_t"]


def test_a_first_run_changes_and_a_second_does_not(run, host):
    result = run(diff=True)
    assert result["changed"] is True
    assert host.read() == {"rules": {f"{host.spool}(/.*)?": "var_auth_t"}, "label": "var_auth_t"}
    assert result["diff"] == {
        "before": "",
        "after": f"add {host.spool}(/.*)? var_auth_t\nRelabeled {host.spool}\n",
    }
    assert run(check=True)["changed"] is False
    second = run()
    assert (second["changed"], second["changes"]) == (False, [])


def test_absent_undoes_it_and_a_second_run_changes_nothing(run, host):
    before = host.read()
    run()
    assert run(state="absent")["changed"] is True
    assert host.read() == before
    assert run(state="absent")["changed"] is False


def test_a_tool_that_fails_ends_the_task_with_its_reason(run, host):
    (host.tools / "semanage").write_text("#!/bin/sh\necho 'ValueError: policy is not managed' >&2\nexit 1\n")
    result = run()
    assert result["failed"] is True
    assert result["msg"] == "`semanage fcontext --extract` failed: ValueError: policy is not managed"
