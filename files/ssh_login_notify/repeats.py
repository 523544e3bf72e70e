# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeated logins: those that are folded into one follow-up instead of a message each, in state/repeats.json.

An editor, a monitoring system or a script logs in many times in a row. The first login is reported at once. Logins with
the same user, address, key and type within `repeat_minutes` of it (by the times of the logins) are only counted. After
that time, one message reports how many there were, and when. Heavy logins and follow-ups of a connection are never
folded. Nothing is folded into a message that Slack has not accepted yet, or that it accepted before the notifier was
installed or its configuration changed. So after each change, one login is reported and proves that messages arrive.

A login is recorded in the file before it leaves the queue, so a kill in between loses none. If it can't be recorded, it
is reported.
"""

import json
import time

from . import config, identity
from .alert import FIELDS, LOGIN, REPEATS, checked, to_json
from .installation import installed_at
from .journal import trouble
from .spool import ALERT_MODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .alert import Alert
    from .spool import Spool
    from .state import Entry

FILE = "repeats.json"
# The facts that must be equal. A delivery has them, too (state.DELIVERY).
SAME = ("user", "address", "key", "type")
# The number of logins that can have repeats at the same time. Beyond it, repeats are reported.
MOST_REPEATED = 200
# How many times and ids are kept of the repeats of one login. The others are only counted.
MOST_TIMES = 50
# The last repeat of each login is kept whole. A larger alert is reported instead.
LARGEST_ALERT_BYTES = 4096
LARGEST_BYTES = MOST_REPEATED * (LARGEST_ALERT_BYTES + MOST_TIMES * 100)
# How late the last repeat can reach the sender: the type of a login is known after 30 seconds at the latest.
LATE_SECONDS = 45.0


class Repeats:
    """Logins that repeat one that was reported.

    folded: the repeats, by the id of the reported login: `count`, `began` (the time of the reported login), `logins`
    (the `id` and the time `at` of the last repeats), and `alert` (the last repeat).
    """

    def __init__(self, spool: "Spool") -> None:
        """Load the file."""
        self._spool = spool
        self.folded: Dict[str, Dict[str, Any]] = {}
        try:
            kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
            self.folded = {name: _checked(entry) for name, entry in kept.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            trouble(
                f"The file of repeated logins can't be read ({error!r}); the system's log (authpriv) has the logins."
            )

    def target(self, alert: "Alert", recent: "List[Entry]", minutes: int) -> "Optional[Entry]":
        """Return the delivery of the login that this one repeats, None if there is none.

        alert: weighed (judge.py). recent: the last deliveries (state.DELIVERY). minutes: `repeat_minutes`, 0 for never
        """
        if not minutes or alert["weights"] or alert["follows"] or alert["about"] != LOGIN or not alert["address"]:
            return None
        facts = identity.facts_of(alert)
        for entry in reversed(recent):
            passed = alert["time"] - entry["login_time"]
            if entry["id"] == alert["id"]:
                return None  # a sender was killed before it removed the alert from the queue
            if any(entry[name] != facts[name] for name in SAME) or not 0 <= passed < minutes * 60:
                continue
            if entry["delivered_at"] <= max(config.changed_at(), installed_at()) or is_over(
                entry["login_time"], minutes
            ):
                continue
            return entry if entry["id"] in self.folded or len(self.folded) < MOST_REPEATED else None
        return None

    def fold(self, alert: "Alert", into: "Entry") -> bool:
        """Record that a login repeats one that was reported. Return False if that could not be recorded."""
        before = self.folded.get(into["id"])
        kept = dict(before or {"count": 0, "began": into["login_time"], "logins": []})
        if any(login["id"] == alert["id"] for login in kept["logins"]):
            return True  # a sender was killed before it removed the alert from the queue
        last = {name: alert[name] for name in FIELDS}
        if len(to_json(last)) > LARGEST_ALERT_BYTES:
            return False
        kept["count"] += 1
        kept["logins"] = [*kept["logins"], {"id": alert["id"], "at": alert["time"]}][-MOST_TIMES:]
        kept["alert"] = last
        self.folded[into["id"]] = kept
        if self._keep():
            return True
        if before:
            self.folded[into["id"]] = before
        else:
            del self.folded[into["id"]]
        return False

    def queue_ended(self, minutes: int) -> None:
        """Queue one message for each login whose time for repeats has passed. Raise OSError."""
        for name, kept in list(self.folded.items()):
            if is_over(kept["began"], minutes):
                message = follow_up(name, kept)
                # The name is the same in every attempt, so a kill before the next line leads to no second message.
                self._spool.write("outgoing", message["id"], to_json(message), ALERT_MODE)
                del self.folded[name]
                self._keep()

    def _keep(self) -> bool:
        try:
            self._spool.write("state", FILE, json.dumps(self.folded).encode("ascii"), ALERT_MODE)
        except OSError as error:
            trouble(f"Repeated logins could not be noted: {error}.")
            return False
        return True


def is_over(began: float, minutes: int) -> bool:
    """Return whether the time for repeats of a login has passed. A clock that was set back ends it as well."""
    age = time.time() - began
    return age >= minutes * 60 + LATE_SECONDS or age < -LATE_SECONDS


def follow_up(name: str, kept: "Dict[str, Any]") -> "Alert":
    """Return the message about the repeats of a login: the last repeat, with a note of their number and times."""
    last = kept["alert"]
    times = ", ".join(time.strftime("%H:%M:%S", time.localtime(login["at"])) for login in kept["logins"])
    if kept["count"] > len(kept["logins"]):
        times = "the last at " + times
    note = f"{more_logins(kept['count'])} with the same address, key and type after {name}: {times}"
    # A valid name for the spool that no login can have: a pid has at most seven digits (proc(5), pid_max).
    message_id = last["id"].partition("-")[0] + "-1" + name.partition("-")[2].zfill(7)
    # It is a follow-up of the login, so that a channel with threads can add it to the login's thread.
    return dict(last, id=message_id, about=REPEATS, follows=name, notes=[note])


def more_logins(count: int) -> str:
    """Return the number of further logins in words, such as `2 more logins`."""
    return f"{count} more login" + ("s" if count > 1 else "")


def _checked(kept: "Any") -> "Dict[str, Any]":
    """Return an entry of the file, checked. Raise ValueError, TypeError or LookupError if it is invalid."""
    logins = [{"id": str(login["id"]), "at": float(login["at"])} for login in kept["logins"]]
    if not logins:
        raise ValueError("no login")
    return {
        "count": int(kept["count"]),
        "began": float(kept["began"]),
        "logins": logins,
        "alert": checked(kept["alert"]),
    }
