# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summarizes how many hosts have proven that their logins are reported, and by which proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

DOCUMENTATION = r"""
name: proof_summary
author: the loginwatch founders
version_added: 0.1.0
short_description: Summarize how many hosts have proven that their logins are reported
description:
  - Counts the hosts that have proven themselves in P(loginwatch.pam.deploy#playbook) or in
    P(loginwatch.pam.verify#playbook).
  - For each host it reads the variables C(prove_login), C(prove_problem), C(prove_alert),
    C(ssh_login_notify_test_alert) and C(verify_failure). Any of them may be missing.
positional: _input
options:
  _input:
    description: Names of the hosts, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  variables:
    description: The variables of each host by its name, C(hostvars).
    type: dict
    required: true
  reachable:
    description: Names of the hosts that are still part of the play, C(ansible_play_hosts). The others prove nothing.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Report how many hosts are proven
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | loginwatch.pam.proof_summary(hostvars, ansible_play_hosts) }}"
"""

RETURN = r"""
_value:
  description: One sentence.
  type: str
  sample: 4 of 4 hosts proven by a real login.
"""

LOGIN = "a real login"
ALERT = "a test alert"


def proof_summary(hosts: Iterable[str], variables: Mapping[str, Any], reachable: Iterable[str]) -> str:
    """Return the sentence."""
    names = list(hosts)
    in_play = set(reachable)
    proofs = [_proof(variables[name]) for name in names if name in in_play]
    counts = {proof: proofs.count(proof) for proof in (LOGIN, ALERT) if proof in proofs}
    total = f"{sum(counts.values())} of {len(names)} {'host' if len(names) == 1 else 'hosts'} proven"
    if len(counts) > 1:
        return f"{total}: {', '.join(f'{count} by {proof}' for proof, count in counts.items())}."
    return f"{total} by {next(iter(counts))}." if counts else f"{total}."


def _proof(known: Mapping[str, Any]) -> str:
    """Return how the host was proven: LOGIN, ALERT, or ``""`` if it was not."""
    if known.get("verify_failure") is not None:
        return ""
    login = known.get("prove_login") or {}
    if login.get("rc") == 0 and known.get("prove_problem") == "":
        return LOGIN
    alerts = [known.get(name) or {} for name in ("prove_alert", "ssh_login_notify_test_alert")]
    return ALERT if any(alert.get("delivered") is True for alert in alerts) else ""


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"proof_summary": proof_summary}
