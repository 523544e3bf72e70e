# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extracts the settings that confine systemd services, so that a host can try them in advance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.loginwatch.pam.plugins.plugin_utils import systemd_units

DOCUMENTATION = r"""
name: unit_sandbox
short_description: Extract the settings that confine systemd services
version_added: 0.1.0
author: the loginwatch founders
description:
  - Takes the texts of services, and returns the settings that confine them, in the form of the option
    O(loginwatch.pam.preflight#module:sandbox). With them, the preflight finds out which of them a host can set up.
options:
  _input:
    description: The texts of the services.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what confines a service
  ansible.builtin.debug:
    msg: "{{ [lookup('ansible.builtin.template', 'example.service.j2')] | loginwatch.pam.unit_sandbox }}"
"""

RETURN = r"""
_value:
  description: The settings in the order of the units, without duplicates.
  type: list
  elements: dict
  contains:
    setting:
      description: The line of the unit, such as C(ProtectHome=yes).
      type: str
    since:
      description: The first version of systemd that knows the setting.
      type: int
    part:
      description: The part of the sandbox that the setting belongs to, V(namespaces), V(system calls) or
        V(capabilities).
      type: str
"""


def unit_sandbox(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return the settings as RETURN describes them. Raises AnsibleFilterError for one that is not in the table."""
    try:
        return systemd_units.sandbox([str(text) for text in texts])
    except KeyError as error:
        raise AnsibleFilterError(f"unit_sandbox does not know the setting {error}: add it to its table.") from None


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"unit_sandbox": unit_sandbox}
