"""What a login is for, read from the processes below the sshd process that serves it.

sshd opens the PAM session before the client has said what it wants, so the hook cannot know. A moment later it shows
here (OpenSSH: session.c, sshd-session.c; measured with 9.2 and 10.0):

    sshd: deploy [priv]      the monitor, root: the hook's parent, and that of PAM's other helpers, such as pam_motd's
      sshd: deploy@notty     the session's server, the user's; "sshd: deploy" until the client opens a session
        bash -c CMD          what the client asked for, run by the user's shell; often replaced by CMD itself
        -bash                a login shell
        sshd: deploy@internal-sftp     sshd's own SFTP server

A root login has no process of its own for the second line up to OpenSSH 9.7; there the monitor becomes the server.
Since 9.8 the titles begin with "sshd-session:".

The rule: a transfer (SFTP, SCP, rsync, git) is named only when it is all that the client asked for. Whatever else runs
is an SSH command or a shell. What did not show itself in time is unknown, never guessed.
"""

import os

from .command_line import SHELLS, SYSTEM_DIRECTORIES, of_command, of_ended, of_program
from .login_types import (
    COMMAND,
    INTERACTIVE,
    SFTP_OR_SCP,
    SOMETHING_OVER,
    TERMINAL_OVER,
    TRANSFERS,
    TUNNEL,
    UNKNOWN,
)
from .processes import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Set, Tuple

SERVERS = (b"sshd", b"sshd-session")
DEFAULT_SHELL = b"/bin/sh"  # passwd(5)


def seriousness(kind: str) -> int:
    """Return how serious a kind is, as a number: of several that one connection shows, the highest counts."""
    if kind in (UNKNOWN, TUNNEL):
        return (UNKNOWN, TUNNEL).index(kind)
    if kind in TRANSFERS:
        return 2
    if kind == SOMETHING_OVER:
        return 3
    return 5 if kind == INTERACTIVE else 4


