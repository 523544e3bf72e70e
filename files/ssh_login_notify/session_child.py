# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of a login, as one child process of the session's server shows it.

Any program can choose its name and its arguments. So the command line (command_line.py) does not prove a transfer: the
child must also run the file of that transfer's server, of the user's shell, or of sshd itself.
"""

import os

from . import titles
from .command_line import SHELLS, SYSTEM_DIRECTORIES, classify_command, classify_program
from .login_types import COMMAND, INTERACTIVE, SFTP_OR_SCP, TRANSFERS
from .processes import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

# The usual names of sshd's processes. A user's program with one of these names has something to hide.
USUAL_NAMES = (b"sshd", b"sshd-session")
# The shell of a user whose passwd(5) entry names none.
DEFAULT_SHELL = b"/bin/sh"
# Appended to a path that only the process itself sees, so that it equals no known path.
ELSEWHERE = b" (in another mount namespace)"


class Server:
    """The sshd process that serves a session.

    pid, name: its pid and its name (proc(5), comm). monitor: the pid of the connection's monitor, its parent or itself.
    program: the name in its title. user: pw_name in the form of the title; empty until it is certain.
    """

    def __init__(self, pid: int, name: bytes, monitor: int) -> None:
        self.pid = pid
        self.name = name
        self.monitor = monitor
        self.program = b""
        self.user = b""

    def is_named(self, name: bytes) -> bool:
        """Return whether a process with this name may be one of sshd's own."""
        return name in (self.name, self.program) or name in USUAL_NAMES


def classify_child(processes: Processes, server: Server, child: int) -> "Optional[str]":
    """Return the type of the login that a child of the session's server shows, None if it shows none yet."""
    # The name alone proves nothing: the child may have only forked so far, or may have exited. The name is read first,
    # because a process with a new name no longer has its old arguments.
    name = processes.name(child)
    arguments = processes.arguments(child)
    if not arguments or _looks_like_sshd(server, name, arguments):
        return _classify_sshd(processes, server, child)
    if arguments[0].startswith(b"-"):
        return INTERACTIVE
    is_shell = len(arguments) == 3 and arguments[1] == b"-c" and _is_shell(arguments[0], server.user)
    command = arguments[2] if is_shell else None
    claimed = classify_program(arguments, b"", name) if command is None else classify_command(command)
    configured = b""
    if claimed not in TRANSFERS:
        configured = _configured(processes, server, arguments if command is None else command.split(b" "))
    if claimed not in TRANSFERS and not configured:
        return claimed
    file = _file(processes, server, child)
    if processes.arguments(child) != arguments:
        return None  # it has run another program meanwhile, or exited: the file may belong to either
    if command is not None:
        claimed = SFTP_OR_SCP if configured else claimed
        return claimed if not file or _is_file_of_shell(file, server.user) else COMMAND
    if configured:
        return SFTP_OR_SCP if file in (b"", configured) else claimed
    return classify_program(arguments, file, name)


def _file(processes: Processes, server: Server, child: int) -> bytes:
    """Return the path of a child's executable, as Processes.executable. Mark it if it is in another mount namespace.

    A user can create a mount namespace (user_namespaces(7)) and put any file at any path there. The kernel shows only
    the path. So the namespaces are compared and not the files, because opening a user's file could block forever.
    """
    file = processes.executable(child)
    own, sshds = processes.mount_namespace(child), processes.mount_namespace(server.pid)
    return file + ELSEWHERE if file and own and sshds and own != sshds else file


def _configured(processes: Processes, server: Server, words: "List[bytes]") -> bytes:
    """Return the file of the SFTP server if sshd is configured to run it with this command line, else empty bytes."""
    if not words[0].startswith(b"/"):
        return b""
    from . import subsystem  # seldom needed, and its modules take time to load

    listener = processes.arguments(processes.parent(server.monitor))
    return next((file for command, file in subsystem.sftp_servers(listener) if command == words), b"")


def _looks_like_sshd(server: Server, name: bytes, arguments: "List[bytes]") -> bool:
    return server.is_named(name) or server.is_named(arguments[0].partition(b":")[0])


def _classify_sshd(processes: Processes, server: Server, child: int) -> "Optional[str]":
    """Return the type of a process that looks like one of sshd's. If it runs another file, it is a command.

    The file is read first. File and arguments change together, so arguments that are read later belong to this file.
    """
    server_file, file = processes.executable(server.pid), _file(processes, server, child)
    arguments = processes.arguments(child)
    if file != server_file:
        is_guise = arguments and _looks_like_sshd(server, processes.name(child), arguments)
        return COMMAND if file and server_file and is_guise else None
    # A title is a single argument. A user who starts sshd's file under this name has to add options.
    title = server.program + b": " + server.user + titles.INTERNAL_SFTP
    return SFTP_OR_SCP if server.user and arguments == [title] else None


def _is_shell(name: bytes, user: bytes) -> bool:
    """Return whether sshd runs commands under this name: `SHELL -c COMMAND`, where SHELL is the base name."""
    return name in SHELLS or name == os.path.basename(login_shell(user))


def _is_file_of_shell(file: bytes, user: bytes) -> bool:
    """Return whether this is the file of the user's shell. Any program can be started with a shell's arguments."""
    shell = login_shell(user)
    if shell:
        return file == os.path.realpath(shell)
    directory, _slash, name = file.rpartition(b"/")
    return directory in SYSTEM_DIRECTORIES and name in SHELLS


def login_shell(user: bytes) -> bytes:
    """Return the path of a local user's shell (passwd(5)). Empty for others: a directory service can be slow.

    user: pw_name, as sshd's title has it
    """
    try:
        with open("/etc/passwd", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b":")
                if len(fields) == 7 and titles.encoded(fields[0]) == user:
                    return fields[6] or DEFAULT_SHELL
    except OSError:
        pass
    return b""
