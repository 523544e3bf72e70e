# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weigh a login: how heavy it is, and why (docs/weights.md). Its message begins with the weights.

A heavy login is suppressed only by a rule that names each of its weights, or by root's own mute (mutes.py). All facts
come from the host itself. No weight depends on anything that the user can choose: they depend only on sshd, the
administrator and the notifier's own memory.
"""

import time

from . import rules
from .alert import LOGIN, MISSED
from .failures import HEAVY_FROM
from .memory import KEY, NETWORK, PASSWORDS, TYPE
from .text import printable
from .weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY, WEIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence

    from .alert import Alert
    from .config import Configuration
    from .memory import Memory

    # A key of the reasons in wording.py, and its values. Empty if the weight needs no explanation.
    Reason = Dict[str, Any]
    # Takes a client's address and the time of the login. Returns the failed attempts before it, None if unknown.
    Failures = Callable[[str, float], Optional[int]]
    # Takes a fingerprint and a user. Returns the comment of the key's line, None if unknown.
    Comments = Callable[[str, str], Optional[str]]

# The only source of accounts with the number 0. No network directory is queried.
ACCOUNTS = "/etc/passwd"
# The rest of a larger file is not read.
LARGEST_BYTES = 1 << 20


def knows_nothing(*_what: object) -> None:
    """Return None for any question, in place of a source that is missing."""
    return


class Judge:
    """Weighs logins when the sender takes them from the queue."""

    def __init__(
        self,
        configuration: "Configuration",
        memory: "Memory",
        failures: "Failures" = knows_nothing,
        comments: "Comments" = knows_nothing,
    ) -> None:
        """Keep references to the configuration, the memory and the lookups."""
        self._configuration = configuration
        self._memory = memory
        self._failures = failures
        self._comments = comments
        self._roots = root_accounts()

    def weigh(self, alert: "Alert", before: "Sequence[Alert]" = ()) -> "Alert":
        """Return the alert with its `weights`, the heaviest first, and `reasons` for those that need one (wording.py).

        A reason has a `key`, and values: {"key": "failures", "count": 12}.

        before: earlier logins in the same message
        """
        if alert["about"] == MISSED:
            return dict(alert, weights=[ANOMALY], reasons=[])
        if alert["about"] != LOGIN:
            return dict(alert, weights=[], reasons=[])
        said: Dict[str, Reason] = {}
        if alert["notes"]:
            said[ANOMALY] = {}
        if alert["user"] in self._roots:
            said[ROOT] = {}
        said.update(self._of_the_key(alert))
        said.update(self._of_the_address(alert))
        said.update(self._first(alert, before))
        weights = [weight for weight in WEIGHTS if weight in said]
        return dict(alert, weights=weights, reasons=[said[weight] for weight in weights if said[weight]])

    def _of_the_key(self, alert: "Alert") -> "Dict[str, Reason]":
        methods = alert["methods"]
        keys = [method for method in methods if "fingerprint" in method]
        if not keys and any(method["method"] in PASSWORDS for method in methods):
            if self._memory.prefers_keys(alert["user"]):
                return {PASSWORD: {"key": "password"}}
            return {}
        unknown = [method for method in keys if not rules.person(method, self._configuration.people)]
        if not unknown or not self._configuration.people:
            return {}
        comment = self._comments(unknown[0]["fingerprint"], alert["user"])
        if comment:
            return {UNKNOWN_KEY: {"key": "unknown_key_comment", "comment": printable(comment)}}
        return {UNKNOWN_KEY: {"key": "unknown_key"}}

    def _of_the_address(self, alert: "Alert") -> "Dict[str, Reason]":
        count = self._failures(alert["address"], alert["time"]) if alert["address"] else None
        if count is None or count < HEAVY_FROM:
            return {}
        return {FAILURES: {"key": "failures", "count": count}}

    def _first(self, alert: "Alert", before: "Sequence[Alert]") -> "Dict[str, Reason]":
        people = self._configuration.people
        news = self._memory.news(alert, people, before)
        if not news:
            return {}
        since = time.strftime("%Y-%m-%d", time.localtime(self._memory.since))
        is_known = self._memory.knows(alert["user"]) or any(other["user"] == alert["user"] for other in before)
        if not is_known:
            return {FIRST: {"key": "first_user", "since": since}}
        by_key = any(key.startswith("SHA256:") for key in news.get(KEY, []))
        what = {KEY: "key" if by_key else "method", NETWORK: "network", TYPE: "type"}
        networks = ", ".join(news.get(NETWORK, []))
        return {FIRST: {"key": "first", "what": [what[kind] for kind in news], "networks": networks, "since": since}}


def root_accounts() -> "List[str]":
    """Return the names of the local accounts with the uid 0 (passwd(5))."""
    found = ["root"]
    try:
        with open(ACCOUNTS, "rb") as file:
            for line in file.read(LARGEST_BYTES).split(b"\n"):
                fields = line.split(b":")
                if len(fields) > 2 and fields[2] == b"0":
                    found.append(printable(fields[0]))
    except OSError:
        pass  # `root` itself is always in the list
    return found
