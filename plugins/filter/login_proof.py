# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether one of Ansible's own logins proves that logins are reported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Callable

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.loginwatch.pam.plugins.filter.status_report import status_report

DOCUMENTATION = r"""
name: login_proof
author: the loginwatch founders
version_added: 0.1.0
short_description: Check whether a login proves that logins are reported
description:
  - Takes the result of a task that ran C(date +%s; printenv SSH_CONNECTION) in a new login, and the status of the
    notifier on the host.
  - The alert of exactly this login must be delivered, as identified by address and port. A repeat has no alert, but
    also counts. It repeats a login that was reported a few minutes before, and since the last change of the notifier
    and its configuration.
  - OpenSSH before 8.0 does not pass the port to PAM, and a socket other than TCP has none. In these cases, the alert
    must be for a login at that time, from that address or from a local socket.
positional: _input
options:
  _input:
    description: The registered result of the task that logged in.
    type: dict
    required: true
  status:
    description: The standard output of C(ssh-login-notify status --json).
    type: raw
    required: true
  switch:
    description: Name of the variable that turns this proof off. The messages mention it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Wait for the alert of this login
  ansible.builtin.command: ssh-login-notify status --json
  register: status
  changed_when: false
  failed_when: false
  until: (login | loginwatch.pam.login_proof(status.stdout, 'my_switch')).settled
  retries: 30
  delay: 1
"""

RETURN = r"""
_value:
  description: What is known about the login.
  type: dict
  contains:
    settled:
      description: Whether the answer is final. If not, the alert may still be delivered.
      type: bool
    rule:
      description:
        - The number of the rule in O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_ignore) that matches the
          login, so that there is no alert. V(0) if no rule matches.
      type: int
    problem:
      description: Why the login proves nothing, in whole sentences. Empty if its alert was delivered.
      type: str
"""

UNKNOWN_LOGIN = (
    "The alert of Ansible's new login cannot be identified because SSH_CONNECTION is not set. sudo removes it, so set"
    " ansible_become in the inventory, not by -e. To skip this proof, set -e {switch}=false."
)
IGNORED = (
    "Rule {rule} of ssh_login_notify_ignore matches the login from {origin}, so it has no alert. To prove this host by"
    " a test alert instead, set -e {switch}=false."
)
NOT_TAKEN = (
    "No channel in ssh_login_notify_channels takes the login from {origin}, so it has no alert. To prove this host by a"
    " test alert instead, set -e {switch}=false."
)
CLOCK = re.compile(r"[0-9]{9,11}\Z", re.ASCII)
# The text that an alert has instead of a port (peer.py on the host).
BY_PAM = " (by PAM_RHOST, port not known)"
LOCAL = "a local socket"
# The longest time from PAM to the command that reads the clock. A slow motd comes in between.
LONGEST_LOGIN_SECONDS = 30
NOT_DELIVERED = (
    "The login from {origin} succeeded, but its alert was not delivered in time ({why}). Run `ssh-login-notify status`"
    " on the host. If Slack needs longer for so many hosts, set prove_login_seconds."
)


def login_proof(login: Mapping[str, Any], status: object, switch: str) -> dict[str, Any]:
    """Return what is known about the login, as RETURN describes it."""
    # Other programs may have printed lines before, such as a login script.
    lines = login.get("stdout_lines") or [""]
    words = lines[-1].split()
    if login.get("rc") != 0 or len(words) < 2:
        return {"settled": True, "rule": 0, "problem": UNKNOWN_LOGIN.format(switch=switch)}
    origin = LOCAL if words[0] == "UNKNOWN" else f"{words[0]} port {words[1]}"
    clock = int(lines[-2]) if len(lines) > 1 and CLOCK.match(lines[-2]) else None
    report = status_report(status)
    if any(_is_this(reported, words, clock) for reported in [*report["deliveries"], *report["folded"]]):
        return {"settled": True, "rule": 0, "problem": ""}
    for ignored in report["ignored"]:
        if _is_this(ignored, words, clock):
            # The notifier reports rule 0 if the login matches no rule of that setting.
            text = IGNORED if ignored["rule"] else NOT_TAKEN
            problem = text.format(rule=ignored["rule"], origin=origin, switch=switch)
            return {"settled": True, "rule": ignored["rule"], "problem": wrap_var(problem)}
    why = "; ".join(report["problems"]) or (
        "the notifier reports no problem" if report["understood"] else "the notifier gave no valid status"
    )
    # Once this is stored as a fact, ansible-core up to 2.18 would evaluate a template in a host's output.
    return {"settled": False, "rule": 0, "problem": wrap_var(NOT_DELIVERED.format(origin=origin, why=why))}


def _is_this(login: Mapping[str, Any], words: list[str], clock: int | None) -> bool:
    """Return whether a login in a status has this SSH_CONNECTION, or at least its address and time.

    clock: the time on the host's clock, in seconds since the epoch; None if it is unknown
    """
    shown, address = login["from"], words[0]
    # With `UseDNS yes`, the name of the client follows in brackets.
    if address != "UNKNOWN" and (shown + " ").startswith(f"{address} port {words[1]} "):
        return True
    if clock is None or not clock - LONGEST_LOGIN_SECONDS <= login["time"] < clock + 1:
        return False
    if address == "UNKNOWN":
        return shown.startswith(LOCAL)
    known = shown[: -len(BY_PAM)] if shown.endswith(BY_PAM) else ""
    # With `UseDNS yes`, PAM knows only the client's name.
    return known == address or bool(known and not _is_address(known))


def _is_address(text: str) -> bool:
    """Return whether this is a numeric address, not a name."""
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"login_proof": login_proof}
