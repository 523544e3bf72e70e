# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the operating system that the tests use, from the packages of Debian or Ubuntu."""
from __future__ import annotations

import os
import shutil
import sys

from .command import Failure, as_root, exclusive, exit_code, run, say, succeeds

# What nox sessions request. The tests accept either browser.
BROWSERS = ("chromium", "google-chrome")
SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")


def find(program: str) -> str | None:
    """Return the program's path, or None. The directories of root's programs are always searched."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def require(programs: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing.

    :param programs: the package of each program, by the program's name
    :raises Failure: if there is no apt-get; it names what to install by hand
    """
    packages = sorted({package for program, package in programs.items() if not find(program)})
    if packages:
        install(*packages)


def install(*packages: str) -> None:
    """Install Debian packages, and update the package lists first if the first attempt fails."""
    if not find("apt-get"):
        raise Failure(
            f"missing: {', '.join(packages)}. This is not Debian or Ubuntu: "
            "install the packages that contain these programs, then run this again."
        )
    say(f"installing Debian packages: {' '.join(packages)}")
    command = as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "install", *packages)
    with exclusive("apt"):
        if not succeeds(*command):
            run(*as_root("apt-get", "-qq", "update"))
            run(*command)


def provide(*what: str) -> None:
    """Install the `shells` that people log in with, a `browser` for pages, or both."""
    if "shells" in what:
        require({name: name for name in SHELLS})
    if "browser" in what and not any(find(browser) for browser in BROWSERS):
        install("chromium")


if __name__ == "__main__":
    sys.exit(exit_code(provide, *sys.argv[1:]))
