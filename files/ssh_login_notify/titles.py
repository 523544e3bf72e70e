# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The titles of sshd's processes: `PROGRAM: TEXT`.

PROGRAM is the name by which this sshd was started: sshd, sshd-session since OpenSSH 9.8, sshd.pam on Alpine, or that of
a symlink. TEXT is one of these (OpenSSH, all calls of setproctitle):

    ada [priv]              monitor.c, mm_answer_pwnamallow: the monitor, with the name that the client sent
    ada [postauth]          sshd-session.c: the monitor, in versions after 10.3
    ada [net], ada [pam]    auth2.c, auth-pam.c: its helpers, until the user is authenticated
    ada                     session.c, do_authenticated: the session's server, with pw_name of passwd(5)
    ada@notty               session.c, session_proctitle: the same, once the client has opened a session
    ada@pts/0,pts/1
    ada@internal-sftp       session.c, do_child: sshd's own SFTP server

The name that the client sent, pw_name and PAM_USER can be three spellings of one user: `CORP\\ada`,
`Ada@corp.example.com`, `ada`. So nothing here is compared with PAM_USER.

setproctitle.c of OpenSSH's openbsd-compat encodes the title with strnvis(3), and truncates it to the space that the
process's arguments and environment took when it was started.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

NO_TERMINAL = b"notty"
TERMINAL = b"pts/"
INTERNAL_SFTP = b"@internal-sftp"
# The brackets around the last word in the title of a process that serves no session.
HELPER_END = b"]"
HELPER_BEGIN = b" ["
# The NUL of the last argument or variable, one more byte that argv_env_len leaves out, and the title's own NUL.
UNUSED_ROOM_BYTES = 3
# The buffers of setproctitle() have 1024 bytes with the NUL. An encoded character takes up to four, and is never split.
LONGEST_TITLE_BYTES = 1020
BACKSLASH = ord("\\")


def split(arguments: "List[bytes]") -> "Tuple[bytes, bytes]":
    """Return the program and the text of a title; both are empty for a process without a title.

    Only the first argument counts: without an environment, the end of the former arguments remains after the title.
    """
    program, colon, text = arguments[0].partition(b": ") if arguments else (b"", b"", b"")
    return (program, text) if colon else (b"", b"")


def is_helpers(text: bytes) -> bool:
    """Return whether this is the text of a monitor or one of its helpers, not of a session's server."""
    return text.endswith(HELPER_END) and HELPER_BEGIN in text


def user_and_session(text: bytes) -> "Tuple[bytes, bytes]":
    """Return the user and the session. The session is `notty`, a list of terminals, or empty.

    A user's name can contain an @. On Linux, every terminal of sshd is `pts/NUMBER` (sshpty.c, openpty(3)).
    """
    user, _at, session = text.rpartition(b"@")
    return (user, session) if _is_session(session) else (text, b"")


def _is_session(text: bytes) -> bool:
    terminals = text.split(b",")
    return text == NO_TERMINAL or all(name.startswith(TERMINAL) and name[4:].isdigit() for name in terminals)


def encoded(name: bytes) -> bytes:
    """Return a user's name as a title shows it (vis(3): VIS_CSTYLE, VIS_OCTAL, without VIS_SP)."""
    return b"".join(b"\\\\" if byte == BACKSLASH else _encoded(byte) for byte in name)


def _encoded(byte: int) -> bytes:
    return bytes([byte]) if 0x20 <= byte <= 0x7E else b"\\%03o" % byte


def may_be_cut(title: bytes, room: int) -> bool:
    """Return whether the end of a title may be missing, because sshd truncated it.

    room: bytes of the process's former arguments and environment (Processes.title_room), 0 if unknown
    """
    limit = min(room - UNUSED_ROOM_BYTES, LONGEST_TITLE_BYTES) if room else LONGEST_TITLE_BYTES
    return len(title) >= limit
