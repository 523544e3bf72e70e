# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeated logins: those that are folded into one follow-up instead of a message each, in state/repeats.json.

An editor, a monitoring system or a script logs in many times in a row. The first login is reported at once. Others with
the same user, address, key and type within `repeat_minutes` of it (by their own times) are counted, and one message
says how many and when, once that time is over. A heavy login is never folded, and none that follows up a connection.
Nothing is folded into a message that Slack has not taken, or that it took before the notifier was installed or its
configuration changed. So after each change a login is reported that proves the way.

A login is noted in the file before it leaves the queue, so a kill in between loses none. Where it can't be noted, it is
reported.
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
# What has to be equal, and stands in a delivery (state.DELIVERY).
SAME = ("user", "address", "key", "type")
# Into so many logins others are folded at a time. Beyond it, logins are reported.
MOST_REPEATED = 200
# The times and ids that are kept of those that are folded into one. Beyond it, only their number is known.
MOST_TIMES = 50
# A larger alert is reported: the last one of each is kept.
LARGEST_ALERT_BYTES = 4096
LARGEST_BYTES = MOST_REPEATED * (LARGEST_ALERT_BYTES + MOST_TIMES * 100)
# How late the last repeat may reach the sender: the type of a login is clear after 30 seconds at the latest.
LATE_SECONDS = 45.0


class Repeats:
    """Logins that repeat one that was reported.

    folded: by the id of that one: `count`, `began` (its time), `logins` (the `id` and time `at` of the last), and
    `alert`, the last of them.
    """

    def __init__(self, spool: "Spool") -> None:
        """Load what is noted."""
        self._spool = spool
        self.folded: Dict[str, Dict[str, Any]] = {}
        try:
            kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
            self.folded = {name: _checked(entry) for name, entry in kept.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            trouble(
                f"The note of repeated logins can't be read ({error!r}); the system's log (authpriv) has the logins."
            )

    def target(self, alert: "Alert", recent: "List[Entry]", minutes: int) -> "Optional[Entry]":
        """Return the delivery of the login that this one repeats, None if it repeats none.

        alert: weighed (judge.py). recent: the last deliveries (state.DELIVERY). minutes: of the setting, 0 for never
        """
        if not minutes or alert["weights"] or alert["follows"] or alert["about"] != LOGIN or not alert["address"]:
            return None
        facts = identity.facts_of(alert)
        for entry in reversed(recent):
            passed = alert["time"] - entry["login_time"]
            if entry["id"] == alert["id"]:
                return None  # a sender was killed before the alert had left the queue
            if any(entry[name] != facts[name] for name in SAME) or not 0 <= passed < minutes * 60:
                continue
            if entry["delivered_at"] <= max(config.changed_at(), installed_at()) or is_over(
                entry["login_time"], minutes
            ):
                continue
            return entry if entry["id"] in self.folded or len(self.folded) < MOST_REPEATED else None
        return None

    def fold(self, alert: "Alert", into: "Entry") -> bool:
        """Note that a login repeats one that was reported; return False if that could not be noted."""
        before = self.folded.get(into["id"])
        kept = dict(before or {"count": 0, "began": into["login_time"], "logins": []})
        if any(login["id"] == alert["id"] for login in kept["logins"]):
            return True  # a sender was killed before the alert had left the queue
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
        """Queue one message for each login whose repeats are over. Raise OSError where the spool takes none."""
        for name, kept in list(self.folded.items()):
            if is_over(kept["began"], minutes):
                message = follow_up(name, kept)
                # The same name in every try: a kill before the next line makes no second message.
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
    """Tell whether nothing more is folded into a login of that time. A clock that was set back ends it as well."""
    age = time.time() - began
    return age >= minutes * 60 + LATE_SECONDS or age < -LATE_SECONDS


def follow_up(name: str, kept: "Dict[str, Any]") -> "Alert":
    """Return the message for the repeats of a login: the last of them, with how many there were, and when."""
    last = kept["alert"]
    times = ", ".join(time.strftime("%H:%M:%S", time.localtime(login["at"])) for login in kept["logins"])
    if kept["count"] > len(kept["logins"]):
        times = "the last at " + times
    note = f"{more_logins(kept['count'])} with the same address, key and type after {name}: {times}"
    # A name of the spool's form that no login has: a pid has at most seven digits (proc(5), pid_max).
    message_id = last["id"].partition("-")[0] + "-1" + name.partition("-")[2].zfill(7)
    # It follows up the login, so that a channel with threads can put it there.
    return dict(last, id=message_id, about=REPEATS, follows=name, notes=[note])


def more_logins(count: int) -> str:
    """Return how many more logins there were, in words."""
    return f"{count} more login" + ("s" if count > 1 else "")


def _checked(kept: "Any") -> "Dict[str, Any]":
    """Return an entry of the file; raise ValueError, TypeError or LookupError for what is none."""
    logins = [{"id": str(login["id"]), "at": float(login["at"])} for login in kept["logins"]]
    if not logins:
        raise ValueError("no login")
    return {
        "count": int(kept["count"]),
        "began": float(kept["began"]),
        "logins": logins,
        "alert": checked(kept["alert"]),
    }
