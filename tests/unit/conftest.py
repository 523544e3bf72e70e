# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by all unit tests: the selections for further versions of Python and Ansible, and fork servers."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Imports what every run needs, then runs modules, each in a fork. It reads one job a line and prints the wait status of
# each run.
FORK_SERVER = """
import json, os, runpy, signal, sys
{imports}
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
    sys.path[:] = job["path"] or sys.path
    sys.argv = job["command"]
    {prepare}
    runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    break
"""
RUN_SECONDS = 240


def pytest_addoption(parser):
    parser.addoption(
        "--differing", action="store_true",
        help="for the oldest Python, and for an Ansible other than that of the whole run: the first case of every "
        "test, and all cases of the tests that are marked `each`",
    )  # fmt: skip
    parser.addoption(
        "--between", action="store_true",
        help="for a Python between the oldest and the newest: the first case of the tests that are marked `each`",
    )  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """Deselect the tests that need only run on one version, where the whole run has them.

    A test whose outcome can depend on the version of Python or Ansible is marked `each`: it starts processes or the
    installed program, parses deeply nested JSON, or quotes a text of Ansible. A test that is marked `whole` checks
    rules or files of this project alone, such as how many alerts may wait.
    """
    between = config.getoption("--between")
    if not between and not config.getoption("--differing"):
        return
    kept, deselected, seen = [], [], set()
    for item in items:
        is_each, is_whole = map(item.get_closest_marker, ("each", "whole"))
        test = item.nodeid.partition("[")[0]
        is_first = test not in seen
        seen.add(test)
        is_kept = is_each and is_first if between else is_each or is_first
        (kept if is_kept and not is_whole else deselected).append(item)
    config.hook.pytest_deselected(items=deselected)
    items[:] = kept


class ForkServer:
    """Runs Python modules as programs. Python starts once, and so do the modules that all runs import."""

    def __init__(self, imports, prepare, environment):
        """Start it.

        :param imports: statements that it runs once
        :param prepare: a statement that each fork runs before the module
        :param environment: its environment variables
        """
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", FORK_SERVER.format(imports=imports, prepare=prepare)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
        )  # fmt: skip

    def run(self, module, command, directory, environment, text="", path=None):
        """Run a module as `__main__`; return its exit status, and its output and its errors as bytes.

        :param command: its sys.argv
        :param directory: its working directory
        :param text: its standard input
        :param path: its sys.path; without one, that of the server
        """
        with tempfile.TemporaryDirectory() as streams:
            paths = [Path(streams, stream) for stream in ("input", "output", "errors")]
            paths[0].write_text(text, encoding="utf-8")
            job = {
                "module": module, "command": command, "streams": [str(stream) for stream in paths],
                "directory": str(directory), "environment": environment, "path": path, "seconds": RUN_SECONDS,
            }  # fmt: skip
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            return code, paths[1].read_bytes(), paths[2].read_bytes()

    def stop(self):
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def start_fork_server():
    """Start a ForkServer that is stopped after the last test: start_fork_server(imports, prepare, environment)."""
    servers = []

    def start(*arguments):
        servers.append(ForkServer(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
