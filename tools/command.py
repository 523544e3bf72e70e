# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs, and report progress to the person at the terminal."""
from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".dev"  # everything that ./dev makes; ignored by git, removed by `./dev clean`


class Failure(Exception):  # noqa: N818 - a sentence for a person, not a kind of error
    """What went wrong and how to fix it, in a sentence for the person at the terminal."""


def say(text: str) -> None:
    """Print one line about what happens next."""
    print(f"\x1b[1mdev:\x1b[0m {text}" if sys.stdout.isatty() else f"dev: {text}", flush=True)


def run(*command: str | Path, **options) -> None:
    """Run a command with its output on the terminal.

    :param command: program and arguments, not a shell command line
    :param options: as for subprocess.run (cwd, env, timeout in seconds …)
    :raises Failure: if it can't be started, takes too long, or ends non-zero
    """
    words = [str(word) for word in command]
    line = shlex.join(words)
    try:
        code = subprocess.run(words, stdin=subprocess.DEVNULL, check=False, **options).returncode
    except OSError as error:
        raise Failure(f"cannot run {line}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"gave up after {error.timeout:.0f} s: {line}") from error
    if code != 0:
        raise Failure(f"failed with exit code {code}: {line}")


def output(*command: str | Path, **options) -> str:
    """Return a command's standard output, stripped. Raises Failure with its standard error if it fails."""
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
    """Return whether a command can be run and ends with 0. Its output is not shown."""
    try:
        output(*command, **options)
    except Failure:
        return False
    return True


def as_root(*command: str | Path) -> list[str]:
    """Return the command, with sudo in front unless we are root."""
    words = [str(word) for word in command]
    return words if os.geteuid() == 0 else ["sudo", *words]


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Let only one process at a time run the block with this name; others wait."""
    STATE.mkdir(exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def exit_code(function: Callable[..., object], *arguments: object) -> int:
    """Call a function, and return its exit code, or 1 after a Failure, whose text is printed."""
    try:
        return int(function(*arguments) or 0)  # type: ignore[call-overload]
    except Failure as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        return 130
