# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines a host in one round trip, with a program that only needs Python on the host.

On a host without Python, or with a Python that is too old for Ansible, a module would fail with a message from Ansible.
So this plugin works like ``raw``.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.loginwatch.pam.plugins.plugin_utils import preflight_command, role_texts, systemd_units

TEXTS = {"type": "list", "elements": "str", "default": []}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "pam_services": {"type": "list", "elements": "str", "default": ["sshd"]},
    "copy_vendor": {"type": "bool", "default": False},
    "units": {"type": "dict", "default": {}},
    "services": TEXTS,
    "sandbox": {"type": "list", "elements": "dict", "default": []},
    "sandbox_of": TEXTS,
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
# Ansible imports an action plugin in its main process (action_loader.get in ansible/plugins/strategy/linear.py), and
# forks a worker from it for each task on each host. So this is computed once in a run, and not for each host.
preflight_command.code()


class ActionModule(ActionBase):
    """Runs the preflight, and fails if the notifier can't run on the host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the values that plugins/modules/preflight.py documents. Also runs in check mode."""
        result = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options["sandbox"] += self._sandbox(options.pop("sandbox_of"))
        done = self._low_level_execute_command(preflight_command.command(options), executable="/bin/sh")
        result.update(preflight_command.answer(done.get("stdout", ""), done.get("stderr", "")), changed=False)
        if result["problems"]:
            result.update(failed=True, msg=" ".join(["Nothing was changed.", *result["problems"]]))
        return result

    def _sandbox(self, services: list[str]) -> list[dict[str, Any]]:
        try:
            return systemd_units.sandbox([role_texts.rendered(self, f"{name}.j2") for name in services])
        except KeyError as error:
            why = f"sandbox_of: the setting {error} is not known: add it to systemd_units.py."
            raise AnsibleActionFail(why) from None
