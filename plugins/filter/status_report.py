# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the output of `ssh-login-notify status --json`, so that one host cannot break the report of a fleet."""

from __future__ import annotations

import json
import re
from typing import Any, Callable

DOCUMENTATION = r"""
name: status_report
author: the loginwatch founders
version_added: 0.1.0
short_description: Validate the output of C(ssh-login-notify status --json)
description:
  - Takes any output of a host, and returns a dictionary with all keys. The values have the types and limits that a
    report needs. So damaged or hostile output of one host never breaks the report of a fleet.
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
      description: Whether the output is a valid status.
      type: bool
    fault:
      description: Why it is not a valid status. Empty if it is.
      type: str
    state:
      description: V(ok), V(warning), V(critical) or V(unknown).
      type: str
    version:
      description: Version of the notifier. Empty if it is not known.
      type: str
    label:
      description: The host's name in alerts. Empty if it is not known.
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
      description:
        - The time since when the notifier knows every login in sshd's log, in seconds since the epoch.
        - Null if it is not known, or if the log does not show it.
      type: float
    missed:
      description: Number of logins that sshd accepted and the notifier never saw. Null if it is not known.
      type: int
    last_missed:
      description: The time of the last of these logins, in seconds since the epoch. Null if there is none.
      type: float
    not_proven:
      description: Why it is not known whether every login was reported. Empty if it is known.
      type: str
    problems:
      description: What is wrong. Each is a text of one line.
      type: list
      elements: str
    sandbox_without:
      description: The parts of the units' sandbox that the host refuses. Empty if the notifier is too old to report it.
      type: list
      elements: str
    channels:
      description: The channels that alerts go to. Empty if the notifier is too old to report it.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the channel.
          type: str
        kind:
          description: Kind of the channel, such as V(slack).
          type: str
        waiting:
          description: Number of alerts that wait for the channel.
          type: int
        failed:
          description: Number of alerts that the channel refused.
          type: int
        well:
          description: Whether the channel has no problem.
          type: bool
    deliveries:
      description: The logins whose alerts were delivered last.
      type: list
      elements: dict
      contains:
        from:
          description: Address and port.
          type: str
        time:
          description: Time of the login in seconds since the epoch, by the host's clock. V(0) if it is not known.
          type: float
    ignored:
      description:
        - The last logins that a rule of O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_ignore) matched.
        - Empty if the notifier is too old to report it.
      type: list
      elements: dict
      contains:
        from:
          description: Address and port.
          type: str
        rule:
          description: The number of the rule, counted from 1.
          type: int
        time:
          description: Time of the login, as above.
          type: float
    folded:
      description:
        - The last logins that repeated a login whose alert was delivered a few minutes before. See
          O(loginwatch.pam.ssh_login_notify#role:ssh_login_notify_repeat_minutes).
        - Empty if the notifier is too old to report it.
      type: list
      elements: dict
      contains:
        from:
          description: Address and port.
          type: str
        time:
          description: Time of the login, as above.
          type: float
"""

STATES = ("ok", "warning", "critical", "unknown")
# A usual status has a hundredth of this length.
MAX_ANSWER_CHARACTERS = 1 << 21
MAX_TEXT_CHARACTERS = 600
MAX_PROBLEMS = 50
# The notifier knows three parts.
MAX_PARTS = 10
# Each channel has a process on the host.
MAX_CHANNELS = 100
MAX_COUNT = 10**9
# In the year 2242. strftime() also has a limit.
MAX_EPOCH_SECONDS = 1 << 33
# The time of the login, and a pid.
ALERT_ID = re.compile(r"([0-9]{1,10}\.[0-9]{1,6})-[0-9]{1,10}\Z", re.ASCII)
# Numbers of alerts. They are null if the host cannot count them.
COUNTS = ("waiting", "failed")


class NotUnderstoodError(Exception):
    """The output is not a status. The message says why, as a clause."""


def status_report(answer: object) -> dict[str, Any]:
    """Return the host's status as RETURN describes it."""
    report: dict[str, Any] = {
        "understood": False, "fault": "", "state": "unknown", "version": "", "label": "", "last_delivery": None,
        "waiting": None, "failed": None, "complete_since": None, "missed": None, "last_missed": None, "not_proven": "",
        "problems": [], "sandbox_without": [], "channels": [], "deliveries": [], "ignored": [], "folded": [],
    }  # fmt: skip
    try:
        report.update(_checked(_decoded(answer)), understood=True)
    except NotUnderstoodError as error:
        report["fault"] = str(error)
    return report


