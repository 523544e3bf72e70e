"""The watch: tells the channel once what has become wrong on this host, and once that it is well again.

A part of the timer's run, as long as that is root. What it last said stands in state/watch.json, which the service user
may write: so it is believed only about what need not be said again.
"""

import json
import os
import time

from . import alert, config
from .installation import installed_at
from .journal import trouble
from .spool import ALERT_MODE, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

FILE = "watch.json"
LARGEST = 1 << 16  # bytes
PERIOD = 240  # seconds; a little less than the timer's
UNSETTLED = 120  # seconds after an installation, in which the role may still be at work


def is_due(spool: Spool) -> bool:
    """Tell whether the last look was long enough ago. Looking takes 20 ms, and each login starts a sender."""
    now = time.time()
    changed_at = max(installed_at(), _changed_at(config.PATH))
    looked_at = _changed_at(spool.path("state", FILE))
    return not 0 <= now - looked_at < PERIOD and not 0 <= now - changed_at < UNSETTLED


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def look(spool: Spool) -> None:
    """Look at the host, and queue a message if something has changed. Raise OSError where the spool takes none."""
    from .health import Health  # a login's sender does without

    problems = {problem.key: problem for problem in Health(spool).problems if not problem.about_delivery}
    told = _told(spool)
    # First, so that nothing is said over and over where it can't be noted that it was.
    _note(spool, told)
    if set(problems) != set(told):
        for key in problems:
            if key not in told:
                trouble(problems[key].sentence)
        notice = alert.own(alert.WATCH_SERVICE, [problem.sentence for problem in problems.values()])
        spool.write("outgoing", notice["id"], alert.to_json(notice), ALERT_MODE)
    # After the message: killed in between, it is said twice rather than never.
    _note(spool, sorted(problems))


def _note(spool: Spool, told: "List[str]") -> None:
    spool.write("state", FILE, json.dumps({"told": told}).encode("ascii"), ALERT_MODE)


def _told(spool: Spool) -> "List[str]":
    try:
        told = json.loads(spool.read("state", FILE, LARGEST).decode("utf-8"))["told"]
        return [key for key in told if isinstance(key, str)]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
