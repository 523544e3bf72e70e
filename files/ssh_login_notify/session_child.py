# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one child of a session's server says about the login: its type, or nothing yet.

Any program can take any name and any arguments. So a transfer needs more than its command line (command_line.py): the
child must also run the file of that transfer's server, of the user's shell, or of sshd itself.
"""

import os

from .command_line import SHELLS, SYSTEM_DIRECTORIES, classify_command, classify_program
from .login_types import COMMAND, INTERACTIVE, SFTP_OR_SCP, TRANSFERS
from .processes import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

# sshd's processes, by their names.
SERVERS = (b"sshd", b"sshd-session")
# The shell of a user whose entry in passwd(5) names none.
DEFAULT_SHELL = b"/bin/sh"


def title_of(arguments: "List[bytes]") -> bytes:
    """Return `deploy`, `deploy@notty` or `deploy@pts/0` of a session's server, and nothing of any other process."""
    program, _colon, title = b" ".join(arguments).partition(b": ")
    return title if program in SERVERS and not title.endswith((b" [priv]", b" [pam]", b" [net]")) else b""


def classify_child(processes: Processes, server: int, child: int, user: bytes) -> "Optional[str]":
    """Return the type that a child of the session's server shows, None as long as it shows none."""
    # A process that was only forked, or that is over, would be a guess by its name. The name is read first: a process
    # that has its new name has lost its old arguments.
    name = processes.name(child)
    arguments = processes.arguments(child)
    if name in SERVERS or not arguments or arguments[0].partition(b":")[0] in SERVERS:
        return _classify_sshd(processes, server, child)
    if arguments[0].startswith(b"-"):
        return INTERACTIVE
    is_shell = len(arguments) == 3 and arguments[1] == b"-c" and _is_shell(arguments[0], user)
    command = arguments[2] if is_shell else None
    claimed = classify_program(arguments, b"", name) if command is None else classify_command(command)
    if claimed not in TRANSFERS:
        return claimed
    file = processes.executable(child)
    if processes.arguments(child) != arguments:
        return None  # another program by now, or over: the file may be of either
    if command is None:
        return classify_program(arguments, file, name)
    return claimed if not file or _is_file_of_shell(file, user) else COMMAND


def _classify_sshd(processes: Processes, server: int, child: int) -> "Optional[str]":
    """Return the type of a process that looks like one of sshd's: any program can, but not with sshd's file.

    The file is read first. It and the arguments change at once, so arguments that are read later are this file's.
    """
    server_file, file = processes.executable(server), processes.executable(child)
    arguments = processes.arguments(child)
    if file != server_file:
        looks_like_sshd = b" ".join(arguments).partition(b":")[0] in SERVERS or processes.name(child) in SERVERS
        return COMMAND if file and server_file and arguments and looks_like_sshd else None
    # A title is one text. Somebody who starts sshd's own file under this name has to give it options, too.
    is_sftp = len(arguments) == 1 and title_of(arguments).endswith(b"@internal-sftp")
    return SFTP_OR_SCP if is_sftp else None


def _is_shell(name: bytes, user: bytes) -> bool:
    """Tell whether sshd runs commands under this name: `SHELL -c COMMAND`, the user's shell without its directory."""
    return name in SHELLS or name == os.path.basename(login_shell(user))


def _is_file_of_shell(file: bytes, user: bytes) -> bool:
    """Tell whether this is the file of the user's shell: any program can be started with a shell's arguments."""
    shell = login_shell(user)
    if shell:
        return file == os.path.realpath(shell)
    directory, _slash, name = file.rpartition(b"/")
    return directory in SYSTEM_DIRECTORIES and name in SHELLS


def login_shell(user: bytes) -> bytes:
    """Return the path of a local user's shell (passwd(5)), empty for others: a directory service may be slow."""
    try:
        with open("/etc/passwd", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b":")
                if fields[0] == user and len(fields) == 7:
                    return fields[6] or DEFAULT_SHELL
    except OSError:
        pass
    return b""
