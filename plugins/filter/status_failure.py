# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explains what is wrong with a host's notifier, from the result of `ssh-login-notify status --json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.filter.status_report import status_report

DOCUMENTATION = r"""
name: status_failure
author: the loginwatch founders
version_added: 0.1.0
short_description: Explain what is wrong with a host's notifier
description:
  - Takes the result of a task that ran C(ssh-login-notify status --json), and returns what is wrong with the notifier.
  - Warnings do not count. They are for people to read, and not a reason to fail.
positional: _input
options:
  _input:
    description: The registered result of a task with M(ansible.builtin.command).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Read the notifier's status
  ansible.builtin.command: ssh-login-notify status --json
  register: status
  changed_when: false
  failed_when: status | loginwatch.pam.status_failure != ''
"""

RETURN = r"""
_value:
  description: What is wrong, and what to do. Empty if nothing is wrong.
  type: str
"""

WELL = ("ok", "warning")
# `status` exits with 0 if there is no problem, and with 1 for a warning. A program that crashes also exits with 1.
WELL_CODES = (0, 1)
DEPLOY = "`ansible-playbook loginwatch.pam.deploy`"


def status_failure(result: Mapping[str, Any]) -> str:
    """Return what is wrong with the notifier, ``""`` if nothing is."""
    answer = result.get("stdout") or ""
    report = status_report(answer)
    if report["understood"]:
        if report["state"] in WELL and result.get("rc") in WELL_CODES:
            return ""
        if report["problems"]:
            return f"{report['state']}: {'; '.join(report['problems'])}"
        code = result.get("rc")
        return f"{report['state']}, but its status exited with {code}. Run `ssh-login-notify status` on the host."
    if answer.lstrip().startswith("{"):
        return (
            f"The status of the notifier is not valid ({report['fault']}). Find out who changed the program on the"
            f" host, and deploy it again with {DEPLOY}."
        )
    # The program's own message, or Ansible's if it could not run the program.
    reason = next(filter(None, map(result.get, ("stderr", "module_stderr", "msg"))), "it printed nothing")
    return f"The notifier does not answer ({str(reason).strip()}): deploy it with {DEPLOY}."


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"status_failure": status_failure}
