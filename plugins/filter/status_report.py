# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers to `ssh-login-notify status --json`, checked before a report of the fleet is made of it."""

from __future__ import annotations

import json
from typing import Any, Callable

DOCUMENTATION = r"""
name: status_report
author: the loginwatch founders
version_added: 0.1.0
short_description: Check the answer of C(ssh-login-notify status --json)
description:
  - Takes whatever a host has answered, and returns a dictionary with all keys, whose values have the types and limits
    that a report needs. So the answer of one host, damaged or hostile, never spoils the report of a fleet.
  - It never fails.
positional: _input
options:
  _input:
    description: The standard output of C(ssh-login-notify status --json).
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong on a host
  ansible.builtin.debug:
    msg: "{{ (status.stdout | loginwatch.pam.status_report).problems }}"
"""

RETURN = r"""
_value:
  description: The host's state.
  type: dict
  contains:
    understood:
      description: Whether the answer was a status at all.
      type: bool
    fault:
      description: Why it was not; empty if it was.
      type: str
    state:
      description: V(ok), V(warning), V(critical) or V(unknown).
      type: str
    version:
      description: The version of the notifier, empty if it is not known.
      type: str
    label:
      description: The host's name in alerts, empty if it is not known.
      type: str
    last_delivery:
      description: When an alert was last delivered, in seconds since the epoch; null if none was.
      type: float
    waiting:
      description: How many alerts wait; null if that is not known.
      type: int
    failed:
      description: How many alerts were refused; null if that is not known.
      type: int
    problems:
      description: What is wrong, in sentences of one line.
      type: list
      elements: str
    deliveries:
      description: Where the logins came from whose alerts were last delivered.
      type: list
      elements: str
"""

STATES = ("ok", "warning", "critical", "unknown")
# Characters; a status is a hundredth of it.
LARGEST = 1 << 21
LONGEST_TEXT = 600
MOST_PROBLEMS = 50
MOST_COUNTED = 10**9
# The year 2242. strftime() has an end, too.
LATEST = 1 << 33
# What `status` says beside its state and its problems; null where it does not know.
COUNTS = ("waiting", "failed")


class NotUnderstoodError(Exception):
    """Why an answer is no status, in a clause."""


def status_report(answer: object) -> dict[str, Any]:
    """Return the host's state as RETURN has it."""
    report: dict[str, Any] = {
        "understood": False, "fault": "", "state": "unknown", "version": "", "label": "", "last_delivery": None,
        "waiting": None, "failed": None, "problems": [], "deliveries": [],
    }  # fmt: skip
    try:
        report.update(_checked(_decoded(answer)), understood=True)
    except NotUnderstoodError as error:
        report["fault"] = str(error)
    return report


def _decoded(answer: object) -> dict[str, Any]:
    if not isinstance(answer, str) or not answer.lstrip().startswith("{"):
        raise NotUnderstoodError("it is not JSON")
    if len(answer) > LARGEST:
        raise NotUnderstoodError("it is too large")
    try:
        # A host that can't do better prints NaN and Infinity, which are not JSON either.
        found = json.loads(answer, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        raise NotUnderstoodError("it is not JSON") from None
    if not isinstance(found, dict):
        raise NotUnderstoodError("it is not a JSON object")
    return found


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    state = found.get("state")
    if state not in STATES:
        raise NotUnderstoodError(f"its state is none of {', '.join(STATES)}")
    if "answer" in found:  # instead of a status: the program is damaged, or has a defect
        return {"state": state, "problems": [_text("answer", found["answer"])]}
    configuration = _part(found, "configuration", dict)
    last = _part(found, "last_delivery", dict, optional=True)
    deliveries = _part(found, "recent_deliveries", list)
    problems = _part(found, "problems", list)
    if len(problems) > MOST_PROBLEMS:
        raise NotUnderstoodError("it has too many problems")
    return {
        "state": state,
        "version": _text("version", found.get("version", "")),
        "label": _text("host_label", configuration.get("host_label", "")),
        "last_delivery": _number("delivered_at", last.get("delivered_at"), LATEST, (int, float)) if last else None,
        "problems": [_text("problem", problem) for problem in problems],
        "deliveries": [_text("from", _entry("a delivery", delivery, dict).get("from")) for delivery in deliveries],
        **{name: _count(found, name) for name in COUNTS},
    }


def _part(found: dict[str, Any], name: str, kind: type, optional: bool = False) -> Any:
    if name not in found:
        raise NotUnderstoodError(f"{name} is missing")
    if optional and found[name] is None:
        return None
    return _entry(name, found[name], kind)


def _entry(name: str, value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise NotUnderstoodError(f"{name} has another type than it should have")
    return value


def _count(found: dict[str, Any], name: str) -> int | None:
    if name not in found:
        raise NotUnderstoodError(f"{name} is missing")
    return None if found[name] is None else _number(name, found[name], MOST_COUNTED, (int,))


def _number(name: str, value: Any, limit: int, kinds: tuple[type, ...]) -> Any:
    number = value  # mypy takes `value` for an object once isinstance() has been asked
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= number < limit:
        raise NotUnderstoodError(f"{name} is no number that it can be")
    return value


def _text(name: str, value: object) -> str:
    """Return a text that shows as one line, with all that a terminal would obey made visible."""
    if not isinstance(value, str):
        raise NotUnderstoodError(f"{name} is not a text")
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in value[: LONGEST_TEXT + 1]
    )
    return shown if len(shown) <= LONGEST_TEXT else shown[: LONGEST_TEXT - 1] + "…"


class FilterModule:
    """Ansible's way to filters."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"status_report": status_report}
