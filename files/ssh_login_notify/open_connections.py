# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that were reported and are still open: a record of each in open/, for the follower (follower.py).

A record consists of the alert and the identity of the connection's process. It is removed when the connection is over.
If the end of the connection will not be reported, it is removed as soon as the connection has shown the most serious
type. If the spool's disk is full, the record is in /run.
"""

import errno
import json
import os

from . import alert, paths
from .spool import Spool, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .alert import Alert

DIRECTORY = "open"
# The limit in each of the two places.
MOST_RECORDS = 10000
MODE = 0o600
# A pid and a start time identify a process only within one boot.
BOOT_ID = "/proc/sys/kernel/random/boot_id"
FIELDS: "Dict[str, Any]" = {"boot": str, "monitor": int, "start": int, "remembered": str, "alert": dict}


class OfAnotherBootError(Exception):
    """The record is from before the last reboot, so the connection is over. record: the one that was read."""

    def __init__(self, record: "Record") -> None:
        super().__init__(record.first)
        self.record = record


class Record:
    """One open connection.

    reported: its last alert. first: the id of its first alert. monitor, start: pid and start time of its sshd process.
    remembered: see Connection.resume. tells_end: whether the end of the connection is reported. Once the connection has
    ended, `reported` is the alert of the end, so that another follower queues the same one.
    """

    def __init__(self, reported: "Alert", monitor: int, start: int, remembered: str, tells_end: bool = False) -> None:
        self.reported = reported
        self.monitor = monitor
        self.start = start
        self.remembered = remembered
        self.tells_end = tells_end

    @property
    def first(self) -> str:
        """Return the id of the connection's first alert, which is also the record's name."""
        return str(self.reported["follows"] or self.reported["id"])

    def to_json(self) -> bytes:
        """Return the record in the form for the spool."""
        kept = {
            "boot": boot_id(),
            "monitor": self.monitor,
            "start": self.start,
            "remembered": self.remembered,
            "tells_end": self.tells_end,
            "alert": self.reported,
        }
        return json.dumps(kept).encode("ascii")


def from_json(raw: bytes) -> Record:
    """Return a record from the spool. Raise OfAnotherBootError, or ValueError if it is damaged."""
    kept = json.loads(raw.decode("utf-8"))
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), FIELDS[name]) for name in FIELDS):
        raise ValueError("not a record of an open connection")
    # Earlier versions did not write this field.
    tells_end = kept.get("tells_end") is True
    record = Record(alert.checked(kept["alert"]), kept["monitor"], kept["start"], kept["remembered"], tells_end)
    if not is_name(record.first):
        raise ValueError("not the alert of a login")
    if kept["boot"] != boot_id():
        raise OfAnotherBootError(record)
    return record


def boot_id() -> str:
    """Return the id of this boot, or "" if /proc does not have it."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


class OpenConnections:
    """The records, in both places."""

    def __init__(self, spool: Spool) -> None:
        self._places = [spool, Spool(paths.OVERFLOW)]

    def names(self) -> "List[str]":
        """Return the names of the records, the oldest first."""
        return sorted({name for place in self._places for name in _names(place)})

    def changed_at(self) -> "List[int]":
        """Return when the directories last changed, in nanoseconds. It stays the same while no record comes or goes."""
        return [_changed_at(place.path(DIRECTORY)) for place in self._places]

    def read(self, name: str) -> Record:
        """Return a record. Raise OfAnotherBootError, or OSError or ValueError if it is gone or damaged."""
        spool, memory = self._places
        try:
            return from_json(memory.read(DIRECTORY, name))  # if there is one, it is newer than the one on the disk
        except (FileNotFoundError, NotADirectoryError):
            return from_json(spool.read(DIRECTORY, name))

    def keep(self, record: Record) -> None:
        """Store a record in place of the connection's former one. Raise OSError if neither place accepts it."""
        spool, memory = self._places
        try:
            _write(spool, record)
        except OSError:
            os.makedirs(memory.path(DIRECTORY), 0o700, exist_ok=True)
            if os.lstat(memory.path()).st_uid != os.geteuid():
                raise
            _write(memory, record)
            return
        try:
            memory.remove(DIRECTORY, record.first)
        except OSError:
            pass  # rarely there

    def remove(self, name: str) -> None:
        """Remove a record if it exists. Raise OSError if that is impossible."""
        for place in self._places:
            try:
                place.remove(DIRECTORY, name)
            except NotADirectoryError:
                pass
        try:
            os.rmdir(self._places[1].path(DIRECTORY))
        except OSError:
            pass  # rarely there, and it may contain other records


def _names(place: Spool) -> "List[str]":
    try:
        return place.names(DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _write(place: Spool, record: Record) -> None:
    names = _names(place)
    if len(names) >= MOST_RECORDS and record.first not in names:
        raise OSError(errno.ENOSPC, f"{MOST_RECORDS} records are there already", place.path(DIRECTORY))
    place.write(DIRECTORY, record.first, record.to_json(), MODE)
