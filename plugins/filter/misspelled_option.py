# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a misspelled variable of the playbooks. It would have no effect, even if it was meant to select the hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ansible_collections.loginwatch.pam.plugins.plugin_utils.misspelling import nearest

DOCUMENTATION = r"""
name: misspelled_option
short_description: Find a misspelled variable of the playbooks
version_added: 0.1.0
author: the loginwatch founders
description:
  - The playbooks C(loginwatch.pam.deploy) and others accept some variables, such as C(target). This filter finds a
    variable whose name resembles that of an accepted variable that is not set.
positional: _input
options:
  _input:
    description: The names of all variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Stop if a variable is misspelled
  ansible.builtin.assert:
    that: misspelled == ''
    fail_msg: "{{ misspelled }}."
  vars:
    misspelled: "{{ query('ansible.builtin.varnames', '.') | loginwatch.pam.misspelled_option }}"
"""

RETURN = r"""
_value:
  description: What is wrong and what to do, without a full stop. Empty if nothing is.
  type: str
"""

OPTIONS = (
    "target",
    "canary",
    "deploy_batches",
    "deploy_real_login",
    "keys_report",
    "keys_unused_days",
    "keys_users",
    "prove_login_seconds",
    "quiet",
    "safety_valve_seconds",
    "verify_real_login",
    "verify_report",
)
# The least similarity for a misspelling: `traget` is taken for `target`, but `target_pattern` is not.
ALIKE = 0.8


def misspelled_option(names: Iterable[str]) -> str:
    """Return what is wrong with the first misspelled name and what to do, ``""`` if there is none."""
    given = set(names)
    meant = {name: nearest(name, OPTIONS, ALIKE) for name in sorted(given - set(OPTIONS))}
    found = [(name, option) for name, option in meant.items() if option and option not in given]
    return "{} is not a variable of this playbook: write {}".format(*found[0]) if found else ""


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"misspelled_option": misspelled_option}
