# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The development dependencies: ranges for people (*.in), and locks (*.txt) that name each file by its hash.

pip installs from the locks alone, so what is installed is what was looked at. `./dev lock` makes them anew.
"""
from __future__ import annotations

import hashlib
from pathlib import Path

from . import environment
from .command import ROOT, STATE, Failure, run, say

# Each with the oldest Python that it is for. A lock holds the newest that each Python from that on can run.
LOCKS = {
    ROOT / "requirements.in": "3.11",
    ROOT / "tests" / "unit" / "notifier" / "requirements.in": "3.6",
    ROOT / "tests" / "oldest_ansible" / "requirements.in": "3.10",
    ROOT / "tests" / "newest_ansible" / "requirements.in": "3.12",
    ROOT / "fuzz" / "requirements.in": "3.11",
}
UV = "uv>=0.8,<1"
STAMP = "# Made by `./dev lock` from {} {}; not to be edited.\n"


def lock_of(ranges: Path) -> Path:
    """The lock of a file of ranges."""
    return ranges.with_suffix(".txt")


def stamp(ranges: Path) -> str:
    """The lock's first line, which tells what it was made from."""
    return STAMP.format(ranges.name, hashlib.sha256(ranges.read_bytes()).hexdigest()[:16])


def renew() -> None:
    """Make all locks anew, with the newest releases that the ranges let in."""
    directory = STATE / "uv"
    environment.make_venv(directory, environment.python(), [UV], UV)
    for ranges, oldest in LOCKS.items():
        lock = lock_of(ranges)
        say(f"making {lock.relative_to(ROOT)}")
        lock.unlink(missing_ok=True)  # uv would keep the releases that are in it
        options = ("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--python-version", oldest)
        run(directory / "bin" / "uv", "pip", "compile", "--quiet", *options, ranges, "--output-file", lock)
        lock.write_text(stamp(ranges) + lock.read_text())


def check() -> None:
    """Each lock was made from its ranges as they are, and names a hash for everything."""
    for ranges in LOCKS:
        lock = lock_of(ranges)
        text = lock.read_text() if lock.exists() else ""
        if not text.startswith(stamp(ranges)):
            raise Failure(f"{lock.relative_to(ROOT)} was not made from {ranges.name} as it is: run ./dev lock")
        for requirement in text.replace("\\\n", " ").splitlines():
            if "==" in requirement and "--hash=sha256:" not in requirement:
                raise Failure(f"{lock.relative_to(ROOT)} has no hash for {requirement.split()[0]}: run ./dev lock")
