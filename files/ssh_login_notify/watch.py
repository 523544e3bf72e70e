"""The watch: tells the channel once what has become wrong on this host, and once that it is well again.

A part of the timer's run, as long as that is root. What it last said stands in state/watch.json, which the service user
may write: so it is believed only about what need not be said again. While the spool takes nothing, it stands in /run.
"""

import json
import os
import time

from . import alert, config, overflow
from .installation import installed_at
from .journal import trouble
from .spool import ALERT_MODE, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

FILE = "watch.json"
LARGEST = 1 << 16  # bytes
PERIOD = 240  # seconds; a little less than the timer's
UNSETTLED = 120  # seconds after an installation, in which the role may still be at work


def is_due(spool: Spool) -> bool:
    """Tell whether the last look was long enough ago. Looking takes 20 ms, and each login starts a sender."""
    now = time.time()
    changed_at = max(installed_at(), _changed_at(config.PATH))
    looked_at = max(_changed_at(place.path(directory, FILE)) for place, directory in _places(spool))
    return not 0 <= now - looked_at < PERIOD and not 0 <= now - changed_at < UNSETTLED


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def look(spool: Spool) -> None:
    """Look at the host, and queue a message if something has changed. Raise OSError where no disk takes it."""
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
        _queue(spool, notice["id"], alert.to_json(notice))
    # After the message: killed in between, it is said twice rather than never.
    _note(spool, sorted(problems))


def _queue(spool: Spool, name: str, contents: bytes) -> None:
    try:
        spool.write("outgoing", name, contents, ALERT_MODE)
    except OSError:
        overflow.keep(name, contents)


def _places(spool: Spool) -> "List[Tuple[Spool, str]]":
    """Return where it may stand what was last said: in the second place only as long as the first takes nothing."""
    return [(spool, "state"), (Spool(overflow.ROOT), "")]


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
            told = json.loads(place.read(directory, FILE, LARGEST).decode("utf-8"))["told"]
            return [key for key in told if isinstance(key, str)]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass
    return []
