# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapts the text of a systemd unit to the systemd of a host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.loginwatch.pam.plugins.plugin_utils import systemd_units

DOCUMENTATION = r"""
name: fitted_unit
short_description: Adapt the text of a systemd unit to a host
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns the text of a unit without the settings that the host's version of systemd does not know, and without the
    parts of the sandbox that the host refuses to set up.
  - Fails for a setting that is not in its own table, because it can't tell which versions of systemd know it.
options:
  _input:
    description: The text of the unit.
    type: str
    required: true
  version:
    description: The version of the host's systemd.
    type: int
    required: true
  without:
    description: Parts of the sandbox to leave out, as M(loginwatch.pam.preflight) returns them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show a unit as it is installed on EL 8
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.template', 'example.service.j2') | loginwatch.pam.fitted_unit(version=239) }}"
"""

RETURN = r"""
_value:
  description: The text for this host.
  type: str
"""


def fitted_unit(text: str, version: int, without: Iterable[str] = ()) -> str:
    """Return the text of the unit for a host. Raises AnsibleFilterError for a setting that is not in the table."""
    try:
        return systemd_units.fitted(str(text), int(version), [str(part) for part in without])
    except KeyError as error:
        raise AnsibleFilterError(f"fitted_unit does not know the setting {error}: add it to its table.") from None


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"fitted_unit": fitted_unit}
