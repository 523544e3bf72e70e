# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words the report of a fleet for people, so that the page and the terminal's table only lay it out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

DOCUMENTATION = r"""
name: fleet_texts
author: the loginwatch founders
version_added: 0.1.0
short_description: Word the report of a fleet for people
description:
  - Turns the report of P(loginwatch.pam.fleet_report#filter) into texts that a template only has to lay out.
  - The texts are not escaped. A page of HTML has to do that.
options:
  _input:
    description: The report.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what there is to say about each host
  ansible.builtin.debug:
    msg: "{{ (verify_fleet | loginwatch.pam.fleet_texts).hosts | map(attribute='notes') }}"
"""

RETURN = r"""
_value:
  description: The texts.
  type: dict
  contains:
    columns:
      description: Names of the page's columns.
      type: list
      elements: str
    missed:
      description: How many hosts missed a login, to the minute. Empty if none did.
      type: str
    missed_exactly:
      description: The same to the second.
      type: str
    hosts:
      description: The texts about each host, in the report's order.
      type: list
      elements: dict
      contains:
        cells:
          description: The page's cells, as dictionaries with C(label), C(text), C(rank) and C(css). Only the state has
            a rank to sort it by; for others it is null.
          type: list
          elements: dict
        summary:
          description: The host's name, its state, its last delivery, the number of waiting alerts, and the real login.
          type: list
          elements: str
        problems:
          description: The problems of the report.
          type: list
          elements: str
        notes:
          description: Sentences for the terminal, the problems among them.
          type: list
          elements: str
"""

COLUMNS = (
    "Host", "State", "Version", "Last delivery (UTC)", "Waiting", "Failed", "Complete since (UTC)", "Not reported",
    "Channels", "Real login", "Sandbox without",
)  # fmt: skip
MINUTES = "%Y-%m-%d %H:%M"
SECONDS = "%Y-%m-%d %H:%M:%S"


def fleet_texts(fleet: Mapping[str, Any]) -> dict[str, Any]:
    """Return the texts as RETURN describes them."""
    # The column of states is sorted by severity, not alphabetically.
    ranks = list(fleet["states"])
    return {
        "columns": list(COLUMNS),
        "missed": _missed(fleet, MINUTES),
        "missed_exactly": _missed(fleet, SECONDS),
        "hosts": [
            {
                "cells": _cells(record, ranks.index(record["state"])),
                "summary": _summary(record),
                "problems": record["problems"],
                "notes": _notes(record),
            }
            for record in fleet["hosts"]
        ],
    }


def _missed(fleet: Mapping[str, Any], precision: str) -> str:
    number, last = fleet["missed_hosts"], fleet["last_missed"]
    if not number:
        return ""
    when = f", the last one at {_time(last, precision)} UTC" if last else ""
    return f"On {number} {'host' if number == 1 else 'hosts'} a login was not reported{when}."


def _cells(record: Mapping[str, Any], rank: int) -> list[dict[str, Any]]:
    host, label, state = record["host"], record["label"], record["state"]
    last = f" (last at {_time(record['last_missed'], SECONDS)})" if record["last_missed"] else ""
    down = _down(record)
    channels = str(len(record["channels"])) + (f" (with a problem: {down})" if down else "")
    texts = (
        f"{host} ({label})" if label not in ("", host) else host,
        state,
        record["version"] or "-",
        _time(record["last_delivery"], SECONDS),
        _known(record["waiting"]),
        _known(record["failed"]),
        record["not_proven"] or "-" if record["complete_since"] is None else _time(record["complete_since"], SECONDS),
        _known(record["missed"]) + last,
        channels if record["channels"] else "-",
        record["real_login"],
        ", ".join(record["sandbox_without"]) or "-",
    )
    cells = [
        {"label": column.replace(" (UTC)", ""), "text": text, "rank": None, "css": ""}
        for column, text in zip(COLUMNS, texts)
    ]
    cells[COLUMNS.index("State")].update(rank=rank, css=f"state {state}")
    return cells


def _summary(record: Mapping[str, Any]) -> list[str]:
    delivery, waiting = _time(record["last_delivery"], MINUTES), _known(record["waiting"])
    return [record["host"], record["state"], delivery, waiting, record["real_login"]]


def _notes(record: Mapping[str, Any]) -> list[str]:
    notes = []
    if record["complete_since"] is not None:
        last = f"the last one at {_time(record['last_missed'], MINUTES)}"
        before = f"; {record['missed']} not reported before, {last}" if record["missed"] else ""
        notes.append(f"Complete since {_time(record['complete_since'], MINUTES)}{before}.")
    elif record["not_proven"]:
        notes.append(f"It is not proven that every login was reported: {record['not_proven']}.")
    notes += record["problems"]
    if len(record["channels"]) > 1:
        down = _down(record)
        which = f", of which these have a problem: {down}" if down else ""
        notes.append(f"{len(record['channels'])} channels{which}.")
    if record["sandbox_without"]:
        parts = ", ".join(record["sandbox_without"])
        notes.append(f"It refuses these parts of the sandbox of its services: {parts}.")
    return notes


def _down(record: Mapping[str, Any]) -> str:
    return ", ".join(channel["name"] for channel in record["channels"] if not channel["well"])


def _known(value: int | None) -> str:
    return "-" if value is None else str(value)


def _time(seconds: float | None, precision: str) -> str:
    return "-" if seconds is None else time.strftime(precision, time.gmtime(seconds))


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"fleet_texts": fleet_texts}
