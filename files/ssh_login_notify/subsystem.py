# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SFTP server that sshd's configuration names: `Subsystem sftp /nix/store/…/libexec/sftp-server -l INFO`.

sshd runs this line through the user's shell (OpenSSH, session.c, session_subsystem_req; servconf.c, sSubsystem). It
counts as a transfer only if it is certain what runs. So the line must consist of plain words and begin with an absolute
path. With symlinks resolved, the path must lead to a program with `sftp` in its name, not a script, in directories that
only root can write to. Only sshd's own configuration files are read, and only the files that they name are examined: a
path from a user's command line could lead to a file system that hangs.

The configuration is that of the sshd that serves the connection. The monitor's parent is the listening sshd, and shows
the options of its start. An sshd that systemd or inetd starts for each connection has no such parent, and its title
hides its options. Then the default configuration file is read.
"""

import glob
import os

from . import sshd_start, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

# Relative patterns of Include start there (sshd_config(5)).
DIRECTORY = "/etc/ssh"
# The depth of nested includes (servconf.c, SERVCONF_MAX_DEPTH).
DEEPEST = 16
LARGEST_BYTES = 1 << 18
PROGRAM = b"\x7fELF"
# Part of the program's name. With `/usr/bin/env sftp-server`, the user's PATH would decide what runs.
NAME = b"sftp"
# Quotes and other characters that a shell interprets. With these, the words are not certain.
UNCERTAIN = b"'\"\\$`;&|<>(){}*?[]~!#"


def sftp_servers(listener: "List[bytes]") -> "List[Tuple[List[bytes], bytes]]":
    """Return the words of each command line that is configured for SFTP, and its file, with symlinks resolved.

    listener: the arguments of the listening sshd. Those of any other process are ignored.
    """
    found = []
    started = sshd_start.words([os.fsdecode(argument) for argument in listener])
    options = sshd_start.options(started[1:]) or []
    given = [os.fsencode(value) for option, value in options if option == "-o"]
    for line in [*given, *_lines(sshd_start.configuration(options), DEEPEST)]:
        words = line.replace(b"=", b" ", 1).split() if b"=" in line.split(b" ")[0] else line.split()
        if len(words) > 2 and words[0].lower() == b"subsystem" and words[1] == b"sftp":
            command = words[2:]
            if command[0].startswith(b"/") and not any(byte in UNCERTAIN for byte in b"".join(command)):
                file = _program(command[0])
                found += [(command, file)] if file else []
    return found


def _lines(path: str, deepest: int) -> "Iterator[bytes]":
    """Yield the lines of one of sshd's files, and of the files that it includes. Nothing for a relative path."""
    try:
        if not os.path.isabs(path):
            return
        with open(path, "rb") as file:
            text = file.read(LARGEST_BYTES)
    except OSError:
        return
    for raw in text.split(b"\n"):
        line = raw.strip()
        yield line
        words = line.split()
        if deepest and words and words[0].lower() == b"include":
            for pattern in words[1:]:
                for included in sorted(glob.glob(os.path.join(DIRECTORY, os.fsdecode(pattern.strip(b'"'))))):
                    yield from _lines(included, deepest - 1)


def _program(path: bytes) -> bytes:
    """Return a path with symlinks resolved if it is a program that only root can replace, else empty bytes."""
    file = os.path.realpath(path)
    try:
        status = os.stat(file)
        with open(file, "rb") as content:
            is_program = content.read(len(PROGRAM)) == PROGRAM
    except OSError:
        return b""
    ways = [os.path.dirname(os.fsdecode(name)) for name in (path, file)]
    is_program = is_program and NAME in os.path.basename(file)
    is_roots = status.st_uid == 0 and not status.st_mode & 0o022 and not trust.open_directories(ways)
    return file if is_program and is_roots else b""
