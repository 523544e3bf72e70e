# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with a stand-in for sshd, and with all of its imports."""

import ast
import os
import pwd
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
PACKAGE = "ansible_collections.loginwatch.pam.plugins.module_utils"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
STAND_IN = """
from ansible_collections.loginwatch.pam.plugins.module_utils import sshds
class Sshd:
    title = "sshd on port 22"
    version = lambda self: (9, 2)
    lines = lambda self, of_match=True: []
    answer = lambda self, connection: "authorizedkeysfile {path}\\nstrictmodes no\\n"
sshds.found = lambda: [Sshd()]
"""


@pytest.fixture
def run(run_module, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(STAND_IN.format(path=tmp_path / "keys"))
    (tmp_path / "keys").write_text(f"# ours\nno-pty {KEY} ada@laptop\nbroken\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return lambda **arguments: run_module("authorized_key_info", **arguments)


@pytest.mark.parametrize("check", [False, True])
def test_it_lists_and_changes_nothing(run, tmp_path, check):
    name = pwd.getpwuid(os.getuid()).pw_name
    result = run(check=check, users=[name])
    assert (result["changed"], result["accounts"], result["sshds"]) == (False, 1, ["sshd on port 22"])
    (key,) = result["authorized_keys"]
    assert (key["user"], key["file"], key["line"], key["comment"]) == (name, str(tmp_path / "keys"), 2, "ada@laptop")
    assert (key["type"], key["bits"], key["options"]) == ("ED25519", 256, [{"name": "no-pty", "value": None}])
    assert [(row["line"], row["reason"]) for row in result["malformed"]] == [(3, "it contains no key of a known type")]


def test_without_users_all_accounts_are_examined(run):
    assert run()["accounts"] == len({entry.pw_name for entry in pwd.getpwall()})
    assert "Unsupported parameters" in run(user="root")["msg"]


def imported(path):
    """Return the names of the module_utils that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level == 1 or (node.module or "").startswith(PACKAGE)):
            module = (node.module or "").replace(PACKAGE, "").lstrip(".")
            yield from [module] if module else [alias.name for alias in node.names]


@pytest.mark.parametrize(
    "path", [*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/*.py")], ids=lambda p: p.name
)
def test_what_a_module_imports_of_the_notifier_is_linked_beside_the_others(path):
    """A file of the notifier that imports another one would work in all tests, and on no host."""
    assert [name for name in imported(path) if not (PLUGINS / "module_utils" / f"{name}.py").is_file()] == []
