# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the operating system that the tests use, from Debian's or Ubuntu's packages."""
from __future__ import annotations

import os
import shutil

from .command import Failure, as_root, run, say, succeeds


def find(program: str) -> str | None:
    """The program's path, or None. The directories of root's programs count, whoever we are."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def require(programs: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing.

    :param programs: the name of each program, and of the package that has it
    :raises Failure: where there is no apt-get, naming what to install by hand
    """
    packages = sorted({package for program, package in programs.items() if not find(program)})
    if packages:
        install(*packages)


def install(*packages: str) -> None:
    """Install Debian packages, after an update of the package lists where that turns out to be needed."""
    if not find("apt-get"):
        raise Failure(
            f"missing: {', '.join(packages)}. This is not Debian or Ubuntu: "
            "install what they are called here, then start again."
        )
    say(f"installing Debian packages: {' '.join(packages)}")
    command = as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "install", *packages)
    if not succeeds(*command):
        run(*as_root("apt-get", "-qq", "update"))
        run(*command)
