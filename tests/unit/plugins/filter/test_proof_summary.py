# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""proof_summary: one sentence, which counts only hosts with a proof."""

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.proof_summary import FilterModule, proof_summary

LOGIN = {"prove_login": {"rc": 0}, "prove_problem": "", "ssh_login_notify_test_alert": {"delivered": True}}
IGNORED = {"prove_login": {"rc": 0}, "prove_problem": "Rule 1 …", "prove_alert": {"delivered": True}}
ROLE = {"prove_login": {"skipped": True}, "ssh_login_notify_test_alert": {"delivered": True}}
NOTHING = [
    {}, {"prove_login": None}, {"prove_login": {"rc": 1}, "prove_problem": ""},
    {"prove_login": {"rc": 0}, "prove_problem": "x"}, dict(LOGIN, verify_failure="x"),
    {"prove_alert": {"delivered": None}},
]  # fmt: skip


def summary(*hosts, lost=()):
    fleet = {str(number): host for number, host in enumerate(hosts)}
    return proof_summary(fleet, fleet, [name for name in fleet if name not in lost])


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ([LOGIN] * 4, "4 of 4 hosts proven by a real login."),
        ([LOGIN], "1 of 1 host proven by a real login."),
        ([LOGIN, ROLE, IGNORED], "3 of 3 hosts proven: 1 by a real login, 2 by a test alert."),
        ([ROLE, ROLE], "2 of 2 hosts proven by a test alert."),
        ([LOGIN, *NOTHING], "1 of 7 hosts proven by a real login."),
        (NOTHING, "0 of 6 hosts proven."),
        ([], "0 of 0 hosts proven."),
    ],
)
def test_the_sentence(hosts, sentence):
    assert FilterModule().filters() == {"proof_summary": proof_summary}
    assert summary(*hosts) == sentence


def test_a_host_that_was_lost_later_proves_nothing():
    assert summary(LOGIN, LOGIN, lost=["1"]) == "1 of 2 hosts proven by a real login."
