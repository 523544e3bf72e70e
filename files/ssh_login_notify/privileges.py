"""Giving up root: the part that talks to the network has no rights."""

import grp
import os
import pwd

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple


class PrivilegeError(Exception):
    """Why root could not be given up, in one sentence that names the mend."""


def find_user() -> "Tuple[int, int]":
    """Return the numbers of the system user and its group; raise PrivilegeError where they are not usable."""
    try:
        user = pwd.getpwnam(paths.USER)
        group = grp.getgrnam(paths.USER)
    except KeyError:
        raise PrivilegeError(f"the system user {paths.USER} or its group is missing: run the role again") from None
    if user.pw_uid == 0:
        raise PrivilegeError(f"the system user {paths.USER} has root's number: remove it and run the role again")
    return user.pw_uid, group.gr_gid


def give_up() -> None:
    """Become the system user for good; raise PrivilegeError. Nothing may be sent after that."""
    uid, gid = find_user()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o027)
