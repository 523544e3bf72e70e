# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and return what it prints."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path


class LabError(Exception):
    """A command of the lab failed. The text contains its error output."""


def output(*words: str | Path) -> str:
    """Return a command's standard output, stripped. Raises LabError if it can't run or fails."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise LabError(f"{shlex.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.strip()


def docker(*words: str | Path) -> str:
    """Run Docker's client with these arguments, and return its standard output. Raises LabError."""
    return output("docker", *words)


def as_root(*words: str | Path) -> list[str]:
    """Return the command, with sudo in front unless we are root."""
    command = [str(word) for word in words]
    return command if os.geteuid() == 0 else ["sudo", *command]
