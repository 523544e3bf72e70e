# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is wrong with the role's settings, by the rules that the notifier has on the host."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils.role_settings import plain_settings

DOCUMENTATION = r"""
name: settings_problems
short_description: Say what is wrong with the settings of the role ssh_login_notify
version_added: 0.1.0
author: the loginwatch founders
description:
  - Checks the settings of the role C(loginwatch.pam.ssh_login_notify) by the notifier's own rules.
  - No sentence shows the webhook or the address of the dead man's switch.
positional: _input
options:
  _input:
    description: The role's variables, without the prefix C(ssh_login_notify_) of their names.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop if a setting is wrong
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('. ') }}."
  vars:
    problems: "{{ {'webhook_url': vault_webhook, 'pam_services': ['sshd']} | loginwatch.pam.settings_problems }}"
"""

RETURN = r"""
_value:
  description: What is wrong and what to do, one text for each problem, without a full stop. Empty if all is well.
  type: list
  elements: str
"""


def settings_problems(given: dict[str, Any]) -> list[str]:
    """Return one text for each problem."""
    return settings.role_problems(plain_settings(given))


class FilterModule:
    """Ansible's way to filters."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"settings_problems": settings_problems}
