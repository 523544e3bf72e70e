# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explains why a task failed, for a `rescue` to report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from ansible.utils.unsafe_proxy import wrap_var

DOCUMENTATION = r"""
name: failure_reason
author: the loginwatch founders
version_added: 0.1.0
short_description: Explain why a task failed
description:
  - Takes the result of a failed task, and returns the reason as text.
  - The message of a task with a loop only says that an item failed, and that of a command only that its exit code was
    not 0. This filter returns the messages of the failed items and the output of the command.
positional: _input
options:
  _input:
    description: The result of the failed task, C(ansible_failed_result) in a C(rescue).
    type: dict
    required: true
  task:
    description: Name of the failed task. It is used if the result contains no message.
    type: str
    default: unknown
"""

EXAMPLES = r"""
- name: Record why it failed
  ansible.builtin.set_fact:
    reason: "{{ ansible_failed_result | loginwatch.pam.failure_reason(ansible_failed_task.name) }}"
"""

RETURN = r"""
_value:
  description: The reason, in one or more sentences.
  type: str
"""

# Ansible's message for a command that did not exit with 0.
EXIT_CODE = "non-zero return code"
# Messages of the ssh client. With a terminal, which `raw` uses, stderr contains nothing else (OpenSSH: clientloop.c,
# mux.c, sshconnect.c; since 10.1, lines with two stars warn of old key exchanges).
OF_SSH = re.compile(r"(?:Shared )?Connection to \S+ closed\.|Warning: Permanently added .*|\*\* .*", re.IGNORECASE)


def failure_reason(result: Mapping[str, Any], task: str = "unknown") -> str:
    """Return why the task failed, in whole sentences."""
    failed = [item for item in result.get("results", [result]) if item.get("failed")]
    commands = [item for item in failed if item.get("msg") == EXIT_CODE]
    # With a terminal, the errors of the command are in stdout.
    said = [_errors(item) or " ".join(map(str, item.get("stdout_lines") or [])) for item in commands]
    said += [str(item["msg"]).strip() for item in failed if item.get("msg") and item["msg"] != EXIT_CODE]
    # Once this is stored as a fact, ansible-core up to 2.18 would evaluate a template in a host's output.
    return wrap_var(" ".join(map(_sentence, filter(None, said))) or f'The task "{task}" failed.')


def _errors(command: Mapping[str, Any]) -> str:
    """Return what a command wrote to stderr, without the messages of the ssh client."""
    lines = str(command.get("stderr") or "").strip().splitlines()
    return "\n".join(line for line in lines if not OF_SSH.fullmatch(line.strip()))


def _sentence(text: str) -> str:
    """Return the text with a full stop at the end, so that another sentence can follow."""
    return text if text.endswith((".", "!", "?")) else text + "."


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"failure_reason": failure_reason}
