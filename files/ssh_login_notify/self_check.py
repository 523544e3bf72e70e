# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check: reports to the channel once when something breaks on this host, and once when it is repaired.

It is part of the sender's run, while the sender is still root. Its last report is in state/watch.json. The service user
can write to that file, so it only decides what is not reported again. While the spool can't be written, the file is in
/run.
"""

import json
import os
import time

from . import alert, config, overflow, paths, summary
from .installation import installed_at
from .journal import defect, trouble
from .spool import ALERT_MODE, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

FILE = "watch.json"
# No more of the file is read.
LARGEST_BYTES = 1 << 16
# Slightly less than the timer's period.
PERIOD_SECONDS = 240
# For this long after a change of installed files, the role may still be running.
UNSETTLED_SECONDS = 120


def run_if_due(spool: Spool) -> None:
    """Check the host unless it was checked recently. A failure of the check delays no alert."""
    try:
        if is_due(spool):
            run(spool)
            summary.queue_if_due(spool)
    except Exception as error:
        trouble("The self-check failed: " + defect(error))


def is_due(spool: Spool) -> bool:
    """Tell whether the last check was long enough ago. A check takes 0.1 s, and each login starts a sender."""
    now = time.time()
    changed_at = max(installed_at(), _changed_at(config.PATH))
    looked_at = max(_changed_at(place.path(directory, FILE)) for place, directory in _places(spool))
    return not 0 <= now - looked_at < PERIOD_SECONDS and not 0 <= now - changed_at < UNSETTLED_SECONDS


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def run(spool: Spool) -> None:
    """Check the host, and queue a message if something has changed. Raise OSError if it can't be stored."""
    from .health import examine  # not for the sender of each login

    problems = {problem.key: problem for problem in examine(spool).problems if not problem.about_delivery}
    told = _told(spool)
    # First, because without this file the same report would be repeated over and over.
    _note(spool, told)
    if set(problems) != set(told):
        for key in problems:
            if key not in told:
                trouble(problems[key].sentence)
        notice = alert.own(alert.SELF_CHECK, [problem.sentence for problem in problems.values()])
        _queue(spool, notice["id"], alert.to_json(notice))
    # After the message: a kill in between leads to a second report instead of none.
    _note(spool, sorted(problems))


def _queue(spool: Spool, name: str, contents: bytes) -> None:
    try:
        spool.write("outgoing", name, contents, ALERT_MODE)
    except OSError:
        overflow.keep(name, contents)


def _places(spool: Spool) -> "List[Tuple[Spool, str]]":
    """Return the places of the last report. The second is used only while the first can't be written."""
    return [(spool, "state"), (Spool(paths.OVERFLOW), "")]


def _note(spool: Spool, told: "List[str]") -> None:
    contents = json.dumps({"told": told}).encode("ascii")
    (first, directory), (second, root) = _places(spool)
    try:
        first.write(directory, FILE, contents, ALERT_MODE)
    except OSError:
        overflow.make()
        second.write(root, FILE, contents, ALERT_MODE)
    else:
        overflow.forget(FILE)


def _told(spool: Spool) -> "List[str]":
    for place, directory in reversed(_places(spool)):
        try:
            told = json.loads(place.read(directory, FILE, LARGEST_BYTES).decode("utf-8"))["told"]
            return [key for key in told if isinstance(key, str)]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass
    return []
