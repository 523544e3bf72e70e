# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`./dev test unit -- …` runs the tests that pytest's own arguments select, and nothing else."""

from __future__ import annotations

import pytest

from tools import environment, main, testing


@pytest.fixture
def calls(monkeypatch):
    """What would be run: arguments of pytest, or parts of the tests."""
    found = []
    monkeypatch.chdir(".")  # main() changes the directory, and this restores it
    monkeypatch.setattr(environment, "ensure", lambda: None)
    monkeypatch.setattr(testing, "pytest", lambda *words: found.append(("pytest", *words)))
    monkeypatch.setattr(testing, "run_parts", lambda words, jobs: found.append(("parts", *words)) or 0)
    return found


def test_what_follows_two_dashes_goes_to_pytest(calls):
    assert main.main(["test", "unit", "--", "tests/unit/notifier/test_spool.py", "-k", "link and not --"]) == 0
    assert calls == [("pytest", "tests/unit/notifier/test_spool.py", "-k", "link and not --")]


@pytest.mark.parametrize("words", [["unit"], ["unit", "receiver"], []])
def test_without_them_whole_parts_run(calls, words):
    assert main.main(["test", *words]) == 0
    assert calls == [("parts", *words)]


@pytest.mark.parametrize("words", [[], ["storm"], ["unit", "receiver"]])
def test_other_parts_take_no_arguments_of_pytest(calls, capsys, words):
    assert main.main(["test", *words, "--", "-k", "name"]) == 1
    assert calls == []
    assert "only `./dev test unit` takes arguments of pytest" in capsys.readouterr().out
