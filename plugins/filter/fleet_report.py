# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one record for each host from the results of the playbook `verify`, the worst host first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.filter.status_report import status_report

DOCUMENTATION = r"""
name: fleet_report
author: the loginwatch founders
version_added: 0.1.0
short_description: Build the report of a fleet from the results of P(loginwatch.pam.verify#playbook)
description:
  - Builds one record for each host, whatever its answers are and even if it is unreachable.
  - For each host it reads the variables C(ssh_login_notify_host), C(verify_status), C(verify_failure), C(prove_login)
    and C(prove_rule). Any of them may be missing.
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
    description: Names of the hosts that are still part of the play, C(ansible_play_hosts).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Count the hosts in each state
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | loginwatch.pam.fleet_report(hostvars, ansible_play_hosts)).states }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    states:
      description: Number of hosts in each state that occurs, the worst first.
      type: dict
      sample: {critical: 1, ok: 3}
    missed_hosts:
      description: Number of hosts on which a login was not reported since the audit began.
      type: int
      sample: 0
    last_missed:
      description: The time of the last login that was not reported, in seconds since the epoch. Null if there is none.
      type: float
    hosts:
      description: One record for each host, the worst first.
      type: list
      elements: dict
      contains:
        host:
          description: Name in the inventory.
          type: str
        label:
          description: Name in alerts. Empty if it is not known.
          type: str
        state:
          description: V(unreachable), V(critical), V(unknown), V(warning) or V(ok).
          type: str
        version:
          description: Version of the notifier. Empty if it is not known.
          type: str
        last_delivery:
          description: When an alert was last delivered, in seconds since the epoch. Null if none was.
          type: float
        waiting:
          description: Number of waiting alerts. Null if it is not known.
          type: int
        failed:
          description: Number of refused alerts. Null if it is not known.
          type: int
        complete_since:
          description: The time since when the notifier knows every login, in seconds since the epoch. Null if unknown.
          type: float
        missed:
          description: Number of logins that were not reported, in total. Null if it is not known.
          type: int
        last_missed:
          description: The time of the last of these logins, in seconds since the epoch. Null if there is none.
          type: float
        not_proven:
          description: Why it is not known whether every login was reported. Empty if it is known.
          type: str
        real_login:
          description:
            - V(delivered), V(not delivered) or V(not tried).
            - V(ignored by rule 2) if the second rule in
              O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_ignore) matches the login.
          type: str
        problems:
          description: What is wrong, and what to do. Each is a text of one line.
          type: list
          elements: str
        channels:
          description: The channels of its alerts, as dictionaries with C(name), C(kind), C(waiting), C(failed) and
            C(well).
          type: list
          elements: dict
        sandbox_without:
          description: The parts of the units' sandbox that the host refuses. Its services run without them.
          type: list
          elements: str
"""

# The worst first.
STATES = ("unreachable", "critical", "unknown", "warning", "ok")


def fleet_report(hosts: Iterable[str], variables: Mapping[str, Any], reachable: Iterable[str]) -> dict[str, Any]:
    """Return the report as RETURN describes it."""
    in_play = set(reachable)
    records = [_record(host, variables[host], host in in_play) for host in hosts]
    records.sort(key=lambda record: STATES.index(record["state"]))
    found = [record["state"] for record in records]
    return {
        "states": {state: found.count(state) for state in STATES if state in found},
        "missed_hosts": sum(bool(record["missed"]) for record in records),
        "last_missed": max((record["last_missed"] for record in records if record["last_missed"]), default=None),
        "hosts": records,
    }


def _record(host: str, known: Mapping[str, Any], in_play: bool) -> dict[str, Any]:
    status = status_report((known.get("verify_status") or {}).get("stdout"))
    failure = known.get("verify_failure")
    # A host with wrong settings is never contacted.
    reached = not (known.get("ssh_login_notify_host") or {"unreachable": failure is None}).get("unreachable")
    state = "unreachable" if not (reached and in_play) else "critical" if failure is not None else status["state"]
    return {
        "host": host,
        "label": status["label"],
        "state": state,
        "version": status["version"],
        "last_delivery": status["last_delivery"],
        "waiting": status["waiting"],
        "failed": status["failed"],
        "complete_since": status["complete_since"],
        "missed": status["missed"],
        "last_missed": status["last_missed"],
        "not_proven": status["not_proven"],
        "real_login": _real_login(state, known, failure),
        "problems": _problems(status, failure, reached, in_play),
        "channels": status["channels"],
        "sandbox_without": status["sandbox_without"],
    }


def _real_login(state: str, known: Mapping[str, Any], failure: object) -> str:
    login = known.get("prove_login")
    if state == "unreachable" or not login or login.get("rc") != 0:
        return "not tried"
    rule = int(known.get("prove_rule") or 0)
    if rule > 0:
        return f"ignored by rule {rule}"
    return "delivered" if failure is None else "not delivered"


def _problems(status: Mapping[str, Any], failure: object, reached: bool, in_play: bool) -> list[str]:
    if reached and not in_play:
        return ["Ansible lost the connection to it, so nothing more is known. Check the host, and verify it again."]
    if failure is not None:
        return [_one_line(str(failure))]
    if not reached:
        return ["Ansible could not reach it."]
    if not status["understood"]:
        return [f"Its status could not be understood: {status['fault']}."]
    return status["problems"]


def _one_line(text: str) -> str:
    """Return the text in one line. A second line could look like one of another host."""
    return "".join(character if character.isprintable() else " " for character in text)


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"fleet_report": fleet_report}
