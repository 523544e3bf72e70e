# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example of an execution environment: ansible-builder creates its build context, with our collection in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[3]
EXAMPLE = PROJECT / "docs" / "examples" / "execution-environment.yml"
PROGRAMS = Path(sys.executable).parent
LIMIT_SECONDS = 120


def run(directory: Path, *words: str | Path) -> None:
    command = [PROGRAMS / words[0], *words[1:]]
    done = subprocess.run(  # noqa: S603
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ansible_builder_takes_it_and_finds_the_collection(tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    run(tmp_path, "ansible-galaxy", "collection", "build", PROJECT, "--output-path", tmp_path)
    run(tmp_path, "ansible-builder", "create", "--file", EXAMPLE.name)
    context = tmp_path / "context"
    assert "COPY _build /build\nWORKDIR /build\n" in (context / "Dockerfile").read_text().replace("\n\n", "\n")
    wanted = yaml.safe_load((context / "_build" / "requirements.yml").read_text())["collections"]
    own = next(entry["name"] for entry in wanted if "loginwatch" in entry["name"])
    assert (context / "_build" / own).is_file(), "galaxy.yml has another version than the example"
