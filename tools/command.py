# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs, and tell the person at the terminal what is being done."""
from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".dev"  # everything that ./dev makes; git-ignored, removed by `./dev clean`

# Where this thread prints, and the commands that it runs: the terminal, unless another works beside it (testing.py).
PRINTED: ContextVar[TextIO | None] = ContextVar("PRINTED", default=None)


class Failure(Exception):  # noqa: N818 - it is a sentence for a person, not a kind of error
    """What went wrong and how to mend it, in words for the person at the terminal."""


class NotRun(Exception):  # noqa: N818
    """Why a check can't be made on this machine, in words for the person at the terminal."""


def say(text: str) -> None:
    """Print one line about what happens next."""
    stream = PRINTED.get() or sys.stdout
    print(f"\x1b[1mdev:\x1b[0m {text}" if stream.isatty() else f"dev: {text}", file=stream, flush=True)


def run(*command: str | Path, **options) -> None:
    """Run a command with its output on the terminal.

    :param command: program and arguments; never a shell line
    :param options: as for subprocess.run (cwd, env, timeout in seconds …)
    :raises Failure: if it can't be started, takes too long, or ends non-zero
    """
    words = [str(word) for word in command]
    line = shlex.join(words)
    stream = PRINTED.get()
    if stream:
        options = {"stdout": stream, "stderr": subprocess.STDOUT, **options}
    try:
        code = subprocess.run(words, stdin=subprocess.DEVNULL, check=False, **options).returncode
    except OSError as error:
        raise Failure(f"cannot run {line}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"gave up after {error.timeout:.0f} s: {line}") from error
    if code != 0:
        raise Failure(f"failed with exit code {code}: {line}")


def output(*command: str | Path, **options) -> str:
    """What a command prints on standard output, stripped. Raises Failure with its standard error if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        raise Failure(f"{shlex.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def succeeds(*command: str | Path, **options) -> bool:
    """Whether a command can be run and ends with 0. Its output is not shown."""
    try:
        output(*command, **options)
    except Failure:
        return False
    return True


def as_root(*command: str | Path) -> list[str]:
    """The command as root would be given it: with sudo in front, unless we are root."""
    words = [str(word) for word in command]
    return words if os.geteuid() == 0 else ["sudo", *words]
