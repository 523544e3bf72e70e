# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook. Python and Ansible start once; each run is a fork of that process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

COLLECTIONS = Path(__file__).resolve().parents[3] / ".dev" / "collections"
IMPORTS = """
import ansible.cli, ansible.executor.module_common, ansible.playbook.role, ansible.plugins.strategy
from ansible import constants
"""
# Ansible makes its temporary directory when it is imported, and each run removes it at its end.
PREPARE = "os.makedirs(constants.DEFAULT_LOCAL_TMP, 0o700, exist_ok=True)"
MODULES = {"ansible-playbook": "ansible.cli.playbook", "ansible-vault": "ansible.cli.vault"}


class Starter:
    """Runs Ansible's programs with one set of Ansible's own variables, which Ansible reads when it is imported."""

    def __init__(self, start_fork_server, variables):
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._environment = {**inherited, "ANSIBLE_LOCALHOST_WARNING": "False", **variables}
        self._server = start_fork_server(IMPORTS, PREPARE, self._environment)

    def run(self, program, *words, directory="/", **variables):
        """Run a program; return how it ended.

        :param directory: the working directory
        :param variables: further environment variables; none of Ansible's settings
        """
        command = [program, *map(str, words)]
        environment = {**self._environment, **variables}
        status, *streams = self._server.run(MODULES[program], command, directory, environment)
        return subprocess.CompletedProcess(words, status, *(stream.decode() for stream in streams))


@pytest.fixture(scope="session")
def start_ansible(start_fork_server):
    """Return a starter: start_ansible(ANSIBLE_X="…"). The same variables give the same one."""
    starters = {}

    def start(**variables):
        key = json.dumps(variables, sort_keys=True)
        if key not in starters:
            starters[key] = Starter(start_fork_server, variables)
        return starters[key]

    return start


@pytest.fixture(scope="session")
def ansible(start_ansible):
    """Run a program of Ansible with this checkout's collection: ansible("ansible-playbook", …)."""
    return start_ansible(ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS), ANSIBLE_CALLBACK_RESULT_FORMAT="json").run
