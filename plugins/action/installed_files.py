# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts secrets into the arguments of the module, so late that nobody else sees them.

Ansible shows the arguments of a task to every callback, and a callback may write them down (DISPLAY_ARGS_TO_STDOUT has
ansible-runner's do so). ``no_log`` keeps them from it, along with all that the task has to tell. So a task names the
variable that holds the secret, and its value is looked up here.
"""

from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs the module of the same name, with ``secret_content`` in the place of each ``secret_variable``."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Return what the module returns. Raises AnsibleActionFail if there is no such variable."""
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if isinstance(arguments.get("files"), list):
            arguments["files"] = [self._with_secret(file, task_vars or {}) for file in arguments["files"]]
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _with_secret(self, file: Any, variables: Dict[str, Any]) -> Any:
        # Whatever is no file with the name of a variable is left for the module to judge.
        if not isinstance(file, dict) or not isinstance(file.get("secret_variable"), str):
            return file
        name = file["secret_variable"]
        if name not in variables:
            raise AnsibleActionFail(f"files: there is no variable {name}, which {file.get('path')} is to be made of.")
        others = {option: value for option, value in file.items() if option != "secret_variable"}
        if "secret_content" in others:
            raise AnsibleActionFail(f"files: {file.get('path')} has both secret_content and secret_variable.")
        return dict(others, secret_content=self._text_of(variables[name]))

    def _text_of(self, value: Any) -> Any:
        # Up to ansible-core 2.18 a text in JSON becomes a dictionary, unless told not to. Later ones have no such
        # conversion, and warn of the option (Templar.template in ansible-core's lib/ansible/template/__init__.py).
        if hasattr(self._templar, "evaluate_expression"):
            return self._templar.template(value)
        return self._templar.template(value, convert_data=False)
