# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root can read about a login, for a sender that has given root up.

A child stays root. It is asked for one of a few facts, reads, and answers with a number or a short text. What it is
asked is only compared. An answer that does not come in time is one that nobody knows: no alert waits for it.
"""

import json
import os
import socket
import time

from . import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

# How long the sender waits for an answer, and for one about a whole day. The child gives up a little earlier.
ANSWER_SECONDS = 1.0
DAY_ANSWER_SECONDS = 12.0
# For what an alert can do without (lookups.py).
LOOKUP_ANSWER_SECONDS = 0.5


class RootReader:
    """The sender's end of that child. To be made by root."""

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
        """Return how many attempts failed from an address in the ten minutes before a time; None if that is unknown."""
        answer = self._ask(["before", address, at], ANSWER_SECONDS)
        return answer if isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0 else None

    def counted(self, since: float) -> "Optional[Dict[str, int]]":
        """Return what `counted` does."""
        answer = self._ask(["counted", since], DAY_ANSWER_SECONDS)
        return answer if isinstance(answer, dict) else None

    def _ask(self, question: "List[Any]", seconds: float) -> object:
        """Return an answer, None if it does not come in time. A child that is late is asked nothing meanwhile."""
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
        """Wait for an answer; return whether it came, and what it is. Raise OSError if the child has ended."""
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
        """Return the comment of the line by which a key opens an account; None if that is unknown."""
        answer = self._ask(["comment_of", fingerprint, user], ANSWER_SECONDS)
        return answer if isinstance(answer, str) else None

    def sender_of_key(self, fingerprint: str, at: float) -> "Optional[str]":
        """Return who has sent a key by EC2 Instance Connect (instance_connect.py); None if nobody has."""
        answer = self._ask(["sender_of_key", fingerprint, at], LOOKUP_ANSWER_SECONDS)
        return answer if isinstance(answer, str) else None

    def close(self) -> None:
        """End the child, and wait for it: at most as long as it reads."""
        self._socket.close()
        os.waitpid(self._child, 0)


def _serve(connection: "socket.socket") -> None:
    """Answer questions until the other end is closed."""
    # Another child must not wait for the end of a pipe that this one holds open.
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != connection.fileno():
            try:
                os.close(number)
            except OSError:
                pass  # that of the list itself
    answers = _answers()
    with connection, connection.makefile("rb") as questions:
        for line in questions:
            number, what, *given = json.loads(line.decode("ascii"))
            try:
                answer = answers[what](*given)
            except Exception:  # whatever is odd about a log or a home, the alerts go on without it
                answer = None
            connection.sendall(json.dumps([number, answer]).encode("ascii") + b"\n")


def _answers() -> "Dict[str, Callable[..., object]]":
    """Return what answers each question."""

    def comment_of(fingerprint: str, user: str) -> object:
        from . import account_keys  # most logins are by a key that somebody knows

        return account_keys.comment_of(fingerprint, user)

    def sender_of_key(fingerprint: str, at: float) -> object:
        from . import instance_connect  # it is asked on instances of EC2 alone

        return instance_connect.principal(fingerprint, at)

    return {
        "before": failures.Log().before,
        "counted": failures.counted,
        "comment_of": comment_of,
        "sender_of_key": sender_of_key,
    }
