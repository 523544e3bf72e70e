# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports
"""Returns settings of the role as the user meant them.

The filter of the same name does this for one value. But a worker that needs one filter of a collection loads all of
them (Jinja2Loader.get_with_context in ansible/plugins/loader.py), for each task on each host. A lookup avoids that.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: setting
short_description: Return a setting of the role ssh_login_notify as the user meant it
version_added: 0.1.0
author: The loginwatch founders (@loginwatch)
description:
  - Returns the value of a variable of the role, converted as by the filter P(loginwatch.pam.setting#filter), or the
    default if the variable is not defined.
options:
  _terms:
    description: Names of variables, without the prefix C(ssh_login_notify_).
    type: list
    elements: str
    required: true
  as_cron:
    description:
      - Whether to return a time such as V(Mon,Thu 08:30) as the first five fields of a line of crontab(5). The filter
        P(loginwatch.pam.cron_time#filter) does the same.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the PAM services
  ansible.builtin.debug:
    msg: "{{ lookup('loginwatch.pam.setting', 'pam_services') }}"
"""

RETURN = r"""
_raw:
  description: The values.
  type: list
  elements: raw
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.loginwatch.pam.plugins.module_utils import settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
        """Return the values. Raises AnsibleError for an unknown setting, and any error of a template in a value."""
        unknown = [name for name in terms if name not in role_settings.DEFAULTS]
        if unknown:
            mend = "give the name of one, without `ssh_login_notify_`"
            raise AnsibleError(f"{', '.join(unknown)} is not a variable of this role: {mend}.")
        self.set_options(var_options=variables, direct=options)
        values = [role_settings.value_of(str(name), variables or {}, self._templar.template) for name in terms]
        return [settings.cron_time(value) for value in values] if self.get_option("as_cron") else values
