# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds what only the controller has to the module's arguments: the texts of files, templates and units, and secrets.

Ansible shows the arguments of a task to every callback, and a callback may print them. That of ansible-runner does so
with DISPLAY_ARGS_TO_STDOUT. ``no_log`` would hide them, but also the whole result of the task. So a task only names the
variable that contains a secret, and the value is looked up here.

Ansible also passes each argument to other processes, once for each host. So a task only names the files, too.
"""

from typing import Any, Dict, List, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_texts, systemd_units

# Knows every setting.
NEWEST_SYSTEMD = 9999
# Options that give a file its text. Each file has one of them.
TEXTS = ("content", "secret_content", "secret_variable", "src", "template")


class ActionModule(ActionBase):
    """Runs the module of the same name, after replacing names of files, templates, units and variables with texts."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Return the module's result. Raises AnsibleActionFail if a file, template or variable does not exist."""
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if isinstance(arguments.get("files"), list):
            arguments["files"] = [self._with_text(file, task_vars or {}) for file in arguments["files"]]
        if isinstance(arguments.get("package"), dict):
            arguments["package"] = self._with_modules(arguments["package"])
        if isinstance(arguments.get("units"), dict):
            arguments["files"] = [*(arguments.get("files") or []), *self._unit_files(arguments.pop("units"))]
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _with_text(self, file: Any, variables: Dict[str, Any]) -> Any:
        found = [option for option in TEXTS if isinstance(file, dict) and option in file]
        # The module refuses a file with none or two of the options, or a value that is not a name.
        if len(found) != 1 or not isinstance(file[found[0]], str):
            return file
        (option,) = found
        others = {key: value for key, value in file.items() if key != option}
        if option == "src":
            first_line = others.pop("first_line", None)
            return dict(others, content=_text(role_texts.file_text(self, file["src"]), first_line))
        if option == "template":
            return dict(others, content=role_texts.rendered(self, file["template"]))
        if option == "secret_variable":
            return dict(others, secret_content=self._secret(file, variables))
        return file

    def _secret(self, file: Dict[str, Any], variables: Dict[str, Any]) -> Any:
        name = file["secret_variable"]
        if name not in variables:
            raise AnsibleActionFail(
                f"files: {file.get('path')} cannot be written because the variable {name} does not exist."
                " Define it, or correct secret_variable."
            )
        # ansible-core up to 2.18 converts a JSON text to a dictionary unless convert_data is false. Later versions do
        # not convert it, and warn about the option (Templar.template in lib/ansible/template/__init__.py).
        if hasattr(self._templar, "evaluate_expression"):
            return self._templar.template(variables[name])
        return self._templar.template(variables[name], convert_data=False)

    def _with_modules(self, package: Dict[str, Any]) -> Dict[str, Any]:
        if not isinstance(package.get("src"), str) or "modules" in package:
            return package
        others = {option: value for option, value in package.items() if option not in ("src", "exclude")}
        return dict(others, modules=role_texts.package_modules(self, package["src"], package.get("exclude") or []))

    def _unit_files(self, units: Dict[str, Any]) -> List[Dict[str, Any]]:
        version, without = int(units.get("systemd_version", NEWEST_SYSTEMD)), units.get("without") or []
        try:
            return [
                {
                    "path": f"{units.get('directory', '/etc/systemd/system')}/{name}",
                    "content": systemd_units.fitted(role_texts.rendered(self, f"{name}.j2"), version, without),
                }
                for name in units.get("names") or []
            ]
        except KeyError as error:
            why = f"units: the setting {error} is not known: add it to systemd_units.py."
            raise AnsibleActionFail(why) from None


def _text(text: str, first_line: Optional[str]) -> str:
    """Return the text of a file, in which ``first_line`` replaces the first line unless it is None."""
    return text if first_line is None else first_line + "\n" + text.partition("\n")[2]
