# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of licence headers, in a repository of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
NAMES = "# Copyright: (c) 2026, the loginwatch founders\n# SPDX-License-Identifier: GPL-3.0-or-later\n"
TEXTS = {
    "module.py": ('"""A module."""\n', NAMES + '"""A module."""\n'),
    "program": ("#!/usr/bin/python3 -I\nimport sys\n", f"#!/usr/bin/python3 -I\n{NAMES}import sys\n"),
    "script.sh": ("set -eu\n", NAMES + "set -eu\n"),
    "page.css": ("p {}\n", NAMES.replace("# ", "/* ").replace("\n", " */\n") + "p {}\n"),
    "page.js": ("run();\n", NAMES.replace("# ", "// ") + "run();\n"),
    # These need no header.
    "empty.py": ("", ""),
    "data.yml": ("a: 1\n", "a: 1\n"),
    "LICENSE": ("Do as you like.\n", "Do as you like.\n"),
    "done.py": (NAMES + "pass\n", NAMES + "pass\n"),
}
LACKING = ["module.py", "page.css", "page.js", "program", "script.sh"]


@pytest.fixture
def check(tmp_path):
    """The check, in a repository with these files."""
    (tmp_path / "tools").mkdir()
    shutil.copy(PROJECT / "tools" / "licences.py", tmp_path / "tools")
    for name, (text, _after) in TEXTS.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)  # noqa: S603, S607

    def run(*options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-B", tmp_path / "tools" / "licences.py", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    return run


def test_program_files_without_a_header_are_named(check):
    done = check()
    assert done.returncode == 1
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines()) == LACKING


def test_they_get_one_below_the_interpreters_line(check, tmp_path):
    assert check("--write").returncode == 0
    for name, (_text, after) in TEXTS.items():
        assert (tmp_path / name).read_text() == after
    assert (check().returncode, check().stdout) == (0, "")
