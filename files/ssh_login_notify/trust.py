# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom this host trusts with what root runs and believes: whoever may put files into a directory on the way to it."""

import grp
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

TRUSTED = (
    "/usr/local/bin",
    "/usr/local/lib/ssh-login-notify",
    "/usr/local/etc",
    "/etc/pam.d",
    "/var/spool/ssh-login-notify",
)


def open_directories() -> "List[str]":
    """Return the directories that lead there, links resolved, and in which others than root can put something."""
    found = set()
    for path in map(os.path.realpath, TRUSTED):
        while path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return sorted(path for path in found if _is_open(path))


def _is_open(path: str) -> bool:
    """Tell whether others than root can write a directory. A group without members is nobody (Debian's staff, say)."""
    try:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & 0o002:
            return True
        return bool(status.st_mode & 0o020 and status.st_gid and grp.getgrgid(status.st_gid).gr_mem)
    except (OSError, KeyError):
        return False  # it is missing, which others tell; or its group is
