# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the role's settings on the controller, each by itself, so that what is wrong has the name of a variable.

A filter would be given all of them at once, evaluated: one undefined variable, and Ansible names none of the settings.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings


class ActionModule(ActionBase):
    """Fails with a sentence for each setting that is wrong."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the documentation in plugins/modules/check_settings.py says. In check mode it runs as well."""
        result = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(argument_spec={"secrets": {"type": "bool", "default": True}})
        variables = task_vars or {}
        found = role_settings.problems(variables, self._templar.template, options["secrets"])
        result.update(changed=False, problems=found)
        warnings = role_settings.foreign_variables(variables)
        if not found:
            # Ansible shows the same warning of several hosts once.
            warnings += role_settings.notices(variables, self._templar.template)
        if warnings:
            result["warnings"] = warnings
        if found:
            result.update(failed=True, msg=" ".join(["Nothing was changed.", *map(_sentence, found)]))
        return result


def _sentence(problem: str) -> str:
    """Return a problem as a sentence. The name of a variable stays as it is."""
    return f"{problem if problem.startswith(settings.PREFIX) else problem[:1].upper() + problem[1:]}."
