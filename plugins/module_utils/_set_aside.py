# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves files and cron jobs to a directory that only root can enter, without overwriting anything there."""

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Dict, Iterable, List

from ansible_collections.loginwatch.pam.plugins.module_utils import _cron_tables


class SetAsideError(Exception):
    """Something cannot be set aside. The message says why, and what to do."""


def existing_files(paths: Iterable[str]) -> List[Path]:
    """Return the paths that exist. Raises SetAsideError for anything but a file or a symbolic link."""
    found = []
    for path in map(Path, paths):
        if not path.is_absolute():
            raise SetAsideError(f"{path} is not an absolute path. Begin it with a slash.")
        if not os.path.lexists(str(path)):
            continue
        if not (path.is_symlink() or path.is_file()):
            raise SetAsideError(f"{path} is not a file. Name each file in it by its own path.")
        found.append(path)
    return found


def cron_tables(paths: Iterable[str]) -> List[Path]:
    """Return the existing tables. A directory stands for all files in it."""
    found = []
    for path in map(Path, paths):
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and not path.is_symlink()]


class SetAside:
    """Finds the files and jobs to set aside, and moves them.

    pending: whether there are any. moved: the files that were moved, or would be in check mode, with ``path`` and
    ``to``.
    """

    def __init__(self, files: List[str], commands: List[str], tables: List[str], directory: str) -> None:
        """Find the files and jobs, without changing anything. Raises SetAsideError and OSError."""
        self._files = existing_files(files)
        self._directory = directory
        # Each table, and its text without the jobs, or None if no job would be left.
        self._tables = {}
        for path in cron_tables(tables):
            if path not in self._files:
                text = path.read_bytes().decode("utf-8", "surrogateescape")
                rest = _cron_tables.without(text, commands)
                if rest != text:
                    self._tables[path] = rest
        self.pending = bool(self._files or self._tables)
        self.moved: List[Dict[str, str]] = []

    def move(self, check_mode: bool) -> None:
        """Move everything. Each item is added to ``moved`` once it is done. Raises OSError.

        The jobs come first: if this is interrupted, the remaining files show that it is not finished.
        """
        for path in [*self._tables, *self._files]:
            place = free_place(self._directory, path)
            if not check_mode:
                copy(path, place)
                rest = self._tables.get(path)
                if rest is None:
                    path.unlink()
                else:
                    replace(path, rest)
            self.moved.append({"path": str(path), "to": str(place)})


def free_place(directory: str, path: Path) -> Path:
    """Return the new path for ``path`` below ``directory``. A number is added if an earlier call used that path."""
    place = Path(f"{directory}{path}")
    number = 1
    while os.path.lexists(str(place)):
        place, number = Path(f"{directory}{path}.{number}"), number + 1
    return place


def copy(path: Path, place: Path) -> None:
    """Copy a file with its owner, mode and times. The copy is complete before it gets its name."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    unfinished = place.with_name(f".{place.name}.unfinished")
    shutil.copy2(str(path), str(unfinished), follow_symlinks=False)
    os.chown(str(unfinished), status.st_uid, status.st_gid, follow_symlinks=False)
    unfinished.rename(place)


def replace(path: Path, text: str) -> None:
    """Replace a table in one step. It keeps its owner and mode. Cron ignores the temporary file because of its dot."""
    status = path.stat()
    handle, unfinished = tempfile.mkstemp(prefix=".ansible_tmp_", dir=str(path.parent))
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
    Path(unfinished).replace(path)
