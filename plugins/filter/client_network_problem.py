# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is wrong with the address or network of an ignore rule, by the notifier's own rules."""

DOCUMENTATION = """
name: client_network_problem
short_description: Say why a text is no address or network that a rule can compare
version_added: 0.1.0
author: The loginwatch founders
description:
  - Says what is wrong with the C(from) of a rule of O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_ignore),
    and what to write instead.
  - It decides as the notifier does on the host, whichever Python that has.
options:
  _input:
    description: An address or a network. A link-local one needs its zone.
    type: str
    required: true
"""

EXAMPLES = """
- name: Refuse rules that would match nothing
  ansible.builtin.assert:
    that: item | loginwatch.pam.client_network_problem == ''
    fail_msg: "{{ item | loginwatch.pam.client_network_problem }}"
  loop: ['10.0.0.0/8', '2001:db8::/32', 'fe80::1%eth0']
"""

RETURN = """
_value:
  description: What is wrong and what to write, empty if nothing is.
  type: str
"""

from ansible_collections.loginwatch.pam.plugins.module_utils import client_networks  # noqa: E402


def client_network_problem(text: str) -> str:
    return client_networks.problem(str(text))


class FilterModule:
    """The filter, as Ansible looks for it."""

    def filters(self) -> dict:
        return {"client_network_problem": client_network_problem}
