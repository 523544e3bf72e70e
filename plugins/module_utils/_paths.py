# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates directories, sets permissions, and removes paths."""

import shutil
import stat
from pathlib import Path
from typing import Any, Dict

from ansible_collections.loginwatch.pam.plugins.module_utils._account import group_exists
from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError


def kind_of(path: Path) -> str:
    """Return ``absent``, ``file``, ``directory``, ``symbolic link`` or ``special file``. Links are not followed."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return "absent"
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link"}
    return kinds.get(stat.S_IFMT(mode), "special file")


def create_directory(changes: Changes, wanted: Dict[str, Any]) -> None:
    """Create a directory and its missing parents (0755), and set its permissions."""
    path = Path(wanted["path"])
    kind = kind_of(path)
    if kind not in ("absent", "directory"):
        raise InstalledFilesError(f"{path} must be a directory but is a {kind}. Remove it, and run the task again.")
    if kind == "absent":
        changes.add_path(path, "absent\n", f"directory {wanted['mode']}\n")
        if changes.check_mode:
            return
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # No other user can enter it before its owner and mode are right.
        path.mkdir(mode=0o700)
    set_permissions(changes, path, wanted)


def set_permissions(changes: Changes, path: Path, wanted: Dict[str, Any], record: bool = True) -> None:
    """Set owner, group and mode, and the SELinux context that the policy has for the path.

    record: whether to record the change. A path that is already recorded is not recorded again.
    """
    permissions = {name: wanted[name] for name in ("owner", "group", "mode")}
    changed = False
    if changes.check_mode and not group_exists(permissions["group"]):
        # Outside check mode, the group would exist by now.
        permissions["group"] = None
        changed = True
    arguments = changes.module.load_file_common_arguments(dict(permissions, path=str(path)))
    difference: Dict[str, Any] = {}
    changed = changes.module.set_fs_attributes_if_different(arguments, changed, diff=difference)
    if changed and record and str(path) not in changes.paths:
        changes.add_path(path, _as_text(difference.get("before")), _as_text(difference.get("after")))


def remove(changes: Changes, path: Path) -> None:
    """Remove a file, a link or a directory with everything in it. The contents do not appear in the difference."""
    kind = kind_of(path)
    if kind == "absent":
        return
    changes.add_path(path, f"{kind}\n", "absent\n")
    if changes.check_mode:
        return
    if kind == "directory":
        shutil.rmtree(str(path))
    else:
        path.unlink()


def is_empty(directory: Path) -> bool:
    """Return whether the directory is empty. A directory that does not exist is empty."""
    return not directory.is_dir() or not any(directory.iterdir())


def _as_text(state: Any) -> str:
    return "".join(f"{name}: {value}\n" for name, value in sorted((state or {}).items()) if name != "path")
