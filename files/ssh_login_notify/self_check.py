# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check: tells the channel once when something breaks on this host, and once when it is well again.

It is part of the sender's run, while that is root. What it last reported is in state/watch.json. The service user can
write to that file, so it is trusted only about what need not be reported again. While the spool takes nothing, the file
is in /run.
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
# The file is read no further.
LARGEST_BYTES = 1 << 16
# A little less than the timer's period.
PERIOD_SECONDS = 240
# For that long after an installation the role may still be at work.
UNSETTLED_SECONDS = 120


def run_if_due(spool: Spool) -> None:
    """Check the host unless it was checked a short while ago. A check that fails delays no alert."""
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
    """Check the host, and queue a message if something has changed. Raise OSError where no disk takes it."""
    from .health import examine  # not for the sender of each login

    problems = {problem.key: problem for problem in examine(spool).problems if not problem.about_delivery}
    told = _told(spool)
    # First: where this can't be noted, nothing is reported over and over.
    _note(spool, told)
    if set(problems) != set(told):
        for key in problems:
            if key not in told:
                trouble(problems[key].sentence)
        notice = alert.own(alert.SELF_CHECK, [problem.sentence for problem in problems.values()])
        _queue(spool, notice["id"], alert.to_json(notice))
    # After the message: after a kill in between it is reported twice rather than never.
    _note(spool, sorted(problems))


def _queue(spool: Spool, name: str, contents: bytes) -> None:
    try:
        spool.write("outgoing", name, contents, ALERT_MODE)
    except OSError:
        overflow.keep(name, contents)


def _places(spool: Spool) -> "List[Tuple[Spool, str]]":
    """Return where the last report is noted: in the second place only while the first takes nothing."""
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
