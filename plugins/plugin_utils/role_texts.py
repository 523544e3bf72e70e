# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads texts from the `files` and `templates` of a role, for action plugins.

The lookups ``file`` and ``template`` would be slow for each file on each host: ``template`` copies all variables of the
host each time (``deepcopy`` in ansible/plugins/lookup/template.py), and Ansible evaluates an argument that contains a
lookup more than once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

try:
    from ansible.template import trust_as_template
except ImportError:  # up to ansible-core 2.18 any text can be a template

    def trust_as_template(value: str) -> str:
        """Return the text unchanged."""
        return value


def file_text(action: ActionBase, name: str) -> str:
    """Return the text of a file, which is searched like the ``src`` of ``copy``. Raises AnsibleActionFail."""
    path = _found(action, "files", name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail(f"{path} cannot be read: {error}") from error


def rendered(action: ActionBase, name: str) -> str:
    """Return a template rendered with the host's variables. It is searched like the ``src`` of ``template``.

    Raises AnsibleActionFail if it is not found, and AnsibleError if it fails.
    """
    path = _found(action, "templates", name)
    templar: Any = action._templar
    text = trust_as_template(path.read_text(encoding="utf-8"))
    if hasattr(templar, "evaluate_expression"):
        return str(templar.template(text, escape_backslashes=False))
    # Without convert_data=False, ansible-core up to 2.18 converts a JSON text to a dictionary.
    return str(templar.template(text, escape_backslashes=False, convert_data=False))


def package_modules(action: ActionBase, name: str, exclude: Iterable[str]) -> dict[str, str]:
    """Return the texts of a Python package's modules by their paths within the package. Raises AnsibleActionFail.

    exclude: paths of modules to leave out
    """
    directory = _found(action, "files", name)
    paths = {path.relative_to(directory).as_posix(): path for path in sorted(directory.glob("**/*.py"))}
    left_out = set(exclude)
    modules = {name: path.read_text(encoding="utf-8") for name, path in paths.items() if name not in left_out}
    if not modules:
        raise AnsibleActionFail(f"{directory} contains no Python modules.")
    return modules


def _found(action: ActionBase, directory: str, name: str) -> Path:
    try:
        return Path(action._find_needle(directory, name))
    except AnsibleError as error:
        raise AnsibleActionFail(str(error)) from error
