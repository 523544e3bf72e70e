# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that root's checks keep between runs: JSON in ledger/, or in /run while the spool accepts no file.

Only root can write there. So the contents are trusted, unless they are damaged.
"""

import json

from . import ledger, overflow, paths
from .spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

MODE = 0o600
LARGEST_BYTES = 1 << 20


class Kept:
    """One such file."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool = spool
        self._name = name

    def load(self) -> "Dict[str, Any]":
        """Return the stored values, empty if the file is missing or damaged. A file in /run is the newer one."""
        for place, directory in ((Spool(paths.OVERFLOW), ""), (self._spool, ledger.DIRECTORY)):
            try:
                found = json.loads(place.read(directory, self._name, LARGEST_BYTES).decode("utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return found
        return {}

    def save(self, values: "Dict[str, Any]") -> None:
        """Replace the stored values. Raise OSError if neither place accepts them."""
        contents = json.dumps(values).encode("ascii")
        try:
            self._spool.write(ledger.DIRECTORY, self._name, contents, MODE)
        except OSError:
            overflow.make()
            Spool(paths.OVERFLOW).write("", self._name, contents, MODE)
        else:
            overflow.forget(self._name)
