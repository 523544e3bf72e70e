# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Returns a setting of the role as the user meant it."""

from __future__ import annotations

from typing import Callable

from ansible_collections.loginwatch.pam.plugins.plugin_utils.role_settings import plain_setting

DOCUMENTATION = r"""
name: setting
short_description: Return a setting of the role ssh_login_notify as the user meant it
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns the default for C(omit), and the empty text for null if that is the default. A text such as V(yes) or V(20)
    becomes a boolean or a number if the default is one. Other values stay unchanged.
  - It never fails. M(loginwatch.pam.check_settings) reports wrong values.
positional: _input, name
options:
  _input:
    description: The value of the variable.
    type: raw
    required: true
  name:
    description: The name of the variable, without the prefix C(ssh_login_notify_).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the PAM services
  ansible.builtin.debug:
    msg: "{{ ssh_login_notify_pam_services | default(omit) | loginwatch.pam.setting('pam_services') }}"
"""

RETURN = r"""
_value:
  description: The value.
  type: raw
"""


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"setting": plain_setting}
