# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin, in real runs of ansible-playbook on localhost."""

import getpass
import grp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = '{"webhook": "not-a-real-secret"}'  # noqa: S105


class Playbook:
    """A playbook with one task on localhost."""

    def __init__(self, path, collections):
        self.path = path
        self.file = path / "secret"
        self._collections = collections

    def run(self, *options, variable="text", **more):
        me = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getegid()).gr_name}
        variables = {"part": "real", "text": "{{ '{\"webhook\": \"not-a-' ~ part ~ '-secret\"}' | string }}"}
        file = dict(me, path=str(self.file), mode="0600", secret_variable=variable, **more)
        task = {"loginwatch.pam.installed_files": {"files": [file]}}
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}
        (self.path / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(  # noqa: S603
            [str(program), "-vvv", "--diff", *options, str(self.path / "play.json")],
            env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(self._collections), ANSIBLE_LOCALHOST_WARNING="False"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, " ".join(done.stdout.split())


@pytest.fixture
def playbook(tmp_path, collections):
    return Playbook(tmp_path, collections)


def test_the_variable_is_written_as_it_stands_and_shown_nowhere(playbook):
    code, output = playbook.run("--check")
    assert (code, playbook.file.exists()) == (0, False)
    assert "+a secret" in output
    for changed in (1, 0):
        code, output = playbook.run()
        assert code == 0, output
        assert f"changed={changed}" in output
        assert playbook.file.read_text() == SECRET
        assert "real-secret" not in output


def test_a_variable_that_there_is_not_is_named_with_its_file(playbook):
    code, output = playbook.run(variable="another")
    assert code != 0
    assert f"{playbook.file} cannot be written because the variable another does not exist" in output
    assert not playbook.file.exists()


@pytest.mark.parametrize("other", ["content", "secret_content"])
def test_a_file_has_one_text(playbook, other):
    code, output = playbook.run(**{other: "else"})
    assert code != 0
    assert "mutually exclusive" in output
    assert "real-secret" not in output
    assert not playbook.file.exists()


@pytest.mark.parametrize(("more", "reason"), [({}, "content is missing"), ({"content": "text"}, "mutually exclusive")])
def test_what_is_no_name_is_left_to_the_module(playbook, more, reason):
    code, output = playbook.run(variable={"no": "name"}, **more)
    assert code != 0
    assert reason in output
    assert not playbook.file.exists()
