# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the plugins' tests: imports from a plain checkout, known PAM stacks, and runs of real modules."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No time limits, for busy machines, and the same examples in each run.
settings.register_profile("plugins", derandomize=True, deadline=None, database=None)
settings.load_profile("plugins")

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
# Makes ansible_collections.loginwatch.pam importable, whatever the checkout's path and name.
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


# What a module imports is compiled once: the byte code is kept in a directory of the tests.
IMPORTS = """
import ansible.module_utils.basic, site
sys.dont_write_bytecode, sys.pycache_prefix = False, {!r}
"""


@pytest.fixture(scope="session")
def start_module(start_fork_server):
    """Run one of the collection's modules: start_module(name, input, directory) is status, output, errors."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    imports = IMPORTS.format(str(Path(_TREE.name, "byte-code")))
    server = start_fork_server(imports, "site.execsitecustomize()", environment)

    def start(name, text, directory):
        module = "ansible_collections.loginwatch.pam.plugins.modules." + name
        return server.run(module, [name], directory, dict(os.environ), text, [_TREE.name, *sys.path])

    return start


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
