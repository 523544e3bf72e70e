# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed build of the notifier. Between two releases the version stays the same, and the files change."""

import hashlib
import os

from . import VERSION, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

# Enough to distinguish builds. The manifest detects files that were changed on the host (installation.py).
DIGITS = 8


def name() -> str:
    """Return the version, and a number that is the same on every host with the same program: ``0.1.0+3f9a2c1d``.

    Of versions that differ only after the plus sign, none is later (Semantic Versioning 2.0.0, 10). Return the version
    alone if a file can't be read.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    try:
        for path in sorted(_modules(package)):
            with open(os.path.join(package, path), "rb") as file:
                digest.update(path.encode() + b"\0" + file.read() + b"\0")
        with open(paths.PROGRAM, "rb") as file:
            file.readline()  # skip the shebang, which names the host's Python
            digest.update(file.read())
    except OSError:
        return VERSION
    return f"{VERSION}+{digest.hexdigest()[:DIGITS]}"


def _modules(package: str) -> "Iterator[str]":
    """Yield the paths of the package's modules, relative to the package, including sub-packages."""
    for directory, _directories, files in os.walk(package):
        for name in files:
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(directory, name), package)
