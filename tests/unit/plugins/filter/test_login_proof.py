# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""login_proof: only the alert of exactly this login is a proof, and a rule that matches the login ends the wait."""

import json

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.login_proof import FilterModule, login_proof

LOGIN = {"rc": 0, "stdout_lines": ["Welcome", "192.0.2.1 50001 192.0.2.2 22"]}
STATUS = {
    "configuration": {}, "waiting": 0, "failed": 0, "last_delivery": None, "recent_deliveries": [], "problems": [],
    "version": "0.1.0", "state": "ok",
}  # fmt: skip


def proof(login=LOGIN, **status):
    return login_proof(login, json.dumps(dict(STATUS, **status)), "verify_real_login")


def test_it_is_registered():
    assert FilterModule().filters() == {"login_proof": login_proof}


@pytest.mark.parametrize("origin", ["192.0.2.1 port 50001", "192.0.2.1 port 50001 (ada.example.net)"])
def test_a_delivery_from_this_address_and_port_proves_it(origin):
    assert proof(recent_deliveries=[{"from": origin}]) == {"settled": True, "rule": 0, "problem": ""}


def test_a_repeat_of_a_login_that_was_reported_proves_it_too():
    found = proof(recent_folded=[{"from": "192.0.2.1 port 50001", "into": "1-1"}])
    assert found == {"settled": True, "rule": 0, "problem": ""}
    assert not proof(recent_folded=[{"from": "192.0.2.1 port 50002", "into": "1-1"}])["settled"]


@pytest.mark.parametrize("origin", ["192.0.2.1 port 5000", "192.0.2.1 port 500011", "192.0.2.10 port 50001", ""])
def test_another_login_proves_nothing(origin):
    found = proof(recent_deliveries=[{"from": origin}], recent_ignored=[{"from": origin, "rule": 1}])
    assert (found["settled"], found["rule"]) == (False, 0)
    assert "was not delivered in time (the notifier reports no problem). Run" in found["problem"]


def test_a_rule_that_matches_is_named_and_settles_it():
    found = proof(recent_ignored=[{"from": "192.0.2.1 port 50001", "rule": 3}])
    assert (found["settled"], found["rule"]) == (True, 3)
    assert found["problem"].startswith("Rule 3 of ssh_login_notify_ignore matches the login from 192.0.2.1 port 50001,")
    assert found["problem"].endswith("set -e verify_real_login=false.")


def test_a_login_that_no_channel_takes_is_settled_too():
    found = proof(recent_ignored=[{"from": "192.0.2.1 port 50001", "rule": 0}])
    assert (found["settled"], found["rule"]) == (True, 0)
    assert found["problem"].startswith("No channel in ssh_login_notify_channels takes the login from 192.0.2.1 port")


CLOCK = 1763884862


def at(seconds, **entry):
    return dict(entry, id=f"{CLOCK + seconds:.6f}-4242")


def login_of(connection, clock=str(CLOCK)):
    return {"rc": 0, "stdout_lines": ["Welcome", clock, connection]}


# The connection in the session and the origin in the alert, if sshd passes no port to PAM.
PORTLESS = [
    ("192.0.2.1 50001 192.0.2.2 22", "192.0.2.1 (by PAM_RHOST, port not known)"),
    ("192.0.2.1 50001 192.0.2.2 22", "ada.example.net (by PAM_RHOST, port not known)"),
    ("fe80::1%eth0 50001 fe80::2%eth0 22", "fe80::1%eth0 (by PAM_RHOST, port not known)"),
    ("UNKNOWN 65535 UNKNOWN 65535", "a local socket"),
    ("UNKNOWN 65535 /run/ssh-unix-local/socket 65535", "a local socket"),
]


@pytest.mark.parametrize(("connection", "origin"), PORTLESS)
def test_where_sshd_names_no_port_the_time_of_the_login_counts(connection, origin):
    for seconds in (-29.9, -0.2, 0.9):
        found = proof(login_of(connection), recent_deliveries=[at(seconds, **{"from": origin})])
        assert found == {"settled": True, "rule": 0, "problem": ""}
        assert proof(login_of(connection), recent_ignored=[at(seconds, rule=2, **{"from": origin})])["rule"] == 2
    for seconds in (-31, -86400, 1.1, 60):
        assert not proof(login_of(connection), recent_deliveries=[at(seconds, **{"from": origin})])["settled"]
    for entry in ({"from": origin}, {"from": origin, "id": "x"}, {"from": origin, "id": None}):
        assert not proof(login_of(connection), recent_deliveries=[entry])["settled"]
    for clock in ("", "Welcome", "12:00"):
        assert not proof(login_of(connection, clock), recent_deliveries=[at(0, **{"from": origin})])["settled"]


@pytest.mark.parametrize(
    ("connection", "origin"),
    [
        ("192.0.2.1 50001 192.0.2.2 22", "192.0.2.10 (by PAM_RHOST, port not known)"),
        ("192.0.2.1 50001 192.0.2.2 22", "192.0.2.1 port 50002"),
        ("192.0.2.1 50001 192.0.2.2 22", "a local socket"),
        ("192.0.2.1 50001 192.0.2.2 22", "not known"),
        ("192.0.2.1 50001 192.0.2.2 22", "terminal tty1"),
        ("UNKNOWN 65535 UNKNOWN 65535", "192.0.2.1 port 50001"),
        ("UNKNOWN 65535 UNKNOWN 65535", "192.0.2.1 (by PAM_RHOST, port not known)"),
    ],
)
def test_another_login_at_the_same_time_proves_nothing(connection, origin):
    assert not proof(login_of(connection), recent_deliveries=[at(0, **{"from": origin})])["settled"]


def test_the_notifiers_own_words_are_passed_on():
    assert "in time (the disk is full; x)" in proof(problems=["the disk is full", "x"])["problem"]
    assert "no valid status" in login_proof(LOGIN, "Traceback", "x")["problem"]


@pytest.mark.parametrize(
    "login", [{}, {"rc": 1, "stdout_lines": []}, {"rc": 0, "stdout_lines": []}, {"rc": 0, "stdout_lines": ["Welcome"]}]
)
def test_a_login_without_its_address_can_not_be_told_from_others(login):
    found = login_proof(login, "", "deploy_real_login")
    assert found["settled"]
    assert "set ansible_become in the inventory, not by -e" in found["problem"]
    assert found["problem"].endswith("set -e deploy_real_login=false.")
