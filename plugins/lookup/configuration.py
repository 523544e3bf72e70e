# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports
"""Builds the text of the notifier's configuration from the variables of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: configuration
short_description: Build the text of the notifier's configuration from a host's variables
version_added: 0.1.0
author: The loginwatch founders (@loginwatch)
description:
  - Returns the output of the filter P(loginwatch.pam.configuration_text#filter) for all variables of the role that the
    notifier reads.
  - The text contains the webhook, so a task that writes it must not show it.
options:
  _terms:
    description: Takes no terms.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write the configuration somewhere else
  ansible.builtin.copy:
    content: "{{ lookup('loginwatch.pam.configuration') }}"
    dest: /root/candidate.conf
    mode: '0600'
  no_log: true
"""

RETURN = r"""
_raw:
  description: The configuration, as the notifier reads it.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_options: Any) -> list[str]:
        """Return a list with the text. Raises any error of a template in the variables."""
        template = self._templar.template
        values = {name: role_settings.value_of(name, variables or {}, template) for name in settings.DEFAULTS}
        return [role_settings.configuration_text(values)]
