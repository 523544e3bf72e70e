# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of noxfile.py, run by nox in a checkout of their own: what makes them fail, and what makes them skip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import environment

PROJECT = Path(__file__).resolve().parents[3]
LOCKED = (".", "tools", "tests/unit/notifier", "tests/oldest_ansible", "tests/newest_ansible", "fuzz")


class Checkout:
    """A directory with the noxfile, and stand-ins for programs of .dev/venv."""

    def __init__(self, root: Path):
        self.root = root
        shutil.copy(PROJECT / "noxfile.py", root)
        (root / ".gitignore").write_text("/.dev/\n")
        subprocess.run(["git", "init", "-q", root], check=True)  # noqa: S603, S607

    def program(self, name: str, script: str) -> None:
        """Create a program of .dev/venv."""
        path = self.root / ".dev" / "venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.root / "calls"}\n{script}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """Return how the programs were called."""
        return (self.root / "calls").read_text().splitlines()

    def run(self, session: str, *words: str, **variables: str) -> tuple[str, str]:
        """Run a session. Return its outcome, as nox reports it, and its output."""
        report = self.root / "report.json"
        command = environment.nox("--no-dependencies", "--report", report, "--session", session, words=list(words))
        command[command.index(environment.ROOT / "noxfile.py")] = self.root / "noxfile.py"
        # No Python except nox's own.
        found = {**os.environ, "HOME": str(self.root), "LAB_ONE_PLATFORM": "", **variables}
        done = subprocess.run(command, env=found, capture_output=True, text=True, check=False)  # noqa: S603
        (entry,) = json.loads(report.read_text())["sessions"]
        assert done.returncode == (entry["result"] not in ("success", "skipped"))
        return entry["result"], done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path):
    environment.ensure_nox()
    return Checkout(tmp_path)


def commands(checkout):
    """Return the commands that Molecule was given."""
    return [line.split(" -s ")[0].rpartition(" ")[2] for line in checkout.calls()]


def test_a_scenario_is_run_as_a_whole(checkout):
    checkout.program("molecule", "")
    assert checkout.run("molecule(outage)")[0] == "success"
    assert checkout.calls() == [f"molecule -c {checkout.root}/.config/molecule/config.yml test -s outage"]


def test_or_by_the_commands_that_are_given(checkout):
    checkout.program("molecule", "")
    assert checkout.run("molecule(outage)", "converge", "verify")[0] == "success"
    assert commands(checkout) == ["converge", "verify"]


@pytest.mark.parametrize(
    ("given", "failing", "ran"),
    [
        (["verify", "destroy"], "verify", ["verify", "destroy"]),
        (["destroy", "converge", "verify"], "converge", ["destroy", "converge"]),
        (["verify", "destroy"], "destroy", ["verify", "destroy"]),
    ],
)
def test_after_a_failure_nothing_runs_but_a_last_destroy(checkout, given, failing, ran):
    checkout.program("molecule", f'case "$*" in *" {failing} "*) exit 3 ;; esac')
    assert checkout.run("molecule(outage)", *given)[0] == "failed"
    assert commands(checkout) == ran


def test_a_scenario_can_run_on_one_platform(checkout):
    checkout.program("molecule", "")
    checkout.run("molecule(outage)", LAB_ONE_PLATFORM="true")
    assert "/one_platform.yml test -s outage" in checkout.calls()[0]


def test_a_python_that_is_not_here_is_skipped(checkout):
    outcome, said = checkout.run("unit-3.7", PATH="/nowhere", CI="true")
    assert outcome == "skipped"
    assert "Python interpreter 3.7 not found" in said


def test_an_ansible_whose_python_is_not_here_is_skipped(checkout):
    outcome, said = checkout.run("plugins(oldest)")
    assert outcome == "skipped"
    assert "the oldest ansible-core runs on Python 3.12, 3.11, 3.10, none of which is here" in said


@pytest.mark.parametrize(
    ("session", "needed"),
    [
        ("shells", "shells"),
        ("plugins(usual)", "shells browser"),
        ("plugins(oldest)", "shells"),
        ("plugins(newest)", "shells"),
        ("receiver", "browser"),
        ("molecule(fleet)", "browser"),
        ("molecule(grown_fleet)", "browser"),
    ],
)
def test_a_session_alone_on_a_fresh_machine_installs_what_its_tests_need(checkout, session, needed):
    for name in ("python", "molecule"):
        checkout.program(name, "")
    for core in ("oldest", "newest"):
        python = checkout.root / ".dev" / f"{core}-ansible" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(checkout.root / ".dev" / "venv" / "bin" / "python")
        (python.parent.parent / "installed").touch()
    (checkout.root / "tools").mkdir()
    (checkout.root / "tools" / "__init__.py").touch()
    script = "import sys\nwith open('calls', 'a') as file:\n    print('install', *sys.argv[1:], file=file)\n"
    (checkout.root / "tools" / "system.py").write_text(script)
    outcome, said = checkout.run(session)
    assert outcome == "success", said
    assert checkout.calls()[0] == f"install {needed}"
    assert len(checkout.calls()) == 2


def test_what_is_left_open_is_found(checkout):
    words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    (checkout.root / "new.py").write_text("".join(f"x = 1  # {word}: more\n" for word in words))
    outcome, said = checkout.run("open-ends")
    assert outcome == "aborted"
    assert all(f"new.py:{line}:x = 1  # {word}: more" in said for line, word in enumerate(words, 1))


def test_nothing_else_is_found(checkout):
    (checkout.root / "new.py").write_text(f"x = 'TO{'DO'}S and auTO{'DO'}'\n")
    (checkout.root / ".dev").mkdir()
    (checkout.root / ".dev" / "log").write_text(f"TO{'DO'}\n")
    assert checkout.run("open-ends")[0] == "success"


@pytest.fixture
def locked(checkout):
    """A checkout with all locks."""
    for folder in LOCKED:
        (checkout.root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("requirements.in", "requirements.txt"):
            shutil.copy(PROJECT / folder / name, checkout.root / folder)
    return checkout


def test_the_locks_hold_what_their_ranges_ask_for(locked):
    assert locked.run("locks")[0] == "success"


def test_a_lock_of_other_ranges_is_found(locked):
    with (locked.root / "tools" / "requirements.in").open("a") as file:
        file.write("six\n")
    outcome, said = locked.run("locks")
    assert outcome == "aborted"
    assert "tools/requirements.txt is out of date with requirements.in: run ./dev lock" in said


def test_a_package_without_a_hash_is_found(locked):
    with (locked.root / "fuzz" / "requirements.txt").open("a") as file:
        file.write("six==1.17.0\n")
    outcome, said = locked.run("locks")
    assert outcome == "aborted"
    assert "fuzz/requirements.txt has no hash for six==1.17.0: run ./dev lock" in said


@pytest.mark.parametrize(
    ("script", "outcome", "words"),
    [
        ("echo 'No known vulnerabilities found' >&2", "success", ""),
        ("echo 'Found 2 known vulnerabilities in 1 package' >&2; echo six; exit 1", "aborted", "Raise the range"),
        ("echo 'ERROR: no connection' >&2; exit 1", "skipped", "pip-audit can't query the index: ERROR: no connection"),
    ],
)
def test_a_vulnerability_is_told_from_an_index_that_does_not_answer(checkout, script, outcome, words):
    checkout.program("pip-audit", script)
    result, said = checkout.run("vulnerabilities")
    assert result == outcome
    assert words in said
    assert len(checkout.calls()) == (len(LOCKED) if outcome == "success" else 1)
