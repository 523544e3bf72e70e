# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces each ``secret_variable`` by the value of that variable, so late that no callback plugin sees it.

Ansible shows the arguments of a task to every callback, and a callback may print them: DISPLAY_ARGS_TO_STDOUT makes
ansible-runner's do so. ``no_log`` would hide them together with the task's whole result. So a task only names the
variable that holds the secret, and the value is looked up here.
"""

from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs the module of the same name, with ``secret_content`` in place of each ``secret_variable``."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Return the module's result. Raises AnsibleActionFail if a variable does not exist."""
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if isinstance(arguments.get("files"), list):
            arguments["files"] = [self._with_secret(file, task_vars or {}) for file in arguments["files"]]
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _with_secret(self, file: Any, variables: Dict[str, Any]) -> Any:
        # Anything that does not name a variable is left for the module to validate.
        if not isinstance(file, dict) or not isinstance(file.get("secret_variable"), str):
            return file
        name = file["secret_variable"]
        if name not in variables:
            raise AnsibleActionFail(
                f"files: {file.get('path')} cannot be written because the variable {name} does not exist."
                " Define it, or correct secret_variable."
            )
        others = {option: value for option, value in file.items() if option != "secret_variable"}
        if "secret_content" in others:
            raise AnsibleActionFail(
                f"files: {file.get('path')} has both secret_content and secret_variable. Remove one of them."
            )
        return dict(others, secret_content=self._template(variables[name]))

    def _template(self, value: Any) -> Any:
        # Up to ansible-core 2.18, a text in JSON becomes a dictionary unless convert_data is false. Later versions have
        # no such conversion, and warn about the option (Templar.template in lib/ansible/template/__init__.py).
        if hasattr(self._templar, "evaluate_expression"):
            return self._templar.template(value)
        return self._templar.template(value, convert_data=False)
