# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust: who can write to the directories on the way to files that root runs or reads, and which CAs are trusted."""

import errno
import grp
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Iterable, List, Optional, Union

TRUSTED = (
    "/usr/local/bin",
    "/usr/local/lib/ssh-login-notify",
    "/usr/local/etc",
    "/etc/pam.d",
    "/var/spool/ssh-login-notify",
)

# How many symlinks are followed: as many as the kernel follows (path_resolution(7)).
MOST_LINKS = 40


def on_the_way(paths: "Iterable[str]") -> "List[str]":
    """Return paths and all directories above them, with symlinks resolved."""
    found = set()
    for path in map(os.path.realpath, paths):
        while path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return sorted(found)


def open_directories(paths: "Optional[Iterable[str]]" = None) -> "List[str]":
    """Return the directories on the way to paths (or TRUSTED) that other users can write to."""
    return [path for path in on_the_way(TRUSTED if paths is None else paths) if _is_open(path)]


def _is_open(path: "Union[int, str]") -> bool:
    """Return whether users other than root can write to a directory, given by path or by descriptor.

    A group without members, such as staff, is ignored.
    """
    try:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & 0o002:
            return True
        return bool(status.st_mode & 0o020 and status.st_gid and grp.getgrgid(status.st_gid).gr_mem)
    except (OSError, KeyError):
        return False  # the directory is missing, which other checks report; or its group has no name


def changeable(path: str) -> "Optional[str]":
    """Return what users other than root can change on the way to a program that only root may change, None for nothing.

    That is the file itself or a directory on the way, which includes the directory of each symlink. Raise OSError if
    the path does not lead to a plain file.
    """
    steps = _steps(path)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EACCES, "not a plain file", path)
    if status.st_uid != 0 or status.st_mode & 0o022:
        return steps[-1]
    return next((step for step in steps[:-1] if _is_open(step)), None)


def enter(directory: str) -> int:
    """Open a directory and return its descriptor. Raise OSError if another user can choose which directory that is.

    The owner of a directory on the way can rename entries in it, but no more: with rename(2) they can take nothing out
    of a directory of root's, and link(2) does not work for directories. A symlink can lead anywhere, so it is followed
    only in a directory where only root can create one.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    names = directory.split("/")[::-1]
    links = 0
    here = os.open("/", flags)
    try:
        while names:
            name, following = names.pop(), -1
            if stat.S_ISLNK(os.stat(name or ".", dir_fd=here, follow_symlinks=False).st_mode):
                links += 1
                if _is_open(here):
                    raise OSError(errno.EPERM, "users other than root can change a link on the way", directory)
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), directory)
                target = os.readlink(name, dir_fd=here)
                names += target.split("/")[::-1]
                following = os.open("/", flags) if target.startswith("/") else -1
            else:
                following = os.open(name or ".", flags | os.O_NOFOLLOW, dir_fd=here)
            if following >= 0:
                here, left = following, here
                os.close(left)
        if _is_open(here):
            raise OSError(errno.EPERM, "users other than root can write to it", directory)
    except OSError:
        os.close(here)
        raise
    return here


def _steps(path: str) -> "List[str]":
    """Return each directory on the way to a file, and the file. Raise OSError if there is a loop of symlinks."""
    names = path.split("/")
    found = ["/"]
    links = 0
    while names:
        name = names.pop(0)
        here = os.path.normpath(os.path.join(found[-1], name))
        if os.path.islink(here):
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(here)
            names = target.split("/") + names
            here = "/" if target.startswith("/") else found[-1]
        found.append(here)
    return found


def tls_context(ca_file: str = "", authorities: "Iterable[bytes]" = ()) -> "SSLContext":
    """Return a TLS context that verifies hosts. Raise OSError or ValueError if the file of authorities can't be used.

    ca_file: a PEM file with the authorities to trust, "" for the system's. authorities: others in DER, trusted as well.

    Since Python 3.13, VERIFY_X509_STRICT is the default (ssl.create_default_context). It refuses certificates without
    extensions that RFC 5280 requires of issuers and that older tools do not write: critical basicConstraints, keyUsage,
    key identifiers (OpenSSL, x509_vfy.c, check_extensions). Private authorities that the administrator has configured
    are exempt from this. Otherwise half a fleet would fall silent after a system upgrade. All other checks remain.
    """
    import ssl  # takes 35 ms to load, and most users of this module do not need it

    context = ssl.create_default_context(cafile=ca_file or None)
    # As PEM: Python 3.6 can't load DER with OpenSSL 3.
    own = "".join(map(ssl.DER_cert_to_PEM_cert, authorities))
    if own:
        context.load_verify_locations(cadata=own)
    if (ca_file or own) and context.verify_flags & ssl.VERIFY_X509_STRICT:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
