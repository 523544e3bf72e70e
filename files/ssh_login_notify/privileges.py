# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give up root, so that the process that uses the network has no privileges."""

import grp
import os
import pwd

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple


class PrivilegeError(Exception):
    """The process could not give up root. The message says why and what to do, in one sentence."""


def find_user() -> "Tuple[int, int]":
    """Return the uid and the gid of the system user. Raise PrivilegeError if it is missing or has root's uid."""
    try:
        user = pwd.getpwnam(paths.USER)
        group = grp.getgrnam(paths.USER)
    except KeyError:
        raise PrivilegeError(f"the system user {paths.USER} or its group is missing: run the role again") from None
    if user.pw_uid == 0:
        raise PrivilegeError(f"the system user {paths.USER} has root's uid: remove it and run the role again")
    return user.pw_uid, group.gr_gid


def give_up() -> None:
    """Become the system user for good. Raise PrivilegeError if that is impossible: then nothing may be sent."""
    uid, gid = find_user()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o027)
