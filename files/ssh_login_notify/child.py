# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A function that runs in a process of its own. Threads do not work, because a deadline is a signal (transport.py)."""

import json
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

# The capacity of a pipe (pipe(7)).
PIECE_BYTES = 1 << 16


class Child:
    """A child process. pid: its id, valid until it was waited for."""

    def __init__(self, work: "Callable[[], Any]") -> None:
        """Fork. work: returns a value that JSON can hold; an exception ends the process without a result"""
        self._said = b""
        self._pipe, its_end = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(its_end)
            return
        try:
            with os.fdopen(its_end, "wb") as answer:
                answer.write(json.dumps(work()).encode("ascii"))
        finally:
            os._exit(0)

    def is_over(self) -> bool:
        """Return whether the process has ended. If so, only `result` may be called afterwards."""
        self._read(select.select([self._pipe], [], [], 0)[0])
        return os.waitpid(self.pid, os.WNOHANG)[0] != 0

    def wait(self) -> None:
        """Wait until the process ends."""
        while self._read([self._pipe]):
            pass
        os.waitpid(self.pid, 0)

    def _read(self, ready: "List[int]") -> bool:
        """Take what the child has written, so that it does not block on a full pipe. Return False at the end."""
        said = os.read(self._pipe, PIECE_BYTES) if ready else b""
        self._said += said
        return bool(said)

    def result(self) -> "Optional[Any]":
        """Return the result after the process has ended, None if it left none."""
        while self._read([self._pipe]):
            pass
        os.close(self._pipe)
        try:
            return json.loads(self._said.decode("ascii"))
        except ValueError:
            return None
