# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom this host trusts: everybody who can put files into a directory that leads to what root runs and reads."""

import grp
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional

TRUSTED = (
    "/usr/local/bin",
    "/usr/local/lib/ssh-login-notify",
    "/usr/local/etc",
    "/etc/pam.d",
    "/var/spool/ssh-login-notify",
)


def open_directories(paths: "Optional[Iterable[str]]" = None) -> "List[str]":
    """Return the directories that others than root can write, links resolved, on the way to TRUSTED or other paths."""
    found = set()
    for path in map(os.path.realpath, TRUSTED if paths is None else paths):
        while path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return sorted(path for path in found if _is_open(path))


def _is_open(path: str) -> bool:
    """Tell whether others than root can write a directory. A group without members is nobody (Debian's staff)."""
    try:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & 0o002:
            return True
        return bool(status.st_mode & 0o020 and status.st_gid and grp.getgrgid(status.st_gid).gr_mem)
    except (OSError, KeyError):
        return False  # the directory is missing, which other checks report; or its group has no name
