# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account is in a group, as this host says: its primary group, and all others (getgrouplist(3)).

Accounts and groups may be in a directory on the network (nsswitch.conf(5)) that does not answer. So a child asks, and
is ended after a short time. Without an answer the account is in no group, and nobody asks again for a while: alerts
must not wait for a directory.
"""

import grp
import os
import pwd
import signal
import socket
import time

from .journal import trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

# A directory that works answers in a fraction of it.
ANSWER_SECONDS = 2.0
# After a look-up without an answer. One run of the sender waits at most a tenth of its time.
PAUSE_SECONDS = 60.0
# An answer is used again for so long: a burst of logins is one question.
FRESH_SECONDS = 60.0
YES, NO = b"y", b"n"
# How long a child that was killed may take to end. One that the kernel does not let go of is left behind.
END_SECONDS = 0.2

_answers: "Dict[Tuple[str, Tuple[str, ...]], Tuple[float, bool]]" = {}
_silent_until = 0.0


def has_member(groups: "List[str]", user: str) -> bool:
    """Tell whether the user is in one of these groups for certain. False where that can't be found out in time."""
    global _silent_until
    now = time.monotonic()
    asked = (user, tuple(groups))
    at, found = _answers.get(asked, (now, False))
    if asked in _answers and now - at < FRESH_SECONDS:
        return found
    if not user or now < _silent_until:
        return False
    answer = _ask(groups, user)
    if answer not in (YES, NO):
        _silent_until = time.monotonic() + PAUSE_SECONDS
        trouble(
            f"The host could not say within {ANSWER_SECONDS:.0f} seconds who is in which group, so no rule with `group`"
            " matches: look at the directory that nsswitch.conf names."
        )
        return False
    _answers[asked] = (time.monotonic(), answer == YES)
    return answer == YES


def _ask(groups: "List[str]", user: str) -> bytes:
    """Return YES or NO, anything else for no answer."""
    try:
        ours, its = socket.socketpair()
        child = os.fork()
    except OSError:
        return b""  # no memory, or no process
    if not child:
        try:
            its.send(YES if _is_member(groups, user) else NO)
        finally:
            os._exit(0)
    its.close()
    with ours:
        ours.settimeout(ANSWER_SECONDS)
        try:
            return ours.recv(1)
        except OSError:
            return b""
        finally:
            _end(child)


def _is_member(groups: "List[str]", user: str) -> bool:
    try:
        numbers = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except (KeyError, OSError, ValueError):  # no such user here; a name that no user can have
        return False
    for group in groups:
        try:
            if grp.getgrnam(group).gr_gid in numbers:
                return True
        except KeyError:
            pass  # there is no such group here
    return False


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    until = time.monotonic() + END_SECONDS
    while not os.waitpid(child, os.WNOHANG)[0] and time.monotonic() < until:
        time.sleep(0.001)
