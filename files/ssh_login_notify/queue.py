# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: the alerts that wait, in the spool's outgoing/, or in /run while the spool accepts none.

Their number and size are limited. Beyond a limit the oldest alerts are dropped, and the next message reports how many.
"""

from . import alert, ledger, overflow
from .journal import trouble
from .spool import ALERT_MODE, Spool
from .state import State
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from .alert import Alert

MIB_BYTES = 1 << 20


class Queue:
    """The alerts that wait, for the sender. Every method can raise OSError."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        # Alerts that the spool has no room for, by name.
        self._in_memory: Dict[str, bytes] = {}
        self._remover: Optional[overflow.Remover] = None

    def load_overflow(self) -> None:
        """Load the alerts that wait in /run, and start the process that removes them after delivery. Only for root."""
        self._in_memory = overflow.load()
        if self._in_memory:
            self._remover = overflow.Remover()

    def close(self) -> None:
        """Forget the alerts from /run, and wait until those that were sent are removed."""
        self._in_memory = {}
        if self._remover:
            self._remover.close()
        self._remover = None

    def names(self) -> "List[str]":
        """Return the names of all waiting alerts, the oldest first."""
        return sorted({*self.spool.names("outgoing"), *self._in_memory})

    def read(self, name: str) -> bytes:
        """Return an alert as it was written."""
        return self._in_memory[name] if name in self._in_memory else self.spool.read("outgoing", name)

    def load(self, name: str) -> "Alert":
        """Return an alert, parsed and checked. Raise ValueError with a readable message if it is invalid."""
        found = alert.from_json(self.read(name))
        if found["id"] != name:
            raise ValueError("its id differs from its file name")
        return found

    def hold(self, alerts: "Dict[str, bytes]") -> None:
        """Add alerts that the spool has no room for. They are kept in memory only."""
        self._in_memory.update(alerts)

    def remove(self, name: str) -> None:
        """Remove an alert that was sent, or that needs no message."""
        self.spool.remove("outgoing", name)
        self._forget(name)

    def set_aside(self, name: str, reason: bytes) -> None:
        """Move an alert that will never be sent to failed/, with the reason beside it."""
        if name in self._in_memory:
            try:
                self.spool.write("failed", name, self._in_memory[name], ALERT_MODE)
            except OSError as error:
                trouble(f"The alert {name} can't be set aside, and is gone: {error}.")
            self._forget(name)
        else:
            self.spool.set_aside(name, reason)
        trouble("The alert {} is set aside in failed/: {}".format(name, reason.decode("utf-8").rstrip()))

    def set_aside_damaged(self, name: str, error: Exception) -> None:
        """Move a file that is not a valid alert to failed/, with the reason beside it."""
        why = str(error) if isinstance(error, (OSError, ValueError)) else f"damaged: {error!r}"
        self.set_aside(name, printable(why).encode("utf-8") + b"\n")

    def _forget(self, name: str) -> None:
        if self._in_memory.pop(name, None) is not None and self._remover:
            self._remover.remove(name)

    def stop_waking(self) -> None:
        """Remove the wake-up file. Call this before reading the queue."""
        self.spool.stop_waking()

    def wake(self) -> None:
        """Start another run of the sender."""
        self.spool.wake()


def enforce_limits(spool: Spool, state: State, most: int, most_mib: int) -> None:
    """Drop the oldest alerts in outgoing/ and in failed/ that exceed a limit.

    They are counted before they are removed, so a sender that is killed in between reports too many, never too few.

    most, most_mib: the number of alerts, and their size in MiB, that each directory can hold
    """
    for directory in ("outgoing", "failed"):
        sizes = spool.sizes(directory)
        count, size = len(sizes), sum(sizes.values())
        excess = []
        for name in sorted(sizes):
            if count <= most and size <= most_mib * MIB_BYTES:
                break
            excess.append(name)
            count, size = count - 1, size - sizes[name]
        if excess:
            state.dropping(len(excess))
            ledger.end(spool, excess, ledger.DROPPED)
            for name in excess:
                spool.forget(directory, name)
