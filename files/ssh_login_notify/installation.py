# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the role installed on this host, and whether they are unchanged."""

import json
import os
import stat

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

# For this long after a change of installed files, the role may still be running.
UNSETTLED_SECONDS = 120


def installed_at() -> float:
    """Return when the role last changed an installed file, in seconds since the epoch, or 0 if unknown."""
    try:
        return os.stat(paths.MANIFEST).st_mtime
    except OSError:
        return 0.0


def is_unsettled(now: float, configuration: str) -> bool:
    """Return whether the role has just changed something, and may still be running.

    configuration: the path of the configuration file
    """
    try:
        configured_at = os.lstat(configuration).st_mtime
    except OSError:
        configured_at = 0.0
    return 0 <= now - max(installed_at(), configured_at) < UNSETTLED_SECONDS


def recorded() -> "Dict[str, Any]":
    """Return the manifest: the SHA-256 of each file as the role installed it, by path.

    Raise OSError or ValueError if it can't be read.
    """
    with open(paths.MANIFEST, "rb") as file:
        manifest = json.loads(file.read(1 << 20).decode("utf-8"))
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise ValueError("it names no files")
    return files


def changed_files() -> "List[str]":
    """Return the paths that differ from what the role installed: changed, missing, added, writable by other users, or
    not readable by root.

    Raise OSError or ValueError if the manifest can't be read.
    """
    files = recorded()
    changed = [path for path in sorted(files) if not _is_as_installed(path, files[path])]
    directories = [paths.LIBRARY, paths.PACKAGE, *_below_package(files)]
    changed += [path for path in directories if not _is_open_to_root(path)]
    # A file that was added to a directory of the package could be loaded in place of one of its modules.
    known = {paths.MANIFEST, *files, *directories}
    for directory in directories:
        found = [os.path.join(directory, entry) for entry in sorted(_entries(directory))]
        changed += [path for path in found if path not in known]
    # A message has room for a few names. Those of sources say most.
    return sorted(changed, key=lambda path: path.endswith(".pyc"))


def _below_package(files: "Iterable[str]") -> "List[str]":
    """Return the directories of the installed files in sub-packages, and those of the byte code (`__pycache__`)."""
    return sorted({os.path.dirname(path) for path in files if path.startswith(paths.PACKAGE + "/")} - {paths.PACKAGE})


def _entries(directory: str) -> "List[str]":
    """Return the names in a directory. If it is missing, return none: its files are reported as missing."""
    return os.listdir(directory) if os.path.isdir(directory) else []


def _is_as_installed(path: str, digest: object) -> bool:
    import hashlib  # not at the top: the sender, which each login starts, calls only installed_at()

    try:
        status = os.lstat(path)
        with open(path, "rb") as file:
            same = hashlib.sha256(file.read()).hexdigest() == digest
    except OSError:
        return False
    needed = 0o500 if path == paths.PROGRAM else 0o400
    return same and stat.S_ISREG(status.st_mode) and _is_roots(status, needed)


def _is_open_to_root(directory: str) -> bool:
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _is_roots(status, 0o500)


def _is_roots(status: os.stat_result, needed: int) -> bool:
    """Return whether root owns a file, no other user can write to it, it is not setuid, and root has the needed rights.

    The mode decides, not access(2): the sender runs as root without CAP_DAC_OVERRIDE, but this process may have it.
    """
    mode = status.st_mode
    return status.st_uid == 0 and not mode & 0o6022 and mode & needed == needed


def cannot_run() -> "Optional[str]":
    """Return why the kernel can't run the installed program, or None if it can."""
    try:
        if os.statvfs(paths.PROGRAM).f_flag & os.ST_NOEXEC:
            return f"{paths.PROGRAM} is on a file system that is mounted noexec"
        with open(paths.PROGRAM, "rb") as file:
            words = file.readline(1 << 12).decode("utf-8", "replace").split()
    except OSError:
        return None  # changed_files() reports it
    python = words[0][len("#!") :] if words and words[0].startswith("#!/") else ""
    try:
        status = os.stat(python)
    except OSError:
        return f"the Python that {paths.PROGRAM} needs is missing ({python or 'its first line names none'})"
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o100:
        return f"the Python that {paths.PROGRAM} needs can't be executed ({python})"
    if status.st_uid != 0 or status.st_mode & 0o6022:
        return f"the Python that {paths.PROGRAM} needs can be written by users other than root ({python})"
    return None
