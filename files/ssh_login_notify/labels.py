"""SELinux's labels on what sshd's domain writes: whether they are those that let it write there (docs/selinux.md).

Labels are compared, not abilities: `status` and the watch run unconfined and can write where sshd can't.
"""

import errno
import os

from . import overflow
from .spool import BALLAST, Spool
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional

# Of this process. Not selinuxfs, which looks as if SELinux were off where /sys is read-only: in the sender's sandbox.
CONTEXT = "/proc/self/attr/current"
# Installed by the role where SELinux is on, and nowhere else.
TMPFILES = "/etc/tmpfiles.d/ssh-login-notify.conf"
TYPE = "var_auth_t"
# A container's processes: the policy is its host's, which nothing in the container can change.
CONTAINERS = ("container", "spc_t", "svirt")
# Entries of a directory that are looked at; a storm of logins may have left thousands, all with the same label.
MOST = 200


def is_on() -> bool:
    """Tell whether SELinux is on, enforcing or permissive, and its policy is this host's own."""
    try:
        with open(CONTEXT, "rb") as file:
            context = file.read(1 << 12).decode("utf-8", "replace").rstrip("\0\n")
    except OSError:
        return False
    # Another security module writes something without colons there: "unconfined", "docker-default (enforce)".
    parts = context.split(":")
    return len(parts) > 2 and not parts[2].startswith(CONTAINERS)


def faults(spool: Spool) -> "Dict[str, str]":
    """Return what keeps sshd's domain from writing, by a lasting name; nothing on a host without SELinux."""
    is_installed = os.path.exists(TMPFILES)
    if not (is_installed or is_on()):
        return {}
    found = {}
    if not is_installed:
        found["tmpfiles"] = f"SELinux is on and {TMPFILES} is missing: run the role again"
    if not os.path.isdir(overflow.ROOT):
        mend = "run `systemd-tmpfiles --create ssh-login-notify.conf`" if is_installed else "run the role again"
        found["overflow"] = f"SELinux is on and {overflow.ROOT} is missing, which sshd may not make itself: {mend}"
    for root, paths in ((spool.root, _of_spool(spool)), (overflow.ROOT, _below(overflow.ROOT))):
        wrong = next((path for path in paths if _type(path) not in (None, TYPE)), None)
        if wrong:
            mend = f"run `restorecon -Rv {root}`; if that changes nothing, run the role again"
            where = plain_or_quoted(printable(wrong))
            what = f"{where} has the SELinux type {_type(wrong)}, sshd can only write to {TYPE}"
            found[f"label {root}"] = f"{what}: {mend}"
    return found


def _of_spool(spool: Spool) -> "Iterator[str]":
    """Yield what sshd's domain writes to: the directories and locks, and what lies where captures and the sign do."""
    yield from _below(spool.root)
    for directory in ("incoming", "state", BALLAST):
        yield from _below(spool.path(directory))


def _below(directory: str) -> "List[str]":
    """Return a directory and what lies in it, as far as it is there."""
    try:
        return [directory, *(os.path.join(directory, entry) for entry in sorted(os.listdir(directory))[:MOST])]
    except OSError:
        return []


def _type(path: str) -> "Optional[str]":
    """Return the type in a file's label; None where it has none, as on a kernel without SELinux, or is gone."""
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError as error:
        return None if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT) else "that can't be read"
    parts = label.decode("utf-8", "replace").rstrip("\0").split(":")
    return printable(parts[2]) if len(parts) > 2 else "that can't be read"
