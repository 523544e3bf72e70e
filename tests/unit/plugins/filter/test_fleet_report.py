# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet_report: one record for each host, however little is known about it."""

import json

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.fleet_report import FilterModule, fleet_report

STATUS = {
    "configuration": {"host_label": "shop"},
    "waiting": 0,
    "failed": 0,
    "last_delivery": {"delivered_at": 1763884862.5},
    "recent_deliveries": [],
    "problems": [],
    "version": "0.1.0",
    "state": "ok",
}
REACHED = {"unreachable": False}


def known(login=0, failure=None, **status):
    """Return verify's facts about a host that answered. login: the exit code of the login, or None without one."""
    variables = {"ssh_login_notify_host": REACHED, "verify_status": {"stdout": json.dumps(dict(STATUS, **status))}}
    if login is not None:
        variables["prove_login"] = {"rc": login}
    if failure is not None:
        variables["verify_failure"] = failure
    return variables


def record(variables, in_play=True):
    (found,) = fleet_report(["web-3"], {"web-3": variables}, ["web-3"] if in_play else [])["hosts"]
    return found


def test_a_host_that_is_well():
    assert FilterModule().filters() == {"fleet_report": fleet_report}
    assert record(known()) == {
        "host": "web-3",
        "label": "shop",
        "state": "ok",
        "version": "0.1.0",
        "last_delivery": 1763884862.5,
        "waiting": 0,
        "failed": 0,
        "complete_since": None,
        "missed": None,
        "last_missed": None,
        "not_proven": "",
        "real_login": "delivered",
        "problems": [],
        "channels": [],
        "sandbox_without": [],
    }


def test_its_completeness_is_in_the_report():
    completeness = {"complete_since": 1763884000.5, "missed": 1, "last_missed": 1763884000.5, "gaps": []}
    found = record(known(completeness=completeness))
    assert (found["complete_since"], found["missed"], found["not_proven"]) == (1763884000.5, 1, "")
    assert found["last_missed"] == 1763884000.5


def test_its_channels_are_in_the_report():
    channels = {"ops": {"kind": "discord", "host": "x", "waiting": 1, "failed": 0, "problems": ["alerts wait"]}}
    ops = {"name": "ops", "kind": "discord", "waiting": 1, "failed": 0, "well": False}
    assert record(known(channels=channels))["channels"] == [ops]


def test_what_a_host_refuses_of_the_sandbox_is_no_problem_and_is_in_the_report():
    found = record(known(sandbox_without=["namespaces"]))
    assert (found["state"], found["problems"], found["sandbox_without"]) == ("ok", [], ["namespaces"])


@pytest.mark.parametrize("state", ["warning", "critical", "unknown"])
def test_without_a_failure_of_the_playbook_the_notifier_says_the_state(state):
    found = record(known(state=state, problems=["the disk is full"]))
    assert (found["state"], found["problems"]) == (state, ["the disk is full"])


def test_a_failure_of_the_playbook_is_critical_and_the_only_problem():
    found = record(known(failure="The login succeeded, but its alert was not delivered.", problems=["another"]))
    assert (found["state"], found["real_login"]) == ("critical", "not delivered")
    assert found["problems"] == ["The login succeeded, but its alert was not delivered."]


def test_a_failure_is_one_line_that_a_terminal_can_show():
    found = record(known(failure="first\nweb-4  ok\x1b[2J\u202e\ud800 caf\u00e9"))
    assert found["problems"] == ["first web-4  ok [2J   caf\u00e9"]


@pytest.mark.parametrize("login", [None, 1])
def test_a_login_that_was_not_identified_was_not_tried(login):
    assert record(known(login=login))["real_login"] == "not tried"
    assert record(known(login=login, failure="x"))["real_login"] == "not tried"


@pytest.mark.parametrize("rule", [2, "2"])
def test_a_login_that_a_rule_matches_is_no_failure(rule):
    """Up to ansible-core 2.18 a fact that consists of one template is text."""
    found = record(dict(known(), prove_rule=rule))
    assert (found["state"], found["real_login"], found["problems"]) == ("ok", "ignored by rule 2", [])
    assert record(dict(known(), prove_rule=0))["real_login"] == "delivered"


def test_a_skipped_login_was_not_tried():
    assert record(dict(known(), prove_login={"skipped": True}))["real_login"] == "not tried"


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, "Ansible could not reach it."),
        ({"ssh_login_notify_host": {"unreachable": True}}, "Ansible could not reach it."),
        ({"ssh_login_notify_host": {"unreachable": True}, "verify_failure": "No route to host"}, "No route to host"),
    ],
)
def test_a_host_that_was_never_reached(variables, problem):
    found = record(variables)
    assert (found["state"], found["problems"], found["real_login"]) == ("unreachable", [problem], "not tried")
    assert (found["waiting"], found["last_delivery"], found["version"]) == (None, None, "")


def test_a_host_that_was_lost_on_the_way():
    found = record(known(failure="x"), in_play=False)
    assert (found["state"], found["real_login"]) == ("unreachable", "not tried")
    assert "lost the connection" in found["problems"][0]


@pytest.mark.parametrize("answer", ["", "{", "[]", json.dumps(dict(STATUS, state="splendid"))])
def test_an_answer_that_is_no_status_makes_the_state_unknown(answer):
    found = record(dict(known(), verify_status={"stdout": answer}))
    assert found["state"] == "unknown"
    assert found["problems"][0].startswith("Its status could not be understood: it")


@pytest.mark.parametrize("status", [None, {}, {"skipped": True}])
def test_a_host_that_was_not_asked_is_unknown_too(status):
    assert record(dict(known(), verify_status=status))["state"] == "unknown"


def test_the_worst_comes_first_and_equals_keep_the_order_of_the_inventory():
    fleet = {
        "b": known(), "a": known(), "w": known(state="warning"), "u": known(state="unknown"), "c": known(failure="x"),
        "gone": {},
    }  # fmt: skip
    found = fleet_report(fleet, fleet, fleet)
    assert [host["host"] for host in found["hosts"]] == ["gone", "c", "u", "w", "b", "a"]
    assert list(found["states"].items()) == [
        ("unreachable", 1), ("critical", 1), ("unknown", 1), ("warning", 1), ("ok", 2),
    ]  # fmt: skip


def test_hosts_that_missed_a_login_are_counted_and_not_their_logins():
    completeness = {"complete_since": 1763884000.5, "gaps": []}
    variables = {
        str(missed): known(completeness=dict(completeness, missed=missed, last_missed=missed * 100.0))
        for missed in (0, 7, 1)
    }
    variables.update(old=known(), new=known(completeness={}))
    found = fleet_report(list(variables), variables, list(variables))
    assert (found["missed_hosts"], found["last_missed"]) == (2, 700.0)


def test_a_state_that_does_not_occur_is_not_counted():
    assert fleet_report(["a"], {"a": known()}, ["a"])["states"] == {"ok": 1}
    assert fleet_report([], {}, []) == {"states": {}, "missed_hosts": 0, "last_missed": None, "hosts": []}
