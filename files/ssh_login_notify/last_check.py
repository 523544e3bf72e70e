# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time of the last self-check, and whether the next one is due. This is looked up twice a minute."""

import os
import time

from . import paths
from .installation import is_unsettled
from .spool import LEDGER, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

# The last report of the self-check. Each check writes it.
FILE = "watch.json"
# The lock of the check, in ledger/, where only root can write. Its modification time is the time of the last check.
LOCK = "check.lock"
# Slightly less than the period of the sender's timer. So where the watch against tampering runs, the sender finds no
# check due.
PERIOD_SECONDS = 240


def places(spool: Spool) -> "List[Tuple[Spool, str]]":
    """Return the places for the last report. The second is used only while the first can't be written."""
    return [(spool, "state"), (Spool(paths.OVERFLOW), "")]


def is_due(spool: Spool) -> bool:
    """Return whether a self-check is due. It takes 0.1 s, and each login starts a sender, so not every run checks."""
    now = time.time()
    looked_at, elsewhere = (_changed_at(place.path(directory, FILE)) for place, directory in places(spool))
    # The service user can set the time of the file in state/, and could keep every check from running that way. It
    # can't set the time of the lock.
    started_at = _changed_at(spool.path(LEDGER, LOCK)) or looked_at
    looked_at = max(min(looked_at, started_at), elsewhere)
    return not 0 <= now - looked_at < PERIOD_SECONDS and not is_unsettled(now, paths.CONFIGURATION)


def note(spool: Spool) -> None:
    """Record that a check begins. The caller holds the lock."""
    try:
        os.utime(spool.path(LEDGER, LOCK))
    except OSError:
        pass  # a disk that accepts no writes, which the check reports


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