class Connection:
    """One connection's processes, looked at until they show what the login is for.

    over: whether a look has found it closed.
    """

    def __init__(self, processes: Processes, monitor: int, monitor_start: "Optional[int]", user: bytes) -> None:
        """monitor and monitor_start (see Processes.start) name one sshd process, even when its pid is used again."""
        self._processes = processes
        self._processes.keep(monitor)
        self._monitor = monitor
        self._monitor_start = monitor_start
        self._user = user
        self._server = 0
        self._title = b""
        self._opened: Optional[float] = None
        self._is_session_own = False
        self._has_terminal = False
        self._status = b""
        self._has_children = False
        self._known: Set[int] = set()  # the server's children of which the kind was seen
        self._reaped_faults: Optional[int] = None  # of those that the server had reaped when these were its children
        self._is_puzzling = False
        self.served_since: Optional[float] = None  # when the session's server was first seen
        self.over = False

    def look(self, now: float) -> "Optional[str]":
        """Return the kind if it shows now, what is certain if the connection is over, None if more may come.

        now: seconds of a clock that runs evenly.
        """
        kind = self._look(now)
        return self._of_what_is_over() if kind == UNKNOWN else kind

    def _look(self, now: float) -> "Optional[str]":
        """Return the kind if it shows now, `unknown` if the connection is over, None if there is more to wait for."""
        if not self._server:
            self._server = self._find_server()
            if not self._server:
                return UNKNOWN if self._is_over() else None
            self._processes.keep(self._server)
            self.served_since = now
            if self._reaped_faults is None:
                self._reaped_faults = self._processes.reaped_faults(self._server)
        title = self._title_of(self._server)
        if not title:
            return UNKNOWN if self._is_over() else None
        self._title = title
        if not self._has_session():
            return None  # sshd writes a session into the title before it runs anything for it
        if self._opened is None:
            self._opened = now
            self._has_terminal = not title.endswith(b"@notty")
            self._is_session_own = not self._is_over()  # otherwise the title is that of a stranger with the same pid
        kind = self._of_children()
        # Looked at last: had the pid become another's, all that was read above would be of strangers.
        return UNKNOWN if kind and self._is_over() else kind

    def _of_what_is_over(self) -> str:
        """Return what can be said of a connection whose session was over before it had shown what it ran."""
        for server in self._ended_servers():
            for _child, name in self._processes.ended_children(server):
                if name not in SERVERS:
                    return of_ended(name)
        if not self._is_session_own:
            return UNKNOWN
        return TERMINAL_OVER if self._has_terminal else SOMETHING_OVER

    def _ended_servers(self) -> "List[int]":
        """Return the session's server; if it was over before it was seen, those of the monitor's children it may be.

        A monitor that serves the session itself has children of PAM's as well, which tell nothing of it.
        """
        if self._monitor_start is None or self._server == self._monitor:
            return []
        if self._server:
            return [self._server] if self._is_session_own else []
        if self._processes.start(self._monitor) not in (None, self._monitor_start):
            return []  # a stranger has the pid, and may have had children
        return [child for child, name in self._processes.ended_children(self._monitor) if name in SERVERS]

    def is_quiet(self) -> bool:
        """Tell whether nothing can have happened since this was last asked: there is no session, and sshd has slept.

        A fork alone makes page faults in the process that forks, so a session that came shows in its status.
        """
        status = self._processes.status(self._server) if self._server else b""
        quiet = bool(status) and status == self._status and not self._has_children
        self._status = status
        return quiet

    def has_missed_one(self) -> bool:
        """Tell whether a session has come and gone since this was last asked, and no look has seen what it was.

        The server has then reaped a child, and all whose kind was seen are still there. When one of these has ended,
        it may have been that one. Where others live, it is said one look later: the kernel counts a child as reaped a
        moment before it takes it out of the list.
        """
        faults, children = self._snapshot()
        if faults is None:
            return False
        ended = self._known - children
        reaped_one = self._reaped_faults is not None and faults > self._reaped_faults and not ended
        missed = (reaped_one and not self._known) or (self._is_puzzling and not ended)
        self._is_puzzling = reaped_one and not missed
        self._reaped_faults, self._known, self._has_children = faults, self._known & children, bool(children)
        return missed

    def _snapshot(self) -> "Tuple[Optional[int], Set[int]]":
        """Return the page faults of what the server has reaped, and its children, both of one moment."""
        faults = self._processes.reaped_faults(self._server) if self._server else None
        children: Set[int] = set()
        while faults is not None:
            children = set(self._processes.children(self._server))
            before, faults = faults, self._processes.reaped_faults(self._server)
            if faults == before:
                break
        return faults, children

    def remembered(self) -> str:
        """Return what another process needs to go on with has_missed_one (see go_on); empty if there is nothing to see.

        That is so when the connection is over, or when it is none of sshd's but, say, login(1)'s.
        """
        if self._is_over() or self._processes.name(self._monitor) not in SERVERS:
            return ""
        faults = "" if self._reaped_faults is None else str(self._reaped_faults)
        return "{}:{}".format(faults, ",".join(str(child) for child in sorted(self._known)))

    def go_on(self, remembered: str) -> None:
        """Go on where another process has stopped looking."""
        faults, _colon, children = remembered.partition(":")
        self._reaped_faults = int(faults) if faults else None
        self._known = {int(child) for child in children.split(",") if child}

    def close(self) -> None:
        """Stop looking at it."""
        self._processes.let_go(self._monitor)
        self._processes.let_go(self._server)

    def is_opening(self, now: float, seconds: float) -> bool:
        """Tell whether the client opened a session no longer ago than this: what it runs may show any moment."""
        return self._opened is not None and now - self._opened < seconds

    def last_look(self) -> str:
        """Return what can be said of a connection that has shown nothing in all the time that it had."""
        if self._title and not self._has_session():
            return TUNNEL
        # It stays open, but its session may be over: `ssh -M`.
        return UNKNOWN if self._processes.children(self._server) else self._of_what_is_over()

    def _has_session(self) -> bool:
        """Tell whether the server's title has a terminal, `@pts/0`, or `@notty`. A user's name may itself hold an @."""
        title = self._title[len(self._user) :] if self._title.startswith(self._user) else self._title
        return b"@" in title

    def _is_over(self) -> bool:
        self.over = self._monitor_start is None or self._processes.start(self._monitor) != self._monitor_start
        return self.over

    def _find_server(self) -> int:
        if self._title_of(self._monitor):
            return self._monitor
        # By the name first: arguments are dear to read, and PAM's helpers have them too.
        servers = (pid for pid in self._processes.children(self._monitor) if self._processes.name(pid) in SERVERS)
        return next((pid for pid in servers if self._title_of(pid)), 0)

    def _title_of(self, process: int) -> bytes:
        """Return `deploy`, `deploy@notty`, `deploy@pts/0` for a session's server, nothing for any other process."""
        return _title(self._processes.arguments(process))

    def _of_children(self) -> "Optional[str]":
        """Return the most serious of what the children are, None as long as none shows it."""
        found = {child: self._of_child(child) for child in self._processes.children(self._server)}
        kinds = {child: kind for child, kind in found.items() if kind}
        self._known.update(kinds)
        return max(kinds.values(), key=seriousness, default=None)

    def _of_child(self, child: int) -> "Optional[str]":
        # Forked but not yet what it will be, or over: its name alone would be a guess. The name is read first, since a
        # process that has its new name has lost its old arguments.
        name = self._processes.name(child)
        arguments = self._processes.arguments(child)
        if name in SERVERS or not arguments or arguments[0].partition(b":")[0] in SERVERS:
            return self._of_server(child)
        if arguments[0].startswith(b"-"):
            return INTERACTIVE
        is_shell = len(arguments) == 3 and arguments[1] == b"-c" and self._is_shell(arguments[0])
        command = arguments[2] if is_shell else None
        claimed = of_program(arguments, b"", name) if command is None else of_command(command)
        if claimed not in TRANSFERS:
            return claimed
        file = self._processes.executable(child)
        if self._processes.arguments(child) != arguments:
            return None  # it has become another program meanwhile, or is over: whose file it was can't be told
        if command is None:
            return of_program(arguments, file, name)
        return claimed if not file or self._is_file_of_shell(file) else COMMAND

    def _of_server(self, child: int) -> "Optional[str]":
        """Return the kind of a process that looks like one of sshd's: any program can, but not with sshd's file.

        The file is read first: it and the arguments change at once, so those that are read after it are this file's.
        """
        server, file = self._processes.executable(self._server), self._processes.executable(child)
        arguments = self._processes.arguments(child)
        if file != server:
            looks_so = b" ".join(arguments).partition(b":")[0] in SERVERS or self._processes.name(child) in SERVERS
            return COMMAND if file and server and arguments and looks_so else None
        # A title is one text. Who starts sshd's own file under this name has to give it options, too.
        is_sftp = len(arguments) == 1 and _title(arguments).endswith(b"@internal-sftp")
        return SFTP_OR_SCP if is_sftp else None

    def _is_shell(self, name: bytes) -> bool:
        """sshd runs a command as `SHELL -c COMMAND`, with the name of the user's shell without its directory."""
        return name in SHELLS or name == os.path.basename(login_shell(self._user))

    def _is_file_of_shell(self, file: bytes) -> bool:
        """Tell whether this is the file of the user's shell: any program can be started with a shell's arguments."""
        shell = login_shell(self._user)
        if shell:
            return file == os.path.realpath(shell)
        directory, _slash, name = file.rpartition(b"/")
        return directory in SYSTEM_DIRECTORIES and name in SHELLS


def _title(arguments: "List[bytes]") -> bytes:
    program, _colon, title = b" ".join(arguments).partition(b": ")
    return title if program in SERVERS and not title.endswith((b" [priv]", b" [pam]", b" [net]")) else b""


def login_shell(user: bytes) -> bytes:
    """Return the path of a local user's shell (passwd(5)), empty for others: a directory service may take its time."""
    try:
        with open("/etc/passwd", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b":")
                if fields[0] == user and len(fields) == 7:
                    return fields[6] or DEFAULT_SHELL
    except OSError:
        pass
    return b""
