# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a playbook runs on, for each `target` and inventory."""

import json
import re

import pytest

PLAYBOOKS = ["deploy", "verify", "safety_valve", "rotate_webhook", "remove"]
# Playbooks that remove something.
TAKING_AWAY = ["safety_valve", "remove"]
FLEET = "web-1,web-2,db"


@pytest.fixture(scope="module")
def run(ansible):
    """Run ansible-playbook. Return the exit code and the output: run("PLAYBOOK", …)."""

    def run(*words):
        done = ansible("ansible-playbook", *words)
        return done.returncode, done.stdout + done.stderr

    return run


def hosts(output):
    """Return the hosts of each play."""
    return [set(play.split()) for play in re.findall(r"hosts \(\d+\):\n((?: {6}\S+\n)*)", output)]


def names(playbooks):
    return [f"loginwatch.pam.{playbook}" for playbook in playbooks]


# All playbooks in one run, because each start takes half a second.
@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        (None, {"web-1", "web-2", "db"}),
        ("db", {"db"}),
        ("web-*:!web-2", {"web-1"}),
        ("web-1,db", {"web-1", "db"}),
        (["web-1", "db"], {"web-1", "db"}),
    ],
)
def test_the_target_is_any_pattern_of_the_inventory(run, target, chosen):
    extra = [] if target is None else ["-e", json.dumps({"target": target})]
    playbooks = [playbook for playbook in PLAYBOOKS if target is not None or playbook not in TAKING_AWAY]
    code, output = run(*names(playbooks), "-i", FLEET, "--list-hosts", *extra)
    assert code == 0, output
    found = output.split("\nplaybook: ")[1:]
    assert len(found) == len(playbooks)
    assert [{frozenset(each) for each in hosts(text)} for text in found] == [{frozenset(chosen)}] * len(playbooks)


@pytest.mark.parametrize("playbook", TAKING_AWAY)
def test_what_takes_something_away_needs_a_target(run, playbook):
    code, output = run(*names([playbook]), "-i", FLEET, "--list-hosts")
    assert code != 0
    assert "This playbook needs a target: name the hosts with -e target=PATTERN" in output


# A shared file does the rest, and this shows that `keys` uses it.
@pytest.mark.parametrize("playbook", [*PLAYBOOKS, "keys"])
def test_a_misspelled_target_is_not_taken_for_all_hosts(run, playbook):
    code, output = run(*names([playbook]), "-i", FLEET, "--list-hosts", "-e", "traget=web-1")
    assert code != 0
    assert "Nothing was changed. traget is not a variable of this playbook: write target." in " ".join(output.split())
    assert hosts(output) == []


WRONG = ("-i", FLEET, "-e", "target=wbe")


# A shared file (playbooks/vars/target.yml) builds the pattern, so one playbook shows each way to an empty target.
@pytest.mark.parametrize(
    ("playbook", "options"),
    [
        *((playbook, WRONG) for playbook in PLAYBOOKS),
        ("deploy", ("-i", "/nonexistent", "-e", "target=web-1")),
        ("deploy", ("-i", "/nonexistent", "-e", "target=all")),
    ],
)
def test_nobody_is_not_taken_for_a_fleet_on_which_all_is_well(run, playbook, options):
    code, output = run(*names([playbook]), *options)
    assert code != 0
    assert re.search("no host in this inventory matches (wbe|web-1|all)", output)


@pytest.mark.parametrize("empty", ["", ",", None, []])
def test_an_empty_target_is_not_taken_for_all_hosts(run, empty):
    """`-e target=$GROUP`, where the variable is not set."""
    code, output = run("loginwatch.pam.deploy", "-i", FLEET, "--list-hosts", "-e", json.dumps({"target": empty}))
    assert code != 0
    assert "Nothing was changed. The target is empty: name the hosts with -e target=PATTERN" in " ".join(output.split())


def test_a_site_s_own_playbook_can_be_checked_without_an_inventory(run, tmp_path):
    site = tmp_path / "site.yml"
    deploy = {"ansible.builtin.import_playbook": "loginwatch.pam.deploy", "vars": {"target": "web"}}
    site.write_text(json.dumps([deploy]))
    code, output = run(str(site), "--syntax-check")
    assert code == 0, output
