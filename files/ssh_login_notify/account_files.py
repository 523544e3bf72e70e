# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that an account may own and sshd reads, such as authorized_keys, read as sshd reads them.

They are opened with the rights of their account, as sshd does (uidswap.c, temporarily_use_uid). So a link can't lead
root to a file that the account could not read, nor to a device. Only regular files are read, and opening one never
blocks (auth2-pubkeyfile.c, auth_openfile). The result says whether StrictModes refuses a file (misc.c, safe_path).
Nothing is written.
"""

import contextlib
import grp
import os
import pwd
import re
import stat

from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Iterator, List, Optional, Tuple

    Account = pwd.struct_passwd

NONE = "none"
# The limits for reading one file and one line. sshd has none.
LARGEST_FILE_BYTES = 1 << 24
LARGEST_LINE_BYTES = 1 << 17
# The most lines that are read from one file, not counting empty lines and comments.
MOST_LINES = 5000
# Debian's sshd accepts a file that a private group can write (its patch user-group-modes).
DEBIAN = "/etc/debian_version"


class File:
    """The lines of a file, as far as sshd would read it.

    problem: why the file, or a part of it, could not be read; "" if there was no problem. unsafe: why sshd would refuse
    it with StrictModes, "" if it would not. lines: numbers and contents.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.unsafe = ""
        self.lines: List[Tuple[int, bytes]] = []


def read(path: str, account: "Optional[Account]" = None, largest: int = LARGEST_FILE_BYTES) -> File:
    """Return the lines of a file, read with the rights of an account, or as root. It never blocks, and never fails.

    largest: how many bytes are read. A file that does not exist has no lines and no problem.
    """
    file = File()
    try:
        with rights_of(account):
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                status = os.fstat(number)
                if not stat.S_ISREG(status.st_mode):
                    file.problem = "it is not a regular file"
                    return file
                file.unsafe = _unsafe(path, status, account) if account is not None else ""
                with open(number, "rb", closefd=False) as opened:
                    _read_lines(opened, file, largest)
            finally:
                os.close(number)
    except (FileNotFoundError, NotADirectoryError):
        pass  # NotADirectoryError: the home is /dev/null
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "its path holds a NUL"
        file.problem = f"it could not be opened with the rights of the account: {what}"
    return file


def _read_lines(opened: "IO[bytes]", file: File, largest: int) -> None:
    number = size = 0
    while True:
        line = opened.readline(LARGEST_LINE_BYTES + 1)
        if not line:
            return
        number += 1
        size += len(line)
        is_whole = len(line) <= LARGEST_LINE_BYTES
        while not is_whole and size <= largest:
            rest = opened.readline(LARGEST_LINE_BYTES + 1)
            size += len(rest)
            if len(rest) <= LARGEST_LINE_BYTES:
                break
        if size > largest:
            file.problem = f"it is larger than {largest} bytes, and what follows line {number - 1} was not examined"
            return
        content = line.lstrip()
        # Many blanks can precede a key.
        if (content or not is_whole) and not content.startswith(b"#"):
            if len(file.lines) == MOST_LINES:
                file.problem = (
                    f"it has more than {MOST_LINES} lines, and those after line {number - 1} were not examined"
                )
                return
            file.lines.append((number, line if is_whole else b""))


@contextlib.contextmanager
def rights_of(account: "Optional[Account]") -> "Iterator[None]":
    """Run the body with the rights of an account, if the process is root's."""
    if account is None or account.pw_uid == 0 or os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setegid(account.pw_gid)
        os.seteuid(account.pw_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _unsafe(path: str, status: "os.stat_result", account: "Account") -> str:
    """Return why StrictModes refuses a file, "" if it does not: others can write the file or a directory above it."""
    real, home = os.path.realpath(path), os.path.realpath(account.pw_dir)
    if not _is_safe(status, account.pw_uid):
        return f"bad ownership or modes for file {printable(real)}"
    while True:
        real = os.path.dirname(real)
        if not _is_safe(os.stat(real), account.pw_uid):
            return f"bad ownership or modes for directory {printable(real)}"
        if real in (home, "/"):
            return ""


def _is_safe(status: "os.stat_result", uid: int) -> bool:
    if status.st_uid not in (0, uid) or status.st_mode & 0o002:
        return False
    return not status.st_mode & 0o020 or (os.path.exists(DEBIAN) and _is_private(status, uid))


def _is_private(status: "os.stat_result", uid: int) -> bool:
    """Return whether a file's group has only its owner in it (Debian's secure_permissions)."""
    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return False
    primary = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == status.st_gid]
    return {*primary} <= {uid} and {*group.gr_mem} <= {owner} and bool(primary or group.gr_mem)


def expanded(pattern: str, account: "Account") -> str:
    """Return the path for a pattern of AuthorizedKeysFile, "" if it is `none` or has an unknown token."""
    values = {"%%": "%", "%h": account.pw_dir, "%u": account.pw_name, "%U": str(account.pw_uid)}
    if pattern.lower() == NONE or set(re.findall(r"%.?", pattern)) - set(values):
        return ""
    path = re.sub("%.", lambda match: values[match.group()], pattern)
    return path if path.startswith("/") else account.pw_dir + "/" + path
