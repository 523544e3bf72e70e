# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, scenarios and variables that pages and workflows name exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("roles/*/README.md")]
HOLDING = ("bench", "docs", "files", "fuzz", "molecule", "playbooks", "plugins", "roles", "tests", "tools")
PYTHON_FILES = {"noxfile.py", *(path.name for folder in HOLDING for path in (PROJECT / folder).rglob("*.py"))}
SCENARIOS = {path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml")}
SPECIFICATION = yaml.safe_load((PROJECT / "roles/ssh_login_notify/meta/argument_specs.yml").read_text())
# The role's settings, and the variables that its tasks register or set for users' own playbooks.
TASKS = "\n".join(path.read_text() for path in PROJECT.glob("roles/ssh_login_notify/tasks/*.yml"))
RESULTS = re.findall(r"^\s+(?:register: )?(ssh_login_notify_\w+)(?::|$)", TASKS, re.MULTILINE)
# tests/unit/notifier/test_metrics.py compares these with the program's output.
METRICS = set(
    re.findall(r"^\| `(\w+)` \| (?:counter|gauge) \|", (PROJECT / "docs/metrics.md").read_text(), re.MULTILINE)
)
VARIABLES = {*SPECIFICATION["argument_specs"]["main"]["options"], *RESULTS}
# Arguments of `./dev test` that are not scenarios.
PARTS = {"quick", "enforcing", "lint", "unit", "receiver", "molecule", "kinds"}
names_of = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


@names_of
def test_a_python_file_that_a_page_names_is_there(page):
    assert set(re.findall(r"\b\w+\.py\b", page.read_text())) - PYTHON_FILES == set()


@names_of
def test_a_variable_that_a_page_names_is_one_of_the_roles(page):
    named = set(re.findall(r"\bssh_login_notify_[a-z_]+[a-z]\b", page.read_text()))
    assert named - VARIABLES - METRICS == set()


@names_of
def test_what_a_page_says_of_dev_test_can_be_run(page):
    words = [word for line in re.findall(r"\./dev test((?: [a-z_]+)*)`", page.read_text()) for word in line.split()]
    assert set(words) - SCENARIOS - PARTS == set()


def test_the_workflow_runs_every_scenario():
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "molecule.yml").read_text())
    assert set(workflow["jobs"]["debian"]["strategy"]["matrix"]["scenario"]) == SCENARIOS


@functools.cache
def words_of_the_program() -> str:
    """Return all texts in the program's source, one per line."""
    texts = []
    for path in [PROJECT / "files" / "ssh-login-notify", *(PROJECT / "files").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def quoted_messages() -> list[str]:
    """Return the messages of `status` and `test` that docs/operating.md quotes, split at omissions."""
    page = (PROJECT / "docs" / "operating.md").read_text()
    table = page.split("| `status` or `test` says | what to do |\n|---|---|\n")[1].split("\n\n")[0]
    quoted = [words for row in table.splitlines() for words in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    return [piece.strip() for words in quoted for piece in re.split(r"…|^\d{3} ", words) if piece.strip()]


@pytest.mark.parametrize("message", quoted_messages())
def test_the_program_says_what_the_page_quotes(message):
    assert message in words_of_the_program()
