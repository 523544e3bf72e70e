# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH connection: the type of the login, read from the processes below the sshd process that serves it.

sshd opens the PAM session before the client has said what it wants, so the hook can't know the type. A moment later the
processes show it (OpenSSH: session.c, sshd-session.c; measured with 9.2 and 10.0):

    sshd: deploy [priv]      the monitor, as root: the parent of the hook and of PAM's other helpers, such as pam_motd's
      sshd: deploy@notty     the session's server, as the user; "sshd: deploy" until the client opens a session
        bash -c CMD          the client's command, run by the user's shell; often replaced by CMD itself
        -bash                a login shell
        sshd: deploy@internal-sftp     sshd's own SFTP server

Up to OpenSSH 9.7, a root login has no separate process for the second line: the monitor becomes the server. titles.py
lists all titles. The name of sshd does not matter: the monitor is the hook's parent, and the server has the same name.

The rule: a transfer (SFTP, SCP, rsync, git) is named only if the client requested nothing else. Everything else is an
SSH command or a shell. A session that can't be identified in time is unknown. Nothing is guessed.
"""

from . import titles
from .command_line import classify_ended
from .login_types import SOMETHING_OVER, TERMINAL_OVER, TUNNEL, UNKNOWN, seriousness
from .processes import Processes
from .session_child import Server, classify_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Set, Tuple


class Connection:
    """One connection's processes, watched until they show the type of the login.

    over: whether the last look found the connection closed.
    """

    def __init__(self, processes: Processes, monitor: int, monitor_start: "Optional[int]", name: bytes) -> None:
        """Begin with the monitor. Its pid and start time identify it, even if the pid is reused.

        name: the monitor's (proc(5), comm). Its children have the same name until they run another program.
        """
        self._processes = processes
        self._processes.keep(monitor)
        self._monitor = monitor
        self._monitor_start = monitor_start
        self._name = name
        self._server: Optional[Server] = None
        # The text of the server's title, the part after the user's name, and whether that part may be truncated.
        self._text = b""
        self._session = b""
        self._is_cut = False
        self._title_room = 0
        self._opened: Optional[float] = None
        # Whether the title with a session belonged to this connection, not to another process that reuses the pid.
        self._is_session_own: Optional[bool] = None
        self._has_terminal = False
        self._status = b""
        self._has_children = False
        # The server's children whose type is known.
        self._known: Set[int] = set()
        # The page faults of all children that the server had reaped at the last snapshot.
        self._reaped_faults: Optional[int] = None
        self._is_puzzling = False
        # When the session's server was first seen.
        self.served_since: Optional[float] = None
        self.over = False

    def look(self, now: float) -> "Optional[str]":
        """Return the type if it shows now, or what is certain if the connection is over. None if more may come.

        now: seconds of a monotonic clock
        """
        login_type = self._look(now)
        return self._type_when_over() if login_type == UNKNOWN else login_type

    def _look(self, now: float) -> "Optional[str]":
        """Return the type if it shows now, `unknown` if the connection is over, None if more may come."""
        if not self._server:
            server = self._find_server()
            if not server:
                return UNKNOWN if self._is_over() else None
            self._server = Server(server, self._name, self._monitor)
            self._title_room = self._processes.title_room(server)
            self._processes.keep(server)
            self.served_since = now
            if self._reaped_faults is None:
                self._reaped_faults = self._processes.reaped_faults(server)
        if not self._read_title(self._server):
            return UNKNOWN if self._is_over() else None
        if not self._session and not self._is_cut:
            return None  # sshd writes the session into its title before it runs anything for it
        if self._session and self._opened is None:
            self._opened = now
            self._has_terminal = self._session != titles.NO_TERMINAL
        if self._is_session_own is None:
            self._is_session_own = not self._is_over()
        login_type = self._type_of_children(self._server)
        # Checked last: if the pid was reused in between, everything above was read from other processes.
        return UNKNOWN if login_type and self._is_over() else login_type

    def _read_title(self, server: Server) -> bool:
        """Read the title of the session's server; return False if it has none."""
        arguments = self._processes.arguments(server.pid)
        program, text = titles.split(arguments)
        if not text:
            return False
        if text != self._text:
            server.program, self._text = program, text
            user, self._session = titles.user_and_session(text)
            server.user = user if self._session else b""
            self._is_cut = titles.may_be_cut(arguments[0], self._title_room)
        return True

    def _type_when_over(self) -> str:
        """Return what is certain about the type of a connection whose session ended before its program was seen."""
        for server in self._ended_servers():
            for _child, name in self._processes.ended_children(server):
                if name != self._name:
                    return classify_ended(name)
        if not self._is_session_own or self._opened is None:
            return UNKNOWN
        return TERMINAL_OVER if self._has_terminal else SOMETHING_OVER

    def _ended_servers(self) -> "List[int]":
        """Return the session's server. If it ended unseen, return the monitor's children that may have been it.

        A monitor that serves the session itself also has children of PAM, which reveal nothing about the session.
        """
        if self._monitor_start is None or self._pid == self._monitor:
            return []
        if self._server:
            return [self._pid] if self._is_session_own else []
        if self._processes.start(self._monitor) not in (None, self._monitor_start):
            return []  # another process has the pid, and may have had children of its own
        return [child for child, name in self._processes.ended_children(self._monitor) if name == self._name]

    def is_quiet(self) -> bool:
        """Return whether nothing can have happened since the last call: there is no session, and sshd was asleep.

        A fork causes page faults in the parent, so each new session changes the server's status.
        """
        status = self._processes.status(self._pid) if self._server else b""
        quiet = bool(status) and status == self._status and not self._has_children
        self._status = status
        return quiet

    def has_missed_one(self) -> bool:
        """Return whether a session came and went since the last call without being identified.

        If so, the server has reaped a child although all children of a known type are still there. If one of these has
        ended, it may have been the reaped one. While others run, the answer comes one look later: the kernel counts a
        child as reaped a moment before it removes the child from the list.
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
        """Return the page faults of the children that the server has reaped, and its children at the same moment."""
        faults = self._processes.reaped_faults(self._pid) if self._server else None
        children: Set[int] = set()
        while faults is not None:
            children = set(self._processes.children(self._pid))
            before, faults = faults, self._processes.reaped_faults(self._pid)
            if faults == before:
                break
        return faults, children

    def remembered(self) -> str:
        """Return the state that another process needs to continue has_missed_one (see resume); "" if it needs none.

        It needs none if the connection is over, or if it belongs to a program other than sshd, such as login(1).
        """
        if self._is_over() or not self._text_of(self._monitor):
            return ""
        faults = "" if self._reaped_faults is None else str(self._reaped_faults)
        return "{}:{}".format(faults, ",".join(str(child) for child in sorted(self._known)))

    def resume(self, remembered: str) -> None:
        """Continue where another process stopped watching."""
        faults, _colon, children = remembered.partition(":")
        self._reaped_faults = int(faults) if faults else None
        self._known = {int(child) for child in children.split(",") if child}

    def close(self) -> None:
        """Stop watching the connection."""
        self._processes.let_go(self._monitor)
        self._processes.let_go(self._pid)

    def has_ended(self) -> bool:
        """Return whether the connection is closed. This is the cheapest check."""
        return self._is_over()

    def is_opening(self, now: float, seconds: float) -> bool:
        """Return whether the client opened a session in the last `seconds`. Its program can appear at any moment."""
        return self._opened is not None and now - self._opened < seconds

    def last_look(self) -> str:
        """Return the type of a connection that opened nothing before the time limit."""
        has_children = bool(self._processes.children(self._pid))
        if self._text and not self._session:
            # A truncated title names no session. A monitor that serves the session itself may have children of PAM.
            return UNKNOWN if has_children and self._pid != self._monitor else TUNNEL
        # The connection stays open, but its session may be over, as with `ssh -M`.
        return UNKNOWN if has_children else self._type_when_over()

    @property
    def _pid(self) -> int:
        """Return the pid of the session's server, 0 while there is none."""
        return self._server.pid if self._server else 0

    def _is_over(self) -> bool:
        self.over = self._monitor_start is None or self._processes.start(self._monitor) != self._monitor_start
        return self.over

    def _find_server(self) -> int:
        """Return the pid of the session's server, 0 while there is none.

        The server is a child of the monitor with a different title, or the monitor itself. PAM's helpers have the
        monitor's title until they run another program.
        """
        arguments = self._processes.arguments(self._monitor)
        text = titles.split(arguments)[1]
        is_cut = False
        if text and not titles.is_helpers(text):
            is_cut = titles.may_be_cut(arguments[0], self._processes.title_room(self._monitor))
            if not is_cut:
                return self._monitor
        # Check the name first: arguments are expensive to read, and PAM's helpers have the same ones.
        children = self._processes.children(self._monitor)
        named = (pid for pid in children if self._processes.name(pid) == self._name)
        return next((pid for pid in named if self._is_server(pid, text, is_cut)), 0)

    def _is_server(self, child: int, text: bytes, is_cut: bool) -> bool:
        """Return whether a child of the monitor is the session's server.

        text, is_cut: of the monitor's title. If both titles are truncated, they are equal.
        """
        own = self._text_of(child)
        if own == text and is_cut:
            return bool(self._processes.real_user(child))  # PAM's helpers run as root
        return own != b"" and own != text and not titles.is_helpers(own)

    def _text_of(self, process: int) -> bytes:
        return titles.split(self._processes.arguments(process))[1]

    def _type_of_children(self, server: Server) -> "Optional[str]":
        """Return the most serious type that the children show, None if none shows one yet."""
        children = self._processes.children(server.pid)
        found = {child: classify_child(self._processes, server, child) for child in children}
        types = {child: login_type for child, login_type in found.items() if login_type}
        self._known.update(types)
        return max(types.values(), key=seriousness, default=None)
