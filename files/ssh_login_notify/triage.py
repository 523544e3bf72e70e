# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Triage: the sender weighs each login, and settles those that need no message: ignored, muted or folded ones.

A login that needs no message is recorded before it leaves the queue. So a kill in between loses none, and the next run
settles it again. The memory of earlier logins (memory.py) includes it, like a login that was reported.
"""

import time

from . import counts, identity, rules, summary, wording
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
    """The triage for one run of the sender."""

    def __init__(
        self, spool: "Spool", configuration: "Configuration", lookups: "Optional[Lookups]" = None, **sources: "Any"
    ) -> None:
        """Load the state, the memory, the mutes and the repeats.

        lookups: adds the context to an alert, None to add nothing. sources: further arguments of judge.Judge
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

        before: earlier logins that are reported in the same message
        """
        if ROUTED in alert:  # it was weighed and remembered before; its channel is gone since then
            return alert
        weighed = self._judge.weigh(alert, before)
        return dict(weighed, mentions=rules.mentions(alert, self._configuration, weighed["weights"]))

    def in_context(self, alert: "Alert") -> "Alert":
        """Return an alert that gets a message, with its context (context.py).

        The end of a connection gets none, because the message about the login has it.
        """
        if not self._lookups or alert["about"] == LOGOUT:
            return alert
        try:
            return self._lookups.add(alert)
        except Exception as error:  # a failed lookup must not hold up the alert
            trouble(f"Nothing was looked up for the alert {alert['id']}: {defect(error)}")
            return alert

    def settle(self, alert: "Alert") -> bool:
        """Record a login that needs no message, and return True. Return False for every other alert.

        alert: weighed (weigh)
        """
        if alert["about"] != LOGIN or ROUTED in alert:
            return False
        if not (self._is_ignored(alert) or self._is_muted(alert) or self._is_folded(alert)):
            return False
        self._memory.remember(alert, self._configuration.people)
        self.count([alert])
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
        """Remember and count the logins that a message has reported."""
        self.count(alerts)
        for sent in alerts:
            if sent["about"] == LOGIN:
                self._memory.remember(sent, self._configuration.people)

    def count(self, alerts: "List[Alert]") -> None:
        """Count logins for the metrics, if the configuration asks for these."""
        if self._configuration.metrics_file:
            counts.count(self._spool, alerts)

    def is_everywhere(self, alert: "Alert") -> bool:
        """Return whether all channels that take an alert have it. Always true here, because there is one channel."""
        return True

    def queue_follow_ups(self) -> None:
        """Queue a message for each login whose time for repeats has passed."""
        try:
            self._repeats.queue_ended(self._configuration.repeat_minutes)
        except OSError as error:  # the next run tries again
            trouble(f"The message about repeated logins could not be queued: {error}.")

    def close(self) -> None:
        """Save the memory of logins."""
        self._memory.keep()


def _whose(alert: "Alert") -> str:
    return "{} from {}".format(plain_or_quoted(alert["user"]), alert["address"])


def heaviest_first(alerts: "List[Alert]") -> "List[Alert]":
    """Return the alerts in the order of a digest: the heaviest first, equally heavy ones in the order of the queue."""
    return sorted(alerts, key=lambda alert: min(map(WEIGHTS.index, alert["weights"]), default=len(WEIGHTS)))
