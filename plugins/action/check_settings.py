# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the role's settings on the controller, one by one, so that an error message can name the variable.

A filter would get all of them at once, already evaluated. If one used an undefined variable, Ansible's message would
not name the setting.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings


class ActionModule(ActionBase):
    """Fails if a setting is wrong, with a sentence for each wrong setting."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the values that plugins/modules/check_settings.py documents. Also runs in check mode."""
        result = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(argument_spec={"secrets": {"type": "bool", "default": True}})
        variables = task_vars or {}
        found = role_settings.problems(variables, self._templar.template, options["secrets"])
        result.update(changed=False, problems=found)
        warnings = role_settings.foreign_variables(variables)
        if not found:
            # Ansible shows the same warning from several hosts only once.
            warnings += role_settings.notices(variables, self._templar.template)
        if warnings:
            result["warnings"] = warnings
        if found:
            result.update(failed=True, msg=" ".join(["Nothing was changed.", *map(_sentence, found)]))
        return result


def _sentence(problem: str) -> str:
    """Return a problem as a sentence. The name of a variable at its beginning is not capitalized."""
    return f"{problem if problem.startswith(settings.PREFIX) else problem[:1].upper() + problem[1:]}."
