# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats rows as CSV in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

DOCUMENTATION = r"""
name: csv_text
short_description: Format rows as CSV in which no cell is a formula
version_added: 0.1.0
author: the loginwatch founders
description:
  - Returns a header line with the names of the columns and one line for each row. Each cell is in quotes (RFC 4180).
  - A spreadsheet treats a text that begins with C(=), C(+), C(-) or C(@) as a formula, which can read other cells and
    send them to somebody. Such a text is prefixed with C('), which a spreadsheet does not show.
positional: _input, columns
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  columns:
    description: The names of the columns, which are keys of the rows.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Write a table for a spreadsheet
  ansible.builtin.copy:
    content: "{{ rows | loginwatch.pam.csv_text(['host', 'user']) }}"
    dest: table.csv
    mode: '0600'
"""

RETURN = r"""
_value:
  description: The CSV.
  type: str
"""

# A spreadsheet evaluates a cell that begins with one of these, even after blanks.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return the CSV. A missing key or null becomes an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return "'" + text if isinstance(value, str) and text.lstrip(" ").startswith(FORMULAS) else text


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"csv_text": csv_text}
