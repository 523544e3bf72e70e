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


def run(playbook, *options):
    """Return the exit code and the output."""
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), playbook, *options],
        env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(PROJECT / ".dev" / "collections")),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def hosts(output):
    """Return the hosts of each play."""
    return [set(play.split()) for play in re.findall(r"hosts \(\d+\):\n((?: {6}\S+\n)*)", output)]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
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
def test_the_target_is_any_pattern_of_the_inventory(playbook, target, chosen):
    extra = [] if target is None else ["-e", json.dumps({"target": target})]
    code, output = run(f"loginwatch.pam.{playbook}", "-i", FLEET, "--list-hosts", *extra)
    if target is None and playbook in TAKING_AWAY:
        assert code != 0
        assert "This playbook needs a target: name the hosts with -e target=PATTERN" in output
        return
    assert code == 0, output
    assert {frozenset(each) for each in hosts(output)} == {frozenset(chosen)}


# What all of them read does the rest, and this shows that `keys` reads it.
@pytest.mark.parametrize("playbook", [*PLAYBOOKS, "keys"])
def test_a_misspelled_target_is_not_taken_for_all_hosts(playbook):
    code, output = run(f"loginwatch.pam.{playbook}", "-i", FLEET, "--list-hosts", "-e", "traget=web-1")
    assert code != 0
    assert "Nothing was changed. traget is not a variable of this playbook: write target." in " ".join(output.split())
    assert hosts(output) == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
@pytest.mark.parametrize(
    "options",
    [("-i", FLEET, "-e", "target=wbe"), ("-i", "/nonexistent", "-e", "target=web-1"),
     ("-i", "/nonexistent", "-e", "target=all")],
)  # fmt: skip
def test_nobody_is_not_taken_for_a_fleet_on_which_all_is_well(playbook, options):
    code, output = run(f"loginwatch.pam.{playbook}", *options)
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
