"""Giving up root: the part that talks to the network has no rights."""

import grp
import os
import pwd

USER = "ssh-login-notify"


class PrivilegeError(Exception):
    """Why root could not be given up, in one sentence that names the mend."""


def give_up() -> None:
    """Become the system user for good; raise PrivilegeError. Nothing may be sent after that."""
    try:
        user = pwd.getpwnam(USER)
        group = grp.getgrnam(USER)
    except KeyError:
        raise PrivilegeError(f"the system user {USER} or its group is missing: run the role again") from None
    if user.pw_uid == 0:
        raise PrivilegeError(f"the system user {USER} has root's number: remove it and run the role again")
    os.setgroups([])
    os.setresgid(group.gr_gid, group.gr_gid, group.gr_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o027)
