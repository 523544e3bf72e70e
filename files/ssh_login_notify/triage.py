# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logins need a message: the sender weighs each one, and settles those that are ignored, muted or folded.

A login that needs no message is noted before it leaves the queue. So a kill in between loses none, and the next run
settles it once more. It is remembered as one that was seen (memory.py), as one that was reported is.
"""

import time

from . import identity, rules, summary, wording
from .alert import LOGIN, LOGOUT
from .journal import defect, trouble
from .judge import Judge
from .memory import Memory
from .mutes import Mutes
from .outlets import ROUTED
from .repeats import Repeats
from .state import State
from .text import plain_or_quoted
from .weights import WEIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence

    from .alert import Alert
    from .config import Configuration
    from .lookups import Lookups
    from .spool import Spool


class Triage:
    """Decides for one run of the sender."""

    def __init__(
        self, spool: "Spool", configuration: "Configuration", lookups: "Optional[Lookups]" = None, **sources: "Any"
    ) -> None:
        """Load what is remembered.

        lookups: what adds the context to an alert, None for nothing. sources: what else the judge asks, by its
        parameters' names (judge.Judge)
        """
        self._spool = spool
        self._configuration = configuration
        self.state = State(spool)
        self._memory = Memory(spool)
        self._mutes = Mutes(spool)
        self._repeats = Repeats(spool)
        self._judge = Judge(configuration, self._memory, **sources)
        self._lookups = lookups

    def weigh(self, alert: "Alert", before: "Sequence[Alert]") -> "Alert":
        """Return the alert with its `weights`, the `reasons` for them, and its `mentions`.

        before: earlier logins that are told in the same message
        """
        if ROUTED in alert:  # once: its channel is gone, and it was remembered then
            return alert
        weighed = self._judge.weigh(alert, before)
        return dict(weighed, mentions=rules.mentions(alert, self._configuration, weighed["weights"]))

    def in_context(self, alert: "Alert") -> "Alert":
        """Return an alert that gets a message, with what is looked up for it (context.py).

        The message of the login has that already when its connection ends.
        """
        if not self._lookups or alert["about"] == LOGOUT:
            return alert
        try:
            return self._lookups.add(alert)
        except Exception as error:  # whatever goes wrong with a look-up, the alert does not wait for it
            trouble(f"Nothing was looked up for the alert {alert['id']}: {defect(error)}")
            return alert

    def settle(self, alert: "Alert") -> bool:
        """Note a login that needs no message, and return True; return False for every other alert.

        alert: weighed
        """
        if alert["about"] != LOGIN or ROUTED in alert:
            return False
        if not (self._is_ignored(alert) or self._is_muted(alert) or self._is_folded(alert)):
            return False
        self._memory.remember(alert, self._configuration.people)
        return True

    def _is_ignored(self, alert: "Alert") -> bool:
        rule = rules.ignoring_rule(alert, self._configuration, alert["weights"])
        if rule:
            label = summary.label_of(self._configuration.ignore[rule - 1])
            summary.count(self._spool, alert["id"], summary.IGNORED, label)
            entry = {"id": alert["id"], "from": wording.origin(alert), "rule": rule, "at": time.time()}
            self.state.ignore([entry])
        return rule > 0

    def _is_muted(self, alert: "Alert") -> bool:
        window = self._mutes.window(alert, alert["weights"])
        if window is None or not self._mutes.record(window, alert):
            return False
        summary.count(self._spool, alert["id"], summary.MUTED, _whose(alert))
        return True

    def _is_folded(self, alert: "Alert") -> bool:
        into = self._repeats.target(alert, self.state.recent, self._configuration.repeat_minutes)
        if into is None or not self._repeats.fold(alert, into):
            return False
        summary.count(self._spool, alert["id"], summary.FOLDED, _whose(alert))
        facts: Dict[str, Any] = dict(identity.facts_of(alert))
        facts.update({"id": alert["id"], "from": wording.origin(alert), "into": into["id"], "at": time.time()})
        self.state.fold(facts)
        return True

    def delivered(self, alerts: "List[Alert]") -> None:
        """Remember the logins that a message has reported."""
        for sent in alerts:
            if sent["about"] == LOGIN:
                self._memory.remember(sent, self._configuration.people)

    def is_everywhere(self, alert: "Alert") -> bool:
        """Tell whether an alert that was just delivered is in all channels that take it: here, there is one."""
        return True

    def queue_follow_ups(self) -> None:
        """Queue the messages about repeats that are over."""
        try:
            self._repeats.queue_ended(self._configuration.repeat_minutes)
        except OSError as error:  # the next run tries it again
            trouble(f"The message about repeated logins could not be queued: {error}.")

    def close(self) -> None:
        """Save what is not saved yet."""
        self._memory.keep()


def _whose(alert: "Alert") -> str:
    return "{} from {}".format(plain_or_quoted(alert["user"]), alert["address"])


def heaviest_first(alerts: "List[Alert]") -> "List[Alert]":
    """Return the alerts in the order of a digest: the heaviest first, equal ones as they came."""
    return sorted(alerts, key=lambda alert: min(map(WEIGHTS.index, alert["weights"]), default=len(WEIGHTS)))