def _decoded(answer: object) -> dict[str, Any]:
    if not isinstance(answer, str) or not answer.lstrip().startswith("{"):
        raise NotUnderstoodError("it is not JSON")
    if len(answer) > MAX_ANSWER_CHARACTERS:
        raise NotUnderstoodError("it is too large")
    try:
        # Python's json accepts NaN and Infinity. Here they become texts, which are later rejected as numbers.
        found = json.loads(answer, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        raise NotUnderstoodError("it is not JSON") from None
    if not isinstance(found, dict):
        raise NotUnderstoodError("it is not a JSON object")
    return found


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    state = found.get("state")
    if state not in STATES:
        raise NotUnderstoodError(f"its state is not one of {', '.join(STATES)}")
    # A damaged or defective program prints this instead of a status.
    if "answer" in found:
        return {"state": state, "problems": [_text("answer", found["answer"])]}
    configuration = _part(found, "configuration", dict)
    last = _part(found, "last_delivery", dict, optional=True)
    deliveries = _part(found, "recent_deliveries", list)
    ignored = _entry("recent_ignored", found.get("recent_ignored", []), list)
    folded = _entry("recent_folded", found.get("recent_folded", []), list)
    problems = _part(found, "problems", list)
    if len(problems) > MAX_PROBLEMS:
        raise NotUnderstoodError("it has too many problems")
    parts = _entry("sandbox_without", found.get("sandbox_without", []), list)
    if len(parts) > MAX_PARTS:
        raise NotUnderstoodError("its sandbox has too many parts")
    channels = _entry("channels", found.get("channels", {}), dict)
    if len(channels) > MAX_CHANNELS:
        raise NotUnderstoodError("it has too many channels")
    return {
        "state": state,
        **_completeness(found),
        "version": _text("version", found.get("version", "")),
        "label": _text("host_label", configuration.get("host_label", "")),
        "last_delivery": _time(last.get("delivered_at")) if last else None,
        "problems": [_text("problem", problem) for problem in problems],
        "sandbox_without": [_text("sandbox_without", part) for part in parts],
        "channels": [_channel(name, _entry("a channel", channels[name], dict)) for name in channels],
        "deliveries": [_login(_entry("a delivery", delivery, dict)) for delivery in deliveries],
        "ignored": [_ignored(_entry("an ignored login", login, dict)) for login in ignored],
        "folded": [_login(_entry("a folded login", login, dict)) for login in folded],
        **{name: _count(found, name) for name in COUNTS},
    }


def _completeness(status: dict[str, Any]) -> dict[str, Any]:
    """Return the fields about completeness; none if the notifier is too old to have an audit."""
    if "completeness" not in status:
        return {}
    found = _part(status, "completeness", dict)
    if not found:
        return {"not_proven": "nothing is compared yet"}
    gaps = _part(found, "gaps", list)
    since = _number("complete_since", found.get("complete_since"), MAX_EPOCH_SECONDS, (int, float))
    return {
        "complete_since": None if gaps else since,
        "missed": _number("missed", found.get("missed"), MAX_COUNT, (int,)),
        "last_missed": _number("last_missed", found.get("last_missed"), MAX_EPOCH_SECONDS, (int, float)) or None,
        "not_proven": _text("a gap", gaps[0]) if gaps else "",
    }


def _part(found: dict[str, Any], name: str, kind: type, optional: bool = False) -> Any:
    if name not in found:
        raise NotUnderstoodError(f"{name} is missing")
    if optional and found[name] is None:
        return None
    return _entry(name, found[name], kind)


def _entry(name: str, value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise NotUnderstoodError(f"{name} has the wrong type")
    return value


def _count(found: dict[str, Any], name: str) -> int | None:
    if name not in found:
        raise NotUnderstoodError(f"{name} is missing")
    return None if found[name] is None else _number(name, found[name], MAX_COUNT, (int,))


def _channel(name: str, channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _text("a channel's name", name),
        "kind": _text("a channel's kind", channel.get("kind", "")),
        **{count: _number(count, channel.get(count), MAX_COUNT, (int,)) for count in COUNTS},
        "well": not _entry("a channel's problems", channel.get("problems", []), list),
    }


def _ignored(login: dict[str, Any]) -> dict[str, Any]:
    return dict(_login(login), rule=_number("rule", login.get("rule"), MAX_COUNT, (int,)))


def _login(login: dict[str, Any]) -> dict[str, Any]:
    match = ALERT_ID.match(str(login.get("id")))
    return {"from": _text("from", login.get("from")), "time": float(match.group(1)) if match else 0.0}


def _time(value: object) -> Any:
    return _number("delivered_at", value, MAX_EPOCH_SECONDS, (int, float))


def _number(name: str, value: Any, limit: int, kinds: tuple[type, ...]) -> Any:
    number = value  # after isinstance(), mypy would treat `value` as an object
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= number < limit:
        raise NotUnderstoodError(f"{name} is not a possible number")
    return value


def _text(name: str, value: object) -> str:
    """Return the text in one line. Every character that a terminal would interpret is escaped."""
    if not isinstance(value, str):
        raise NotUnderstoodError(f"{name} is not a text")
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in value[: MAX_TEXT_CHARACTERS + 1]
    )
    return shown if len(shown) <= MAX_TEXT_CHARACTERS else shown[: MAX_TEXT_CHARACTERS - 1] + "…"


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"status_report": status_report}
