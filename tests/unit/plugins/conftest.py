# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the tests of the plugins: imports from a plain checkout, known PAM stacks, and runs of a real module."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
# Makes ansible_collections.loginwatch.pam importable, wherever the checkout is and whatever its directory is called.
_TREE = tempfile.TemporaryDirectory(prefix="loginwatch-tests-")
_NAMESPACE = Path(_TREE.name, "ansible_collections", "loginwatch")
_NAMESPACE.mkdir(parents=True)
(_NAMESPACE / "pam").symlink_to(PROJECT)
# At the end, because the loaders of ansible-test must come first.
sys.path.append(_TREE.name)


def pytest_unconfigure():
    sys.path.remove(_TREE.name)
    _TREE.cleanup()


@pytest.fixture
def collections():
    """The directory in which Ansible finds the collection."""
    return Path(_TREE.name)


def load_stack(name):
    """Return the files of a known PAM stack: {name of the file: text}."""
    parts = re.split(r"^==> (\S+) <==\n", (HERE / "stacks" / (name + ".stack")).read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.fixture(params=sorted(path.stem if path.suffix == ".stack" else path.name for path in HERE.glob("stacks/*")))
def stack(request):
    return load_stack(request.param)


@pytest.fixture
def debian12():
    return load_stack("debian-12")


@pytest.fixture
def run_module(tmp_path):
    """Run a module of the collection as Ansible does, in its own process, and return the JSON that it prints."""

    def run(name, check=False, diff=False, environment=None, **arguments):
        module_arguments = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff)
        module_arguments.update(_ansible_remote_tmp=str(tmp_path), _ansible_keep_remote_files=False)
        done = subprocess.run(  # noqa: S603, UP022 - capture_output is not in Python 3.6
            [sys.executable, "-m", "ansible_collections.loginwatch.pam.plugins.modules." + name],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": module_arguments}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join([_TREE.name, *sys.path]), **(environment or {})),
            cwd=str(tmp_path),
            timeout=120,
            check=False,
        )
        run.output = done.stdout + done.stderr
        lines = done.stdout.decode().strip().splitlines()
        assert lines, done.stderr.decode()
        result = json.loads(lines[-1])
        assert result.get("failed", False) == (done.returncode != 0)
        return result

    return run
