# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a playbook runs on, for each `target` and inventory."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ["deploy", "verify", "safety_valve", "rotate_webhook", "remove"]
# Those that take something away.
TAKING_AWAY = ["safety_valve", "remove"]
FLEET = "web-1,web-2,db"


def run(*words):
    """Run ansible-playbook; return the exit code and the output."""
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), *words],
        env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(PROJECT / ".dev" / "collections")),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def hosts(output):
    """Return the hosts of each play."""
    return [set(play.split()) for play in re.findall(r"hosts \(\d+\):\n((?: {6}\S+\n)*)", output)]


def names(playbooks):
    return [f"loginwatch.pam.{playbook}" for playbook in playbooks]


# All playbooks in one run, since each start takes half a second.
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
def test_the_target_is_any_pattern_of_the_inventory(target, chosen):
    extra = [] if target is None else ["-e", json.dumps({"target": target})]
    playbooks = [playbook for playbook in PLAYBOOKS if target is not None or playbook not in TAKING_AWAY]
    code, output = run(*names(playbooks), "-i", FLEET, "--list-hosts", *extra)
    assert code == 0, output
    found = output.split("\nplaybook: ")[1:]
    assert len(found) == len(playbooks)
    assert [{frozenset(each) for each in hosts(text)} for text in found] == [{frozenset(chosen)}] * len(playbooks)


@pytest.mark.parametrize("playbook", TAKING_AWAY)
def test_what_takes_something_away_needs_a_target(playbook):
    code, output = run(*names([playbook]), "-i", FLEET, "--list-hosts")
    assert code != 0
    assert "This playbook needs a target: name the hosts with -e target=PATTERN" in output


# What all of them read does the rest, and this shows that `keys` reads it.
@pytest.mark.parametrize("playbook", [*PLAYBOOKS, "keys"])
def test_a_misspelled_target_is_not_taken_for_all_hosts(playbook):
    code, output = run(*names([playbook]), "-i", FLEET, "--list-hosts", "-e", "traget=web-1")
    assert code != 0
    assert "Nothing was changed. traget is not a variable of this playbook: write target." in " ".join(output.split())
    assert hosts(output) == []


WRONG = ("-i", FLEET, "-e", "target=wbe")


# The pattern is worked out by what all of them include (playbooks/vars/target.yml), so one shows each way to nobody.
@pytest.mark.parametrize(
    ("playbook", "options"),
    [
        *((playbook, WRONG) for playbook in PLAYBOOKS),
        ("deploy", ("-i", "/nonexistent", "-e", "target=web-1")),
        ("deploy", ("-i", "/nonexistent", "-e", "target=all")),
    ],
)
def test_nobody_is_not_taken_for_a_fleet_on_which_all_is_well(playbook, options):
    code, output = run(*names([playbook]), *options)
    assert code != 0
    assert re.search("no host in this inventory matches (wbe|web-1|all)", output)


@pytest.mark.parametrize("empty", ["", ",", None, []])
def test_an_empty_target_is_not_taken_for_all_hosts(empty):
    """`-e target=$GROUP`, where the variable is not set."""
    code, output = run("loginwatch.pam.deploy", "-i", FLEET, "--list-hosts", "-e", json.dumps({"target": empty}))
    assert code != 0
    assert "Nothing was changed. The target is empty: name the hosts with -e target=PATTERN" in " ".join(output.split())


def test_a_site_s_own_playbook_can_be_checked_without_an_inventory(tmp_path):
    site = tmp_path / "site.yml"
    deploy = {"ansible.builtin.import_playbook": "loginwatch.pam.deploy", "vars": {"target": "web"}}
    site.write_text(json.dumps([deploy]))
    code, output = run(str(site), "--syntax-check")
    assert code == 0, output
