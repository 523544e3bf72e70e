# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""misspelled_option: which names count as a misspelled variable of the playbooks."""

import re
from pathlib import Path

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.misspelled_option import OPTIONS, misspelled_option

PLAYBOOKS = Path(__file__).resolve().parents[4] / "playbooks"


@pytest.mark.parametrize("option", OPTIONS)
def test_one_letter_too_few_too_many_or_in_the_wrong_place_is_noticed(option):
    for number in range(1, len(option) - 1):
        swapped = option[:number] + option[number + 1] + option[number] + option[number + 2 :]
        shorter, longer = option[:number] + option[number + 1 :], option[:number] + "x" + option[number:]
        for name in {shorter, longer, swapped} - {option}:
            said = misspelled_option(["ansible_version", name])
            assert said == f"{name} is not a variable of this playbook: write {option}"


def test_a_name_beside_the_right_one_is_somebody_s_own():
    assert misspelled_option(["targets", "target"]) == ""
    assert misspelled_option(["deploy_user", "hosts", "verify_ssl", "canaries_per_zone"]) == ""


def test_the_playbooks_own_variables_are_none():
    own = set()
    for path in PLAYBOOKS.rglob("*.yml"):
        own |= set(re.findall(r"^ *([a-z_]+):", path.read_text(encoding="utf-8"), re.M))
    assert {"deploy_services", "target_hosts", "safety_valve_mode"} <= own
    assert misspelled_option(own - set(OPTIONS)) == ""


def test_every_variable_that_a_playbook_s_head_names_is_known():
    heads = {path: path.read_text(encoding="utf-8").partition("\n- name:")[0] for path in PLAYBOOKS.glob("*.yml")}
    named = {name for head in heads.values() for name in re.findall(r"-e '?\{?\"?([a-z_]+)(?:\"|=)", head)}
    assert {"target", "canary", "deploy_batches", "verify_report"} <= named
    assert {name for name in named if not name.startswith("ssh_login_notify_")} <= set(OPTIONS)
