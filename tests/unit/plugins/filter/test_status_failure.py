# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status_failure: why a host is not healthy, and what to do."""

import json

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.status_failure import FilterModule, status_failure

STATUS = {
    "configuration": {},
    "waiting": 0,
    "failed": 0,
    "last_delivery": None,
    "recent_deliveries": [],
    "problems": [],
    "state": "ok",
}


def result(code, **status):
    return {"rc": code, "stdout": json.dumps(dict(STATUS, **status)), "stderr": ""}


def test_ok_and_warning_are_well():
    assert FilterModule().filters() == {"status_failure": status_failure}
    assert status_failure(result(0)) == ""
    assert status_failure(result(1, state="warning", problems=["the disk is nearly full"])) == ""


@pytest.mark.parametrize("state", ["critical", "unknown"])
def test_other_states_are_not(state):
    found = status_failure(result(2, state=state, problems=["the disk is full", "1 alert was refused"]))
    assert found == f"{state}: the disk is full; 1 alert was refused"


@pytest.mark.parametrize("code", [2, 3, -9, None])
def test_an_exit_code_that_does_not_fit_is_a_failure(code):
    found = status_failure(result(code))
    assert found == f"ok, but its status exited with {code}. Run `ssh-login-notify status` on the host."


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"rc": 127, "stderr": "No such file\n", "msg": "non-zero return code"}, "No such file"),
        ({"stderr": "", "module_stderr": "Permission denied", "msg": "MODULE FAILURE"}, "Permission denied"),
        ({"rc": 2, "msg": "Error executing command."}, "Error executing command."),
        ({"rc": 1, "stdout": "Traceback", "stderr": ""}, "it printed nothing"),
        ({}, "it printed nothing"),
    ],
)
def test_without_an_answer_it_is_to_be_deployed(words, reason):
    assert status_failure(words) == (
        f"The notifier does not answer ({reason}): deploy it with `ansible-playbook loginwatch.pam.deploy`."
    )


@pytest.mark.parametrize("answer", ["{", " {}", json.dumps(dict(STATUS, state="splendid"))])
def test_an_answer_that_is_no_status_is_suspicious(answer):
    found = status_failure({"rc": 0, "stdout": answer})
    assert found.startswith("The status of the notifier is not valid (it")
    assert "Find out who changed the program" in found
