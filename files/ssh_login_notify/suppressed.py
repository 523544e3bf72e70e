# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of sshd that journald has dropped because its unit wrote too many (RateLimitBurst= in journald.conf(5)).

journald reports this itself with SD_MESSAGE_JOURNAL_DROPPED: `Suppressed 1234 messages from UNIT` (journald-server.c,
server_dispatch_message: server_driver_message). It writes this entry with the unit's first message after the interval
of 30 seconds in which it dropped messages. `_TRANSPORT=driver` can't be forged.
"""

import errno
import json
import os
import time

from . import sshd_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence

PERIOD_SECONDS = 3600.0
# The timeout, for a journal on a slow disk. An hour has at most 120 of these entries for a unit.
ANSWER_SECONDS = 5.0
MOST_BYTES = 1 << 20


class Suppressed:
    """Dropped messages: the count, the last unit, and the time of the last entry (microseconds since the epoch)."""

    def __init__(self, count: int, unit: str, last: int) -> None:
        self.count = count
        self.unit = unit
        self.last = last


def lately(is_quick: bool = False) -> "Optional[Suppressed]":
    """Return which lines of sshd journald has dropped in the last hour, None if it dropped none, or without a journal.

    Raise OSError if the journal can't be read, or not in time.
    is_quick: read only the files that journald writes to now, and none of the rotated ones, which can be hundreds
    """
    files = _active() if is_quick else []
    if not sshd_log.Journal.is_here() or (is_quick and not files):
        return None
    limits = [f"--since=@{int(time.time() - PERIOD_SECONDS)}", *(f"--file={path}" for path in files)]
    words = [*limits, f"MESSAGE_ID={sshd_log.DROPPED_ID}", "_TRANSPORT=driver"]
    count, unit, last = 0, "", 0
    known: Dict[str, bool] = {}
    deadline = time.monotonic() + ANSWER_SECONDS
    for found in [_entry(raw) for raw in sshd_log.entries(words, "MESSAGE", MOST_BYTES, deadline)]:
        if found and found.unit not in known:
            known[found.unit] = is_sshds(found.unit, limits, deadline)
        if found and known[found.unit]:
            count, unit, last = count + found.count, found.unit, max(last, found.last)
    _check(deadline)
    return Suppressed(count, unit, last) if count else None


def is_sshds(unit: str, limits: "Sequence[str]" = (), deadline: float = 0.0) -> bool:
    """Return whether a unit is one of sshd: it has a usual name, or sshd has logged in it. Raise OSError.

    limits: arguments of journalctl, by default for the last hour. deadline: of time.monotonic(), by default a new one
    """
    if sshd_log.OF_SSHD.match(unit):
        return True
    # A session's scope has lines of sshd, too, but the user can fill it.
    if not unit.endswith(".service"):
        return False
    deadline = deadline or time.monotonic() + ANSWER_SECONDS
    words = [
        *(limits or [f"--since=@{int(time.time() - PERIOD_SECONDS)}"]), "--reverse", f"_SYSTEMD_UNIT={unit}",
        *sshd_log.MATCHES,
    ]  # fmt: skip
    for raw in sshd_log.entries(words, sshd_log.FIELDS, MOST_BYTES, deadline):
        fields = sshd_log.of_json(raw)
        if fields.get("_SYSTEMD_UNIT") == unit and sshd_log.of_journal(fields):
            return True
    _check(deadline)
    return False


def _check(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _active() -> "List[str]":
    try:
        with open(sshd_log.MACHINE_ID, encoding="ascii") as file:
            machine = file.read().strip()
    except (OSError, ValueError):
        return []
    found = (f"{place}/{machine}/system.journal" for place in sshd_log.JOURNALS)
    return [path for path in found if os.access(path, os.R_OK)]


def _entry(raw: bytes) -> "Optional[Suppressed]":
    try:
        entry = json.loads(raw.decode("utf-8"))
        said, at = sshd_log.DROPPED.match(str(entry["MESSAGE"])), int(entry["__REALTIME_TIMESTAMP"])
        return Suppressed(int(said.group("count")), said.group("unit"), at) if said else None
    except (ValueError, LookupError, TypeError):
        return None
