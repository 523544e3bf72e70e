# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the text of the notifier's configuration from the role's settings."""

from __future__ import annotations

import json
from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils.role_settings import plain_settings

DOCUMENTATION = r"""
name: configuration_text
short_description: Make the text of the notifier's configuration
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns the configuration of the notifier as JSON, with a number for each number and text for each text, whatever
    YAML, Jinja and Vault have made of the role's variables.
  - The text holds the webhook, so a task that writes it must not show it.
positional: _input
options:
  _input:
    description:
      - The role's variables, without the prefix C(ssh_login_notify_) of their names.
      - Those that the notifier does not read are left out.
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
    values = {name: value for name, value in plain_settings(given).items() if name in settings.DEFAULTS}
    return json.dumps(values, ensure_ascii=False, indent=4, sort_keys=True)


class FilterModule:
    """Ansible's way to filters."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"configuration_text": configuration_text}
