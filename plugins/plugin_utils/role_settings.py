# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's settings as plain Python values, whatever YAML, Jinja and Vault have made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.loginwatch.pam.plugins.module_utils import settings


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, each with the type of its default where its value allows that."""
    return {name: _typed(name, _plain(value)) for name, value in given.items()}


def _plain(value: Any) -> Any:
    """Return the value without the types of its own that Ansible gives it."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, str) or getattr(value, "__ENCRYPTED__", False):
        return str(value)  # up to ansible-core 2.18 a text from Vault is an object that decrypts itself
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def _typed(name: str, value: Any) -> Any:
    if name == "host_label":
        return "" if value is None else str(value)  # YAML reads 42 as a number, and nothing as null
    default = settings.DEFAULTS.get(name)
    # Up to ansible-core 2.18 a variable that is a template by itself is text, never a number or a truth value.
    if isinstance(default, bool) and isinstance(value, (str, int)):
        return boolean(value, strict=False)
    if isinstance(default, int) and isinstance(value, str) and value.isdigit():
        return int(value)
    return value
