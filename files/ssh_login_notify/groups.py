# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check on this host whether an account is in a group: its primary group, or a supplementary one (getgrouplist(3)).

Accounts and groups can come from a network directory (nsswitch.conf(5)) that does not answer. So a child process does
the lookup, and is killed after a short time. Without an answer, the account counts as a member of no group, and there
is no further lookup for a while: alerts must not wait for a directory.
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

# A directory that works answers in a fraction of this.
ANSWER_SECONDS = 2.0
# The pause after a lookup without an answer. So one run of the sender waits for at most a tenth of its time.
PAUSE_SECONDS = 60.0
# An answer is cached for this long, so that a burst of logins causes one lookup.
FRESH_SECONDS = 60.0
YES, NO = b"y", b"n"
# How long to wait for a killed child to exit. A child that is stuck in the kernel is not waited for any longer.
END_SECONDS = 0.2

_answers: "Dict[Tuple[str, Tuple[str, ...]], Tuple[float, bool]]" = {}
_silent_until = 0.0


def has_member(groups: "List[str]", user: str) -> bool:
    """Return whether the user is certainly in one of these groups. Return False if there is no answer in time."""
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
            f"The lookup of a user's groups had no answer within {ANSWER_SECONDS:.0f} seconds, so no rule with `group`"
            " matches: check the directory that nsswitch.conf names."
        )
        return False
    _answers[asked] = (time.monotonic(), answer == YES)
    return answer == YES


def _ask(groups: "List[str]", user: str) -> bytes:
    """Return YES or NO, or anything else if there was no answer."""
    try:
        ours, its = socket.socketpair()
        child = os.fork()
    except OSError:
        return b""  # out of memory, descriptors or processes
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
    except (KeyError, OSError, ValueError):  # no such user, or an impossible name
        return False
    for group in groups:
        try:
            if grp.getgrnam(group).gr_gid in numbers:
                return True
        except KeyError:
            pass  # no such group on this host
    return False


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    until = time.monotonic() + END_SECONDS
    while not os.waitpid(child, os.WNOHANG)[0] and time.monotonic() < until:
        time.sleep(0.001)
