# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log lines about an accepted login, as OpenSSH 7.4 to 10.x and Linux-PAM write them:

    Accepted METHOD for USER from ADDRESS port PORT ssh2[: KEY]          auth.c, auth_log
    pam_unix(sshd:session): session opened for user USER(uid=0) by …     pam_unix_sess.c
    pam_exec(sshd:session): PROGRAM failed: exit code N                  pam_exec.c; execve's errno, or the program's
    Connection closed by … [preauth]                                     packet.c: before the session began
    fatal: …                                                             log.c
    error: PAM: pam_open_session(): …                                    auth-pam.c, do_pam_session
    Server listening on ADDRESS port PORT.                               sshd.c, after each start and each SIGHUP

The process that logs `Accepted` also opens the PAM session, so it is the parent of the hook. It is sshd's monitor in
every version, also without privilege separation (sshd.c, main; sshd-session.c since 9.8). The monitor also writes the
lines of the unprivileged process before it, and adds `[preauth]` to them (monitor.c, monitor_read_log). That process
may have ended before the login is accepted, because the client reset the connection while PAM queried a server. Then
the monitor ends without a further line (monitor_wrap.c, mm_request_receive). Seen with OpenSSH 8.4, 9.2 and 10.0.

A user's name can contain ` from 192.0.2.1 port 5 ssh2`, and the owner of a certificate chooses the text after `ssh2: `.
So every possible origin in a line is kept. None of them is trusted alone: a login in the ledger must also have the same
process. A line can have no origin, because sshd truncates it to 500 characters (log.c, do_log): a name of a hundred
characters takes 400 if each is an escape such as `\\303`.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

ACCEPTED = re.compile(r"Accepted (?P<method>\S+) for (?P<rest>.*)\Z", re.S)
ORIGIN = re.compile(r" from (?P<address>\S+) port (?P<port>[0-9]{1,5}) ssh2(?=: |\Z)")
OF_PAM = re.compile(r"pam_[a-z0-9_]+\((?P<service>[^:()]+):session\): (?P<said>.*)\Z", re.S)
FAILED = re.compile(r"(?P<program>/\S+) failed: (?:exit code (?P<code>[0-9]+)|caught signal (?P<signal>[0-9]+))")
# What a later line of a suspect's process can show.
SESSION, NOT_RUN, ENDED, FATAL = "session", "not run", "ended", "fatal"


class Accepted:
    """A login that sshd accepted.

    method: how the user authenticated. user: the name in the line, up to the first possible origin.
    origins: each possible address and port in the line; none if the line was truncated.
    """

    __slots__ = ("method", "origins", "user")

    def __init__(self, method: str, user: str, origins: "List[Tuple[str, int]]") -> None:
        self.method = method
        self.user = user
        self.origins = origins


def accepted(message: str) -> "Optional[Accepted]":
    """Return the login in an `Accepted` line of sshd, None for any other line."""
    found = ACCEPTED.match(message)
    if not found:
        return None
    rest = found.group("rest")
    origins = list(ORIGIN.finditer(rest))
    places = [(origin.group("address"), int(origin.group("port"))) for origin in origins]
    return Accepted(found.group("method"), rest[: origins[0].start()] if origins else rest, places)


def is_opened(message: str) -> bool:
    """Return whether a line reports that a PAM session was opened. pam_unix writes it at any LogLevel of sshd."""
    found = OF_PAM.match(message)
    return found is not None and found.group("said").startswith("session opened for ")


def is_start(message: str) -> bool:
    """Return whether a line reports that an sshd listens, so that it has just read its configuration."""
    return message.startswith("Server listening on ")


def evidence(message: str, program: str) -> "Optional[Tuple[str, str]]":
    """Return what a later line of the same process shows, SESSION, NOT_RUN, ENDED or FATAL, and a detail.

    The detail is the PAM service for SESSION, and the errno or the signal (`-9`) for NOT_RUN. program: the path of the
    notifier
    """
    found = OF_PAM.match(message)
    if found:
        failed = FAILED.match(found.group("said"))
        if failed and failed.group("program") == program:
            return NOT_RUN, failed.group("code") or "-" + failed.group("signal")
        return SESSION, found.group("service")
    # The owner of a certificate, or the client, chooses the end of these lines (packet.c, SSH2_MSG_DISCONNECT). The
    # process of a root login writes the second one. Before the session, a line without such text follows it.
    # At `LogLevel DEBUG`, the process before the monitor says after `Accepted` how it authenticated the user.
    if message.startswith(("Accepted ", "Received disconnect ", "error: Received disconnect ", "debug")):
        return None
    if message.endswith(" [preauth]"):
        return ENDED, ""
    if message.startswith("error: PAM: pam_open_session()"):  # auth-pam.c, do_pam_session: the user gets no session
        return ENDED, ""
    return (FATAL, "") if message.startswith("fatal: ") else None
