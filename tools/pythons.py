"""The Python interpreters of this machine: the notifier runs on many, so its tests do."""
from __future__ import annotations

import sys
from pathlib import Path

from . import system
from .command import Failure, output

OLDEST, NEWEST = 6, 13  # Python 3.6 to 3.13 run the notifier


def find() -> dict[str, Path]:
    """The Pythons that are here, oldest first: on the PATH, and in pyenv's folder."""
    found = {}
    for minor in range(OLDEST, NEWEST + 1):
        name = f"python3.{minor}"
        candidates = [system.find(name), *sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))]
        for candidate in candidates:
            # pyenv puts a shim on the PATH for every version that it could switch to; ask who really answers.
            if candidate and answer(Path(candidate)) == f"3.{minor}":
                found[f"3.{minor}"] = Path(candidate)
                break
    return found or {f"{sys.version_info[0]}.{sys.version_info[1]}": Path(sys.executable)}


def answer(python: Path) -> str:
    """The version that an interpreter says it is; empty if it does not run."""
    try:
        return output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    except Failure:
        return ""
