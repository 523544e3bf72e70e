# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the time of a heartbeat to the format of cron(8)."""

from __future__ import annotations

from typing import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.loginwatch.pam.plugins.module_utils import settings

DOCUMENTATION = r"""
name: cron_time
short_description: Convert the time of a heartbeat to the format of cron
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns the first five fields of a crontab(5) line for a time in the format of
    O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_heartbeat_time).
options:
  _input:
    description: A time of day, optionally with days of the week before it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show when cron sends a heartbeat
  ansible.builtin.debug:
    msg: "{{ 'Mon,Thu 08:30' | loginwatch.pam.cron_time }}"  # 30 8 * * 1,4
"""

RETURN = r"""
_value:
  description: Minute, hour, day of the month, month and days of the week.
  type: str
"""


def cron_time(heartbeat_time: str) -> str:
    """Return the first five fields of a crontab(5) line. Raises AnsibleFilterError."""
    try:
        return settings.cron_time(str(heartbeat_time))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"cron_time": cron_time}
