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


# Starts modules, each in a process of its own: it forks. To start Python and to import Ansible's part takes most of the
# time of a run, and is done once. A line says what to run, and one says how it has ended.
STARTER = """
import ansible.module_utils.basic, json, os, runpy, signal, site, sys
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid:
        print(os.waitpid(pid, 0)[1], flush=True)
        continue
    for number, flags in enumerate((os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(job["streams"][number], flags, 0o600), number)
    sys.stdin = open(0)
    signal.alarm(job["seconds"])
    os.chdir(job["directory"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path[:] = job["path"]
    site.execsitecustomize()
    runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    break
"""
MODULE_SECONDS = 120


@pytest.fixture(scope="session")
def start_module():
    """Run one of the collection's modules: start_module(name, input, directory) is status, output, errors."""
    starter = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", STARTER], env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
    )  # fmt: skip

    def start(name, text, directory):
        with tempfile.TemporaryDirectory(dir=_TREE.name) as streams:
            paths = [Path(streams, stream) for stream in ("input", "output", "errors")]
            paths[0].write_text(text, encoding="utf-8")
            job = {
                "module": "ansible_collections.loginwatch.pam.plugins.modules." + name,
                "streams": [str(path) for path in paths], "seconds": MODULE_SECONDS,
                "directory": str(directory), "environment": dict(os.environ), "path": [_TREE.name, *sys.path],
            }  # fmt: skip
            starter.stdin.write(json.dumps(job) + "\n")
            starter.stdin.flush()
            status = starter.stdout.readline()
            return int(status), paths[1].read_bytes(), paths[2].read_bytes()

    yield start
    starter.stdin.close()
    starter.wait()
    starter.stdout.close()


@pytest.fixture
def run_module(tmp_path, start_module):
    """Run a module of the collection as Ansible does, in its own process, and return the JSON that it prints."""

    def run(name, check=False, diff=False, **arguments):
        module_arguments = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff)
        module_arguments.update(_ansible_remote_tmp=str(tmp_path), _ansible_keep_remote_files=False)
        status, output, errors = start_module(name, json.dumps({"ANSIBLE_MODULE_ARGS": module_arguments}), tmp_path)
        run.output = output + errors
        lines = output.decode().strip().splitlines()
        assert lines, errors.decode()
        result = json.loads(lines[-1])
        assert result.get("failed", False) == (status != 0)
        return result

    return run
