# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH connection, read from the processes below the sshd process that serves it: what it shows of the login.

sshd opens the PAM session before the client has said what it wants, so the hook cannot know. A moment later it shows
here (OpenSSH: session.c, sshd-session.c; measured with 9.2 and 10.0):

    sshd: deploy [priv]      the monitor, root's: the parent of the hook and of PAM's other helpers, such as pam_motd's
      sshd: deploy@notty     the session's server, the user's; "sshd: deploy" until the client opens a session
        bash -c CMD          what the client asked for, run by the user's shell; often replaced by CMD itself
        -bash                a login shell
        sshd: deploy@internal-sftp     sshd's own SFTP server

Up to OpenSSH 9.7, a root login has no process of its own for the second line: the monitor becomes the server.
Since 9.8 the titles begin with "sshd-session:".

The rule: a transfer (SFTP, SCP, rsync, git) is named only when it is all that the client asked for. Everything else is
an SSH command or a shell. What did not show itself in time is unknown, never guessed.
"""

from .command_line import classify_ended
from .login_types import SOMETHING_OVER, TERMINAL_OVER, TUNNEL, UNKNOWN, seriousness
from .processes import Processes
from .session_child import SERVERS, classify_child, title_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Set, Tuple


class Connection:
    """One connection's processes, looked at until they show what the login is for.

    over: whether a look has found it closed.
    """

    def __init__(self, processes: Processes, monitor: int, monitor_start: "Optional[int]", user: bytes) -> None:
        """Begin with the monitor: its pid and its start time name one process, even when the pid is used again."""
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
        # The server's children whose type was seen.
        self._known: Set[int] = set()
        # The page faults of all that the server had reaped when those were its children.
        self._reaped_faults: Optional[int] = None
        self._is_puzzling = False
        # When the session's server was first seen.
        self.served_since: Optional[float] = None
        self.over = False

    def look(self, now: float) -> "Optional[str]":
        """Return the type if it shows now, what is certain if the connection is over, None if more may come.

        now: seconds of a monotonic clock.
        """
        login_type = self._look(now)
        return self._type_when_over() if login_type == UNKNOWN else login_type

    def _look(self, now: float) -> "Optional[str]":
        """Return the type if it shows now, `unknown` if the connection is over, None if there is more to wait for."""
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
            # Otherwise the title is that of another process with the same pid.
            self._is_session_own = not self._is_over()
        login_type = self._type_of_children()
        # Checked last: if the pid had become another process's, everything read above would be of strangers.
        return UNKNOWN if login_type and self._is_over() else login_type

    def _type_when_over(self) -> str:
        """Return what can be said of a connection whose session ended before it had shown what it ran."""
        for server in self._ended_servers():
            for _child, name in self._processes.ended_children(server):
                if name not in SERVERS:
                    return classify_ended(name)
        if not self._is_session_own:
            return UNKNOWN
        return TERMINAL_OVER if self._has_terminal else SOMETHING_OVER

    def _ended_servers(self) -> "List[int]":
        """Return the session's server; if it ended before it was seen, the monitor's children that it may have been.

        A monitor that serves the session itself also has children of PAM's, which say nothing about the session.
        """
        if self._monitor_start is None or self._server == self._monitor:
            return []
        if self._server:
            return [self._server] if self._is_session_own else []
        if self._processes.start(self._monitor) not in (None, self._monitor_start):
            return []  # another process has the pid, and may have had children
        return [child for child, name in self._processes.ended_children(self._monitor) if name in SERVERS]

    def is_quiet(self) -> bool:
        """Tell whether nothing can have happened since the last call: there is no session, and sshd has slept.

        A fork alone makes page faults in the process that forks, so a session that came shows in its status.
        """
        status = self._processes.status(self._server) if self._server else b""
        quiet = bool(status) and status == self._status and not self._has_children
        self._status = status
        return quiet

    def has_missed_one(self) -> bool:
        """Tell whether a session has come and gone since the last call, and no look has seen what it was.

        Then the server has reaped a child, and all children whose type was seen are still there. When one of those has
        ended, it may have been that one. Where others live, the answer comes one look later: the kernel counts a child
        as reaped a moment before it takes it out of the list.
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
        """Return what another process needs to resume has_missed_one (see resume); empty if there is nothing to see.

        That is so when the connection is over, or when it is not sshd's but, say, login(1)'s.
        """
        if self._is_over() or self._processes.name(self._monitor) not in SERVERS:
            return ""
        faults = "" if self._reaped_faults is None else str(self._reaped_faults)
        return "{}:{}".format(faults, ",".join(str(child) for child in sorted(self._known)))

    def resume(self, remembered: str) -> None:
        """Go on where another process has stopped looking."""
        faults, _colon, children = remembered.partition(":")
        self._reaped_faults = int(faults) if faults else None
        self._known = {int(child) for child in children.split(",") if child}

    def close(self) -> None:
        """Stop looking at it."""
        self._processes.let_go(self._monitor)
        self._processes.let_go(self._server)

    def is_opening(self, now: float, seconds: float) -> bool:
        """Tell whether the client opened a session in the last so many seconds: what it runs may show any moment."""
        return self._opened is not None and now - self._opened < seconds

    def last_look(self) -> str:
        """Return what can be said of a connection that has shown nothing in all the time that it had."""
        if self._title and not self._has_session():
            return TUNNEL
        # The connection stays open, but its session may be over: `ssh -M`.
        return UNKNOWN if self._processes.children(self._server) else self._type_when_over()

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
        # By the name first: arguments are expensive to read, and PAM's helpers have them too.
        servers = (pid for pid in self._processes.children(self._monitor) if self._processes.name(pid) in SERVERS)
        return next((pid for pid in servers if self._title_of(pid)), 0)

    def _title_of(self, process: int) -> bytes:
        return title_of(self._processes.arguments(process))

    def _type_of_children(self) -> "Optional[str]":
        """Return the most serious type that the children show, None as long as none shows one."""
        children = self._processes.children(self._server)
        found = {child: classify_child(self._processes, self._server, child, self._user) for child in children}
        types = {child: login_type for child, login_type in found.items() if login_type}
        self._known.update(types)
        return max(types.values(), key=seriousness, default=None)
