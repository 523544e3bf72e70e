# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that the shorter runs of the unit tests deselect: tests/unit/conftest.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
# The tests by name, with the mark of each.
TESTS = {
    "plain": "", "table[1]": "", "table[2]": "", "differs[1]": "each", "differs[2]": "each", "long": "whole",
}  # fmt: skip


@pytest.fixture
def select():
    """Return the names of the tests that a run with an option selects."""
    specification = importlib.util.spec_from_file_location("conftest_of_unit_tests", CONFTEST)
    conftest = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(conftest)

    def select(option):
        left_out = []
        hook = SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items))
        config = SimpleNamespace(getoption=lambda name: name == option, hook=hook)
        items = [
            SimpleNamespace(
                nodeid=name,
                get_closest_marker=lambda wanted, mark=mark: wanted == mark,
            )
            for name, mark in TESTS.items()
        ]  # fmt: skip
        conftest.pytest_collection_modifyitems(config, items)
        found = [item.nodeid for item in items]
        assert {*found, *(item.nodeid for item in left_out)} == set(TESTS)
        return found

    return select


def test_without_an_option_every_test_runs(select):
    assert select(None) == list(TESTS)


def test_differing_has_the_first_case_of_each_test_and_all_that_differ_by_version(select):
    assert select("--differing") == ["plain", "table[1]", "differs[1]", "differs[2]"]


def test_between_has_the_first_case_of_each_test_that_differs_by_version(select):
    assert select("--between") == ["differs[1]"]
