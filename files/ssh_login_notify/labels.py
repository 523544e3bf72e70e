# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SELinux labels of files that sshd's domain writes: whether they allow it (docs/selinux.md).

Labels are compared, because trying proves nothing: `status` and the self-check run unconfined and can write where sshd
can't.
"""

import errno
import os

from . import paths
from .spool import BALLAST, Spool
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional

# This process's context. Not selinuxfs: in the sender's sandbox, /sys is read-only and SELinux would seem to be off.
CONTEXT = "/proc/self/attr/current"
TYPE = "var_auth_t"
# The types of a container's processes. Their policy is the host's, which the container can't change.
CONTAINERS = ("container", "spc_t", "svirt")
# At most this many entries of a directory are checked: a storm of logins may leave thousands with the same label.
MOST_ENTRIES = 200


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
    """Return what prevents sshd's domain from writing, by a lasting name; nothing on a host without SELinux."""
    is_installed = os.path.exists(paths.TMPFILES)
    if not (is_installed or is_on()):
        return {}
    found = {}
    if not is_installed:
        found["tmpfiles"] = f"SELinux is on and {paths.TMPFILES} is missing: run the role again"
    if not os.path.isdir(paths.OVERFLOW):
        mend = "run `systemd-tmpfiles --create ssh-login-notify.conf`" if is_installed else "run the role again"
        found["overflow"] = f"SELinux is on and {paths.OVERFLOW} is missing, and sshd may not create it: {mend}"
    for root, written in ((spool.root, _of_spool(spool)), (paths.OVERFLOW, _below(paths.OVERFLOW))):
        wrong = next((path for path in written if _type(path) not in (None, TYPE)), None)
        if wrong:
            mend = f"run `restorecon -Rv {root}`; if that changes nothing, run the role again"
            where = plain_or_quoted(printable(wrong))
            what = f"{where} has the SELinux type {_type(wrong)}, sshd can only write to {TYPE}"
            found[f"label {root}"] = f"{what}: {mend}"
    return found


def _of_spool(spool: Spool) -> "Iterator[str]":
    """Yield the paths that sshd's domain writes to: directories, locks, and the files in three of the directories."""
    yield from _below(spool.root)
    for directory in ("incoming", "state", BALLAST):
        yield from _below(spool.path(directory))


def _below(directory: str) -> "List[str]":
    """Return a directory and its entries; an empty list if it is missing."""
    try:
        return [directory, *(os.path.join(directory, entry) for entry in sorted(os.listdir(directory))[:MOST_ENTRIES])]
    except OSError:
        return []


def _type(path: str) -> "Optional[str]":
    """Return the type in a file's label; None if it has no label, as on a kernel without SELinux, or is gone."""
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError as error:
        return None if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT) else "that can't be read"
    parts = label.decode("utf-8", "replace").rstrip("\0").split(":")
    return printable(parts[2]) if len(parts) > 2 else "that can't be read"
