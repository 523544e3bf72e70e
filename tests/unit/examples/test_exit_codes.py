# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exit codes in docs/operating.md are those that the program's source returns, command by command."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PACKAGE = PROJECT / "files" / "ssh_login_notify"
PAGE = (PROJECT / "docs" / "operating.md").read_text()
# The functions that determine a command's exit code.
FUNCTIONS = {
    "status": {"cli": ["status"]},
    "audit": {"cli": ["audit"]},
    "test": {"cli": ["test"], "trial": ["run"]},
    "check": {"cli": ["check"]},
    "flush": {"cli": ["flush"]},
    "mute": {"cli": ["mute", "_not_muted"]},
    "heartbeat": {"cli": ["beat"]},
    "send": {"sender": ["main", "_run", "_fail"]},
    "follow": {"follower": None},
    "tamper-check": {"tamper": ["main", "_send"]},
}


def known_codes() -> dict[str, int]:
    """The names and values in exit_codes.py."""
    codes: dict[str, int] = {}
    exec((PACKAGE / "exit_codes.py").read_text(), codes)  # noqa: S102
    return {name: value for name, value in codes.items() if name.isupper()}


CODES = known_codes()


def returned(module: str, functions: list[str] | None) -> set[int]:
    """Return the codes that these functions of a module name, or that the whole module names."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    parts = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in (functions or [])]
    assert functions is None or len(parts) == len(functions), "a function is gone"
    names = set()
    for part in parts or [tree]:
        for node in ast.walk(part):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "exit_codes":
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in CODES:
                names.add(node.id)
    return {CODES[name] for name in names}


def rows() -> dict[str, set[int]]:
    """Return the codes that the page lists for each command."""
    table = PAGE.split("| command | what it does | exit codes |\n|---|---|---|\n")[1].split("\n\n")[0]
    cells = [row.strip("| ").split(" | ") for row in table.splitlines()]
    return {
        re.search("`ssh-login-notify ([a-z-]+)", first)[1]: {int(code) for code in re.findall(r"(?<!\S)\d+(?= )", last)}
        for first, _what, last in cells
    }


def test_the_page_has_every_command():
    assert rows().keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("command", FUNCTIONS)
def test_the_page_gives_the_codes_of_the_source(command):
    source = set()
    for module, functions in FUNCTIONS[command].items():
        source |= returned(module, functions)
    if command == "status":  # it returns the severity of what health.py finds
        source |= {CODES["OK"], *returned("health", None), CODES["UNKNOWN"]}
    assert rows()[command] == source


def test_other_users_get_an_error():
    assert f"Anybody else gets one sentence and exit code {CODES['UNKNOWN']}." in PAGE


def test_the_states_are_those_of_monitoring_plugins():
    """https://www.monitoring-plugins.org/doc/guidelines.html, "Plugin Return Codes"."""
    assert [CODES[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN")] == [0, 1, 2, 3]


def test_sudo_lets_the_agent_run_exactly_what_it_is_told_to_run():
    """A command with arguments in sudoers(5) matches only with these arguments."""
    (allowed,) = re.findall(r"^    nagios ALL=\(root\) NOPASSWD: (.+)$", PAGE, re.MULTILINE)
    run = re.findall(r"sudo -n (/\S+ \w+)", PAGE)
    assert len(run) == 2
    assert set(run) == {allowed}
