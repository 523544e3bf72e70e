# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request that reached the webhook, in order, in memory and in a file that survives a restart."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any


class Store:
    """Numbered records. No number is used twice, so a reader can request everything after a number."""

    def __init__(self, path: Path) -> None:
        """Read the records of an earlier run from `path` (JSON, one record per line), and append to it from now on.

        cleared: the highest number among the deleted records
        """
        self._path = path
        self._changed = threading.Condition()
        self._records: list[dict[str, Any]] = []
        self._last = 0
        self.cleared = 0
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._last = max(self._last, record["number"])
                if "method" in record:
                    self._records.append(record)
                else:
                    self.cleared = record["number"]

    def add(self, record: dict[str, Any]) -> int:
        """Store a record and return its number."""
        with self._changed:
            self._last += 1
            record = {"number": self._last, **record}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            self._records.append(record)
            self._changed.notify_all()
            return self._last

    def after(self, number: int, wait: float = 0.0) -> list[dict[str, Any]]:
        """Return the records with a higher number. If there are none, wait up to `wait` seconds for one."""
        deadline = time.monotonic() + wait
        with self._changed:
            while not self._newer(number):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._newer(number)

    def _newer(self, number: int) -> list[dict[str, Any]]:
        return [record for record in self._records if record["number"] > number]

    @property
    def last(self) -> int:
        """The highest number so far."""
        return self._last

    def clear(self) -> int:
        """Delete every record, and return how many there were. The numbering continues."""
        with self._changed:
            count, self._records, self.cleared = len(self._records), [], self._last
            # Keep the number, so that it is not used again after a restart.
            self._path.write_text(json.dumps({"number": self._last}) + "\n", encoding="utf-8")
            return count
