# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines a host in one round trip, by a program that brings along all that it needs but Python.

A module would fail on a host without Python, or with one too old for Ansible, in Ansible's words. So this works as
``raw`` does.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.loginwatch.pam.plugins.plugin_utils import preflight_command

TEXTS = {"type": "list", "elements": "str", "default": []}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "pam_services": {"type": "list", "elements": "str", "default": ["sshd"]},
    "units": {"type": "dict", "default": {}},
    "services": TEXTS,
    "sandbox": {"type": "list", "elements": "dict", "default": []},
    "offline": {"type": "bool", "default": False},
    "accept": TEXTS,
    "ca_file": {"type": "str", "default": ""},
    "adopt": {"type": "bool", "default": False},
    "adopt_commands": TEXTS,
    "adopt_files": TEXTS,
    "program": {"type": "str", "default": "/usr/local/bin/ssh-login-notify"},
    "pythons": TEXTS,
    "python_modules": TEXTS,
}


class ActionModule(ActionBase):
    """Runs the preflight, and fails when the host is not fit for the notifier."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the documentation in plugins/modules/preflight.py says. In check mode it runs as well."""
        result = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        done = self._low_level_execute_command(preflight_command.command(options), executable="/bin/sh")
        result.update(preflight_command.answer(done.get("stdout", ""), done.get("stderr", "")), changed=False)
        if result["problems"]:
            result.update(failed=True, msg=" ".join(["Nothing was changed.", *result["problems"]]))
        return result
