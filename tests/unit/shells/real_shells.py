# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real shells, and the commands that they run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("bash", "dash", "zsh", "fish", "tcsh")
SERVERS = ("scp", "rsync", "git", "git-shell", "git-upload-pack", "git-receive-pack", "git-upload-archive")
# Prints its name and arguments, each followed by a NUL, and a final newline argument.
SERVER = "#!/bin/sh\nprintf '%s\\0' \"${0##*/}\" \"$@\" '\n'\n"
# Creates a file named after the shell that runs it, because its output could be taken for words.
EVIL = '#!/bin/sh\n: > "$RAN/$SHELL_NAME"\n'
# Variables that a client can set (AcceptEnv LC_*), for shells that execute the value of a variable.
VARIABLES = {"LC_A": "$(evil)", "LC_B": "x[$(evil)]", "LC_C": "`evil`"}
# Files in the user's home directory, for words that a shell replaces by file names.
FILES = ("--daemon", "--config=x", "--help", "-S", "-evil", "evil", "a", "ab", "x y")
LONGEST_RUN_SECONDS = 30


class Shells:
    """Shells that find only stub programs, which print their arguments. Other effects are detected as well."""

    def __init__(self, root: Path) -> None:
        self.paths = {name: shutil.which(name) for name in NAMES}
        missing = sorted(name for name, path in self.paths.items() if path is None)
        if missing:
            pytest.fail(f"There is no {', '.join(missing)} here. Run `apt-get install {' '.join(missing)}`.")
        self._stubs = root / "stubs"
        self._home = root / "home"
        self._directory = root / "directory"
        for directory in (self._stubs, self._home, self._directory):
            directory.mkdir()
        for name in SERVERS:
            self.add_program(name, SERVER)
        self.add_program("evil", EVIL)
        for name in FILES:
            (self._directory / name).touch()

    def add_program(self, name: str, stub: str = EVIL) -> None:
        """Add a stub program of this name to the shells' path."""
        path = self._stubs / name
        path.write_text(stub)
        path.chmod(0o755)

    def run(self, line: bytes) -> tuple[dict[str, bytes], set[str]]:
        """Run a line in each shell, and wait until everything that it started has ended.

        Returns the output of each shell and its servers (see `record`), and the shells that did anything else.
        """
        variables = {"PATH": str(self._stubs), "HOME": str(self._home), "RAN": str(self._directory), **VARIABLES}
        processes = {
            name: subprocess.Popen(
                [path, "-c", line],
                cwd=self._directory,
                env={**variables, "LC_ALL": "C.UTF-8", "SHELL_NAME": name},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for name, path in self.paths.items()
        }
        written = {name: process.communicate(timeout=LONGEST_RUN_SECONDS)[0] for name, process in processes.items()}
        made = {path.name for path in self._directory.iterdir()}.difference(FILES)
        for name in made:
            (self._directory / name).unlink()
        return written, made


def record(arguments: list[bytes]) -> bytes:
    """Return the output of a stub that runs with these arguments, the first of them its name."""
    return b"".join(argument + b"\0" for argument in [*arguments, b"\n"])
