# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A function at work in a process of its own. A deadline is a signal (transport.py), so threads would not do."""

import json
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

# A pipe holds no more (pipe(7)).
PIECE_BYTES = 1 << 16


class Child:
    """The process. pid: its id, as long as it was not waited for."""

    def __init__(self, work: "Callable[[], Any]") -> None:
        """Fork it. work: returns what JSON can hold; what it raises ends the process without a result"""
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
        """Tell whether it has ended. After that, only `result` may be called."""
        self._read(select.select([self._pipe], [], [], 0)[0])
        return os.waitpid(self.pid, os.WNOHANG)[0] != 0

    def wait(self) -> None:
        """Wait for its end."""
        while self._read([self._pipe]):
            pass
        os.waitpid(self.pid, 0)

    def _read(self, ready: "List[int]") -> bool:
        """Take what it has written, or it would wait for room in the pipe; return False at the end."""
        said = os.read(self._pipe, PIECE_BYTES) if ready else b""
        self._said += said
        return bool(said)

    def result(self) -> "Optional[Any]":
        """Return the result once it has ended; None if it has left none."""
        while self._read([self._pipe]):
            pass
        os.close(self._pipe)
        try:
            return json.loads(self._said.decode("ascii"))
        except ValueError:
            return None
