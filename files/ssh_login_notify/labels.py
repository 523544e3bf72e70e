# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the SELinux labels of the notifier's files allow sshd's domain to write to them (docs/selinux.md).

The labels are compared, because a test write proves nothing: `status` and the self-check run unconfined, so they can
write where sshd can't.
"""

import errno
import os

from . import paths
from .spool import BALLAST, Spool
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional

# The context of this process. selinuxfs can't be used instead: in the sender's sandbox, /sys is read-only, so SELinux
# would seem to be off.
CONTEXT = "/proc/self/attr/current"
TYPE = "var_auth_t"
# The types of processes in containers. They are under the policy of the host, which the container can't change.
CONTAINERS = ("container", "spc_t", "svirt")
# At most this many entries of a directory are checked: a storm of logins can leave thousands with the same label.
MOST_ENTRIES = 200


def is_on() -> bool:
    """Return whether SELinux is on (enforcing or permissive) with a policy of this host's own."""
    try:
        with open(CONTEXT, "rb") as file:
            context = file.read(1 << 12).decode("utf-8", "replace").rstrip("\0\n")
    except OSError:
        return False
    # Other security modules write text without colons there: "unconfined", "docker-default (enforce)".
    parts = context.split(":")
    return len(parts) > 2 and not parts[2].startswith(CONTAINERS)


def faults(spool: Spool) -> "Dict[str, str]":
    """Return the faults that keep sshd's domain from writing, by stable keys. Without SELinux, there are none."""
    is_installed = os.path.exists(paths.TMPFILES)
    if not (is_installed or is_on()):
        return {}
    found = {}
    if not is_installed:
        found["tmpfiles"] = f"SELinux is on and {paths.TMPFILES} is missing: run the role again"
    if not os.path.isdir(paths.OVERFLOW):
        mend = "run `systemd-tmpfiles --create ssh-login-notify.conf`" if is_installed else "run the role again"
        found["overflow"] = f"SELinux is on and {paths.OVERFLOW} is missing, and sshd can't create it: {mend}"
    for root, written in ((spool.root, _of_spool(spool)), (paths.OVERFLOW, _below(paths.OVERFLOW))):
        wrong = next((path for path in written if _type(path) not in (None, TYPE)), None)
        if wrong:
            mend = f"run `restorecon -Rv {root}`; if that changes nothing, run the role again"
            where = plain_or_quoted(printable(wrong))
            what = f"{where} has the SELinux type {_type(wrong)}, but sshd can only write to {TYPE}"
            found[f"label {root}"] = f"{what}: {mend}"
    return found


def _of_spool(spool: Spool) -> "Iterator[str]":
    """Yield the paths that sshd's domain writes to: the spool's entries, and the files in three of its directories."""
    yield from _below(spool.root)
    for directory in ("incoming", "state", BALLAST):
        yield from _below(spool.path(directory))


def _below(directory: str) -> "List[str]":
    """Return a directory and its entries, or an empty list if it is missing."""
    try:
        return [directory, *(os.path.join(directory, entry) for entry in sorted(os.listdir(directory))[:MOST_ENTRIES])]
    except OSError:
        return []


def _type(path: str) -> "Optional[str]":
    """Return the type in a file's label, or None if the file is gone or has no label (a kernel without SELinux)."""
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError as error:
        return None if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT) else "that can't be read"
    parts = label.decode("utf-8", "replace").rstrip("\0").split(":")
    return printable(parts[2]) if len(parts) > 2 else "that can't be read"
