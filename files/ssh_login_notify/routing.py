# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""With several channels: which alert goes to which of them.

An alert is weighed and settled once (triage.py), then written into the queue of each channel that takes it, then taken
from the spool's own queue. A kill in between routes it once more; a channel that has it, or has sent it, is left out.
"""

import os
import time

from . import alert, rules, summary, wording
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

# How the daily summary counts a login that goes nowhere.
NOWHERE = "no channel takes it"


def takes(entry: "Dict[str, Any]", routed: "Alert", configuration: "Configuration") -> bool:
    """Tell whether a channel takes an alert.

    entry: the channel's of the setting. routed: weighed (judge.py). A message about the notifier itself goes to every
    channel with `notices`, the end of a connection to every one with `logouts`, which knows whether it has told of the
    login; for all else, a rule of `ignore` keeps it away, and one of `only` has to pick it
    """
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
    """Routes what waits, for one run of the sender."""

    def __init__(
        self, queue: "Queue", configuration: "Configuration", outlets: "List[Outlet]", triage: "Triage"
    ) -> None:
        """Take what it works with, and look up what each channel has sent."""
        self._queue = queue
        self._configuration = configuration
        self._outlets = outlets
        self._triage = triage
        self._sent: Dict[str, Set[str]] = {}
        for outlet in outlets:
            self._sent[outlet.name] = {entry["id"] for entry in State(outlet.spool).recent}

    def route(self, busy: "Iterable[str]" = ()) -> "Dict[str, Dict[str, bytes]]":
        """Route what waits. Return what a channel's queue has no room for, by the channel and the alert's name.

        That is not taken from the spool's own queue. busy: names of alerts to leave alone
        """
        held: Dict[str, Dict[str, bytes]] = {}
        self._triage.queue_follow_ups()
        self._queue.stop_waking()
        for name in self._queue.names():
            if name not in busy:
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
        except Exception as error:  # whatever is wrong with a file, the alerts behind it must not wait for it
            self._queue.set_aside_damaged(name, error)
            return
        contents = alert.to_json(dict(found, **{ROUTED: [outlet.name for outlet in takers]}))
        if all(self._hand_over(outlet, name, contents) for outlet in takers):
            self._done(found, bool(takers))
            return
        for outlet in takers:  # none of them keeps a copy: a run after this one could not tell who has sent it
            if name not in self._sent[outlet.name]:
                outlet.spool.remove("outgoing", name)
                held.setdefault(outlet.name, {})[name] = contents

    def _takers(self, found: "Alert") -> "List[Outlet]":
        if found["about"] == alert.HEARTBEAT and not self._configuration.heartbeat_message:
            return self._outlets[:1]  # which pings the dead man's switch, and sends nothing
        return [outlet for outlet in self._outlets if takes(outlet.entry, found, self._configuration)]

    def _hand_over(self, outlet: "Outlet", name: str, contents: bytes) -> bool:
        """Write an alert into a channel's queue, unless it was there before; return False if there is no room."""
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
            # Later logins of the same kind are folded into it, although it may wait still: it is not lost any more.
            self._triage.state.routed(entry_of(found, 0))
        elif found["about"] != alert.LOGOUT:
            if found["about"] == alert.LOGIN:
                summary.count(self._queue.spool, found["id"], summary.IGNORED, NOWHERE)
            entry = {"id": found["id"], "from": wording.origin(found), "rule": 0, "at": time.time()}
            self._triage.state.ignore([entry])
        self._queue.remove(found["id"])

    def sent_without_room(self, name: str) -> None:
        """Take an alert from the queue that a channel had no room for, and has sent all the same."""
        try:
            self._done(self._triage.weigh(self._queue.load(name), ()), is_taken=True)
        except (OSError, ValueError):
            pass  # it is gone

    def pass_on_dropped(self) -> None:
        """Have every channel report what was dropped before it was routed: no message comes from this queue itself."""
        count = self._triage.state.pass_on()
        for outlet in self._outlets if count else []:
            State(outlet.spool).owe(count)

    def close(self) -> None:
        """Save what is not saved yet."""
        self._triage.close()


class Routed:
    """In place of the triage (triage.Triage), for a channel's own queue: there, all is weighed and settled."""

    def __init__(self, spool: "Spool", others: "List[Spool]") -> None:
        """spool: the channel's. others: those of all channels."""
        self.state = State(spool)
        self._others = others

    def weigh(self, found: "Alert", _before: "Sequence[Alert]") -> "Alert":
        """Return the alert as the router has weighed it."""
        return dict({"weights": [], "reasons": [], "mentions": []}, **found)

    def settle(self, _found: "Alert") -> bool:
        """Every alert needs a message."""
        return False

    def in_context(self, found: "Alert") -> "Alert":
        """Return the alert with the context that the router has added."""
        return found

    def delivered(self, _alerts: "List[Alert]") -> None:
        """The router has remembered them."""

    def is_everywhere(self, found: "Alert") -> bool:
        """Tell whether no channel has this alert waiting or refused any more."""
        try:
            return not any(
                found["id"] in spool.names(directory) for spool in self._others for directory in ("outgoing", "failed")
            )
        except OSError:
            return False

    def queue_follow_ups(self) -> None:
        """The router does."""

    def close(self) -> None:
        """Nothing is to be saved."""
