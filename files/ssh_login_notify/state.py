"""What the sender last did, for `status` and for its own next run: state/sender.json.

The service user may write it, so root believes nothing of it that it has not looked at.
"""

import json
import time

from .spool import Spool
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Entry = Dict[str, Any]

RECENT = 50  # deliveries that are remembered
NUMBER = (int, float)  # of seconds since the epoch
LATEST = 1 << 33  # the year 2242; localtime(3) has an end too
DELIVERY = {"id": str, "user": str, "from": str, "login_time": NUMBER, "delivered_at": NUMBER, "status": int}
TROUBLE = {"since": NUMBER, "what": str, "mend": str}
ANSWER = {"id": str, "from": str, "status": (int, type(None)), "answer": str, "mend": str, "at": NUMBER}


class State:
    """recent: the last deliveries, the newest last. trouble: why alerts wait, and since when, None when they do not.
    last_answer: what was said to the last alert that was not delivered, None after a delivery.
    not_before: seconds since the epoch before which nothing is to be tried.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.recent: List[Entry] = []
        self.trouble: Optional[Entry] = None
        self.last_answer: Optional[Entry] = None
        self.not_before = 0.0
        try:
            kept = json.loads(spool.read("state", "sender.json").decode("utf-8"))
            recent = [_checked(entry, DELIVERY) for entry in kept["recent"][-RECENT:]]
            self.recent = [entry for entry in recent if entry]
            self.trouble = _checked(kept["trouble"], TROUBLE)
            self.last_answer = _checked(kept.get("last_answer"), ANSWER)
            self.not_before = float(kept["not_before"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass  # none yet, or not ours: nothing is known then, and nothing depends on it

    def delivered(self, deliveries: "List[Entry]") -> None:
        """Remember deliveries (DELIVERY)."""
        self.recent = (self.recent + deliveries)[-RECENT:]
        self.trouble = self.last_answer = None
        self.not_before = 0.0
        self._keep()

    def refused(self, answer: "Entry") -> None:
        """Remember what was said to an alert (ANSWER)."""
        self.last_answer = answer
        self._keep()

    def waiting(self, why: str, mend: str, seconds: float) -> None:
        """Remember why nothing can be delivered, and for how long not to try."""
        since = self.trouble["since"] if self.trouble else time.time()
        self.trouble = {"since": since, "what": why, "mend": mend}
        self.not_before = time.time() + seconds
        self._keep()

    def _keep(self) -> None:
        names = ("recent", "trouble", "last_answer", "not_before")
        kept = {name: getattr(self, name) for name in names}
        self._spool.write("state", "sender.json", json.dumps(kept).encode("ascii"), 0o640)


def _checked(thing: object, types: "Dict[str, Any]") -> "Optional[Entry]":
    """Return a dictionary with just these names and types, its texts made harmless; None for anything else."""
    if not isinstance(thing, dict) or not all(isinstance(thing.get(name), types[name]) for name in types):
        return None
    if not all(0 <= thing[name] < LATEST for name in types if types[name] is NUMBER):
        return None
    return {name: printable(thing[name]) if isinstance(thing[name], str) else thing[name] for name in types}
