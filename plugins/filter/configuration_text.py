# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the text of the notifier's configuration from the role's settings."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings

DOCUMENTATION = r"""
name: configuration_text
short_description: Build the text of the notifier's configuration
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns the configuration of the notifier as JSON. Each value has the type that the notifier expects, even if YAML,
    Jinja or Vault have changed the type of the role's variable.
  - The text contains the webhook, so a task that writes it must not show it.
positional: _input
options:
  _input:
    description:
      - The role's variables, named without the prefix C(ssh_login_notify_).
      - Variables that the notifier does not read are left out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write a configuration
  ansible.builtin.copy:
    content: "{{ {'webhook_url': vault_webhook} | loginwatch.pam.configuration_text }}"
    dest: /root/candidate.conf
    mode: '0600'
  no_log: true
"""

RETURN = r"""
_value:
  description: The configuration, as the notifier reads it.
  type: str
"""


def configuration_text(given: dict[str, Any]) -> str:
    """Return the configuration as JSON."""
    return role_settings.configuration_text(role_settings.plain_settings(given))


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"configuration_text": configuration_text}
