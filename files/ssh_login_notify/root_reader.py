# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about a login that only root can read, for a sender that has dropped root.

A child process stays root. It looks up one of a few facts on request, and answers with a number or a short text. The
values in a request are only compared. An answer that does not come in time counts as unknown: no alert waits for it.
"""

import json
import os
import socket
import time

from . import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

# How long the sender waits for an answer, and for one that covers a whole day. The child gives up a little earlier.
ANSWER_SECONDS = 1.0
DAY_ANSWER_SECONDS = 12.0
# For optional facts (lookups.py).
LOOKUP_ANSWER_SECONDS = 0.5


class RootReader:
    """The child process, as the sender uses it. Must be created by root."""

    def __init__(self) -> None:
        """Fork the child."""
        self._socket, its_end = socket.socketpair()
        self._asked = 0
        self._answered = 0
        self._rest = b""
        self._child = os.fork()
        if self._child:
            its_end.close()
            return
        try:
            _serve(its_end)
        finally:
            os._exit(0)

    def before(self, address: str, at: float) -> "Optional[int]":
        """Return how many login attempts from an address failed in the ten minutes before a time; None if unknown."""
        answer = self._ask(["before", address, at], ANSWER_SECONDS)
        return answer if isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0 else None

    def counted(self, since: float) -> "Optional[Dict[str, int]]":
        """Return the result of failures.counted; None if that is unknown."""
        answer = self._ask(["counted", since], DAY_ANSWER_SECONDS)
        return answer if isinstance(answer, dict) else None

    def _ask(self, question: "List[Any]", seconds: float) -> object:
        """Return an answer, None if it does not come in time. While an answer is overdue, nothing else is asked."""
        try:
            if self._asked != self._answered and not self._await(self._asked, 0.0)[0]:
                return None
            self._asked += 1
            self._socket.settimeout(seconds)
            self._socket.sendall(json.dumps([self._asked, *question]).encode("ascii") + b"\n")
            return self._await(self._asked, seconds)[1]
        except OSError:
            return None  # it has ended

    def _await(self, number: int, seconds: float) -> "Tuple[bool, object]":
        """Wait for an answer. Return whether it came, and the answer. Raise OSError if the child has ended."""
        until = time.monotonic() + seconds
        while True:
            while b"\n" in self._rest:
                line, _end, self._rest = self._rest.partition(b"\n")
                self._answered, answer = json.loads(line.decode("ascii"))
                if self._answered == number:
                    return True, answer
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                read = self._socket.recv(1 << 16)
            except socket.timeout:
                if time.monotonic() >= until:
                    return False, None
                continue
            if not read:
                raise ConnectionResetError
            self._rest += read

    def comment_of(self, fingerprint: str, user: str) -> "Optional[str]":
        """Return the comment of the authorized_keys line that lets a key into an account; None if unknown."""
        answer = self._ask(["comment_of", fingerprint, user], ANSWER_SECONDS)
        return answer if isinstance(answer, str) else None

    def sender_of_key(self, fingerprint: str, at: float) -> "Optional[str]":
        """Return who pushed a key by EC2 Instance Connect (instance_connect.py); None if nobody did, or if unknown."""
        answer = self._ask(["sender_of_key", fingerprint, at], LOOKUP_ANSWER_SECONDS)
        return answer if isinstance(answer, str) else None

    def close(self) -> None:
        """End the child, and wait until it has finished its current lookup."""
        self._socket.close()
        os.waitpid(self._child, 0)


def _serve(connection: "socket.socket") -> None:
    """Answer questions until the other end is closed."""
    # Otherwise a pipe that this child holds open would never end for another child that reads it.
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != connection.fileno():
            try:
                os.close(number)
            except OSError:
                pass  # the descriptor of the listing itself
    answers = _answers()
    with connection, connection.makefile("rb") as questions:
        for line in questions:
            number, what, *given = json.loads(line.decode("ascii"))
            try:
                answer = answers[what](*given)
            except Exception:  # no problem with a log or a home directory may hold up an alert
                answer = None
            connection.sendall(json.dumps([number, answer]).encode("ascii") + b"\n")


def _answers() -> "Dict[str, Callable[..., object]]":
    """Return the function that answers each question."""

    def comment_of(fingerprint: str, user: str) -> object:
        from . import account_keys  # seldom needed: most logins use a known key

        return account_keys.comment_of(fingerprint, user)

    def sender_of_key(fingerprint: str, at: float) -> object:
        from . import instance_connect  # only needed on EC2

        return instance_connect.principal(fingerprint, at)

    return {
        "before": failures.Log().before,
        "counted": failures.counted,
        "comment_of": comment_of,
        "sender_of_key": sender_of_key,
    }
