# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repairs after kills and full disks that the sender makes before it sends, while it is root."""

from . import ballast, outlets, overflow
from .finisher import start_follower
from .journal import trouble
from .observer import recover_orphans
from .spool import Spool


def recover(spool: Spool) -> None:
    """Repair the spool. Raise OSError if it can't be used.

    Only the holder of the sender's lock may call this: two at a time could create two alerts for one login.
    """
    spool.clear_unfinished()
    for name in outlets.names(spool):
        try:
            outlets.place(spool, name).clear_unfinished(outlets.DIRECTORIES)
        except OSError as error:
            trouble(f"The place of the channel {name} in the spool can't be read: {error}.")
    try:
        overflow.bring_back(spool)
    except OSError as error:
        trouble(f"The spool still takes no alerts: {error}.")
    recover_orphans(spool)
    start_follower(spool)
    ballast.report_lost(spool)
    try:
        ballast.refill(spool)
    except OSError:
        pass  # a full disk, which `status` reports
