# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routing: decides which channels get an alert, if there are several.

An alert is weighed and settled once (triage.py), then written into the queue of each channel that takes it, then
removed from the spool's own queue. After a kill in between it is routed again. Channels that already have the alert, or
have sent it, are skipped.
"""

import os
import time

from . import alert, ledger, rules, summary, wording
from .delivery import entry_of
from .journal import trouble
from .outlets import ROUTED
from .spool import ALERT_MODE
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Sequence, Set

    from .alert import Alert
    from .config import Configuration
    from .outlets import Outlet
    from .queue import Queue
    from .spool import Spool
    from .triage import Triage

# The label in the daily summary for a login that no channel takes.
NOWHERE = "no channel takes it"


def takes(entry: "Dict[str, Any]", routed: "Alert", configuration: "Configuration") -> bool:
    """Return whether a channel takes an alert.

    - Missed logins go to every channel, because it is not known which rules they would have matched.
    - A message about the notifier itself goes to every channel with `notices`.
    - The end of a connection goes to every channel with `logouts`. The channel checks whether it reported the login.
    - For everything else, no rule of the channel's `ignore` may match, and a rule of its `only` must, if it has any.

    entry: the channel's entry in the configuration. routed: the alert, weighed (judge.py)
    """
    if routed["about"] == alert.MISSED:
        return True
    if routed["about"] == alert.LOGOUT:
        return bool(entry.get("logouts"))
    if alert.is_own(routed):
        return bool(entry.get("notices", True))
    weights = routed["weights"]
    if rules.ignoring_rule(routed, configuration, weights, entry.get("ignore") or []):
        return False
    only = entry.get("only") or []
    return not only or any(rules.selects(rule, routed, configuration, weights) for rule in only)


class Router:
    """Routes the waiting alerts, for one run of the sender."""

    def __init__(
        self, queue: "Queue", configuration: "Configuration", outlets: "List[Outlet]", triage: "Triage"
    ) -> None:
        """Load the ids of the alerts that each channel has sent."""
        self._queue = queue
        self._configuration = configuration
        self._outlets = outlets
        self._triage = triage
        self._sent: Dict[str, Set[str]] = {}
        for outlet in outlets:
            self._sent[outlet.name] = {entry["id"] for entry in State(outlet.spool).recent}

    def waiting(self) -> "Set[str]":
        """Return the names of the alerts to route. One that comes later starts another run, or is in the next look."""
        self._triage.queue_follow_ups()
        self._queue.stop_waking()
        return set(self._queue.names())

    def route(self, names: "Iterable[str]") -> "Dict[str, Dict[str, bytes]]":
        """Route these alerts. Return those that a channel's queue has no room for, by channel and name.

        These stay in the spool's own queue.
        """
        held: Dict[str, Dict[str, bytes]] = {}
        for name in sorted(names):
            self._route(name, held)
        return held

    def _route(self, name: str, held: "Dict[str, Dict[str, bytes]]") -> None:
        try:
            found = self._triage.weigh(self._queue.load(name), ())
            takers = self._takers(found)
            if takers and self._triage.settle(found):
                self._queue.remove(name)
                return
            found = self._triage.in_context(found)
        except FileNotFoundError:
            return
        except Exception as error:  # a damaged file must not hold up the alerts behind it
            self._queue.set_aside_damaged(name, error)
            return
        contents = alert.to_json(dict(found, **{ROUTED: [outlet.name for outlet in takers]}))
        if all(self._hand_over(outlet, name, contents) for outlet in takers):
            self._done(found, bool(takers))
            return
        for outlet in takers:  # no queue keeps a copy: the next run could not know which channels have sent it
            if name not in self._sent[outlet.name]:
                outlet.spool.remove("outgoing", name)
                held.setdefault(outlet.name, {})[name] = contents

    def _takers(self, found: "Alert") -> "List[Outlet]":
        if found["about"] == alert.HEARTBEAT and not self._configuration.heartbeat_message:
            return self._outlets[:1]  # it pings the dead man's switch, and sends no message
        return [outlet for outlet in self._outlets if takes(outlet.entry, found, self._configuration)]

    def _hand_over(self, outlet: "Outlet", name: str, contents: bytes) -> bool:
        """Write an alert into a channel's queue, unless the channel had it before. Return False if there is no room."""
        if name in self._sent[outlet.name]:
            return True
        try:
            if not os.path.lexists(outlet.spool.path("failed", name)):
                outlet.spool.write("outgoing", name, contents, ALERT_MODE, durable=True)
        except OSError as error:
            trouble(f"The queue of the channel {outlet.name} has no room ({error}): {name} is sent from memory.")
            return False
        return True

    def _done(self, found: "Alert", is_taken: bool) -> None:
        if is_taken:
            self._triage.delivered([found])
            # From now on repeats are folded into it. It may still be waiting, but it can no longer be lost.
            self._triage.state.routed(entry_of(found, 0))
        elif found["about"] != alert.LOGOUT:
            if found["about"] == alert.LOGIN:
                self._triage.count([found])
                summary.count(self._queue.spool, found["id"], summary.IGNORED, NOWHERE)
                ledger.end(self._queue.spool, [found["id"]], ledger.UNROUTED)
            entry = {"id": found["id"], "from": wording.origin(found), "rule": 0, "at": time.time()}
            self._triage.state.ignore([entry])
        self._queue.remove(found["id"])

    def sent_without_room(self, name: str) -> None:
        """Remove an alert from the queue after it was sent from memory, because a channel's queue had no room."""
        try:
            self._done(self._triage.weigh(self._queue.load(name), ()), is_taken=True)
        except (OSError, ValueError):
            pass  # it was removed meanwhile

    def pass_on_dropped(self) -> None:
        """Let every channel report the alerts that were dropped before routing: this queue itself sends no messages."""
        count = self._triage.state.pass_on()
        for outlet in self._outlets if count else []:
            State(outlet.spool).owe(count)

    def close(self) -> None:
        """Save the memory of logins."""
        self._triage.close()


class Routed:
    """Replaces triage.Triage for a channel's own queue, in which all alerts are already weighed and settled."""

    def __init__(self, spool: "Spool", others: "List[Spool]") -> None:
        """spool: the channel's own. others: the spools of all channels."""
        self.state = State(spool)
        self._others = others

    def weigh(self, found: "Alert", _before: "Sequence[Alert]") -> "Alert":
        """Return the alert with the weights that the router has added."""
        return dict({"weights": [], "reasons": [], "mentions": []}, **found)

    def settle(self, _found: "Alert") -> bool:
        """Return False, because every alert here needs a message."""
        return False

    def in_context(self, found: "Alert") -> "Alert":
        """Return the alert with the context that the router has added."""
        return found

    def delivered(self, _alerts: "List[Alert]") -> None:
        """Do nothing, because the router has already remembered them."""

    def is_everywhere(self, found: "Alert") -> bool:
        """Return whether this alert is in no channel's queue any more, and in no channel's failed/."""
        try:
            return not any(
                found["id"] in spool.names(directory) for spool in self._others for directory in ("outgoing", "failed")
            )
        except OSError:
            return False

    def queue_follow_ups(self) -> None:
        """Do nothing, because the router queues them."""

    def close(self) -> None:
        """Do nothing, because there is nothing to save."""
