# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom this host trusts: who can write to directories on the way to files that root runs or reads, and authorities."""

import errno
import grp
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Iterable, List, Optional

TRUSTED = (
    "/usr/local/bin",
    "/usr/local/lib/ssh-login-notify",
    "/usr/local/etc",
    "/etc/pam.d",
    "/var/spool/ssh-login-notify",
)

# As many links are followed as the kernel follows (path_resolution(7)).
MOST_LINKS = 40


def open_directories(paths: "Optional[Iterable[str]]" = None) -> "List[str]":
    """Return the directories on the way to TRUSTED or other paths, links resolved, that other users can write to."""
    found = set()
    for path in map(os.path.realpath, TRUSTED if paths is None else paths):
        while path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return sorted(path for path in found if _is_open(path))


def _is_open(path: str) -> bool:
    """Tell whether users other than root can write to a directory. A group without members is ignored (staff)."""
    try:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & 0o002:
            return True
        return bool(status.st_mode & 0o020 and status.st_gid and grp.getgrgid(status.st_gid).gr_mem)
    except (OSError, KeyError):
        return False  # the directory is missing, which other checks report; or its group has no name


def changeable(path: str) -> "Optional[str]":
    """Return what users other than root can change on the way to a program of root's alone, None for nothing.

    That is a directory, also one that holds a link on the way, or the file itself. Raise OSError for no program.
    """
    steps = _steps(path)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EACCES, "not a plain file", path)
    if status.st_uid != 0 or status.st_mode & 0o022:
        return steps[-1]
    return next((step for step in steps[:-1] if _is_open(step)), None)


def _steps(path: str) -> "List[str]":
    """Return each directory that is passed on the way to a file, and the file; raise OSError if links make a circle."""
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
    """Return a TLS context that checks hosts; raise OSError or ValueError if the file of authorities can't be used.

    ca_file: a PEM file with the authorities to trust, "" for the system's. authorities: others in DER, trusted as well.

    Since Python 3.13 the default is VERIFY_X509_STRICT (ssl.create_default_context), which refuses what RFC 5280 asks
    of issuers and older tools do not write: basicConstraints that are critical, keyUsage, key identifiers (OpenSSL,
    x509_vfy.c, check_extensions). A private authority that the administrator has named is not held to that, or half a
    fleet would fall silent with an upgrade of its system. Everything else is checked as ever.
    """
    import ssl  # 35 ms, which most of this module's users would pay for nothing

    context = ssl.create_default_context(cafile=ca_file or None)
    # As PEM: Python 3.6 can't load DER with OpenSSL 3.
    own = "".join(map(ssl.DER_cert_to_PEM_cert, authorities))
    if own:
        context.load_verify_locations(cadata=own)
    if (ca_file or own) and context.verify_flags & ssl.VERIFY_X509_STRICT:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
