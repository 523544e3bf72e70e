# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine: the notifier runs on many, so its tests do."""
from __future__ import annotations

import os
from pathlib import Path

from .command import STATE, Failure, output

VERSIONS = [f"3.{minor}" for minor in range(6, 14)]  # that run the notifier


def find() -> dict[str, Path]:
    """The Pythons that are here, oldest first: on the PATH, and in pyenv's folder."""
    # Not those of our own environments, should one be active.
    folders = [folder for folder in map(Path, os.get_exec_path()) if STATE not in folder.parents]
    found = {}
    for version in VERSIONS:
        candidates = [folder / f"python{version}" for folder in folders]
        candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for candidate in candidates:
            # pyenv puts a shim on the PATH for every version that it could switch to; ask who really answers.
            if candidate.exists() and answer(candidate) == version:
                found[version] = candidate
                break
    return found


def answer(python: Path) -> str:
    """The version that an interpreter says it is; empty if it does not run."""
    try:
        return output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    except Failure:
        return ""
