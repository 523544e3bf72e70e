# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sender looks up for an alert beside the login itself (context.py): once for the host, or for each address.

It is made by root, who loads and opens all that is configured, and nothing else. Then it is asked without root, for
alerts that get a message, never while a login waits. Each look-up has a limit of half a second, and one that fails is
left out: no alert waits for it, or fails by it.
"""

from .alert import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .alert import Alert
    from .config import Configuration


class Lookups:
    """The sources of this host. To be made by root."""

    def __init__(self, configuration: "Configuration") -> None:
        """Load what is configured."""
        self._labels = configuration.labels

    def add(self, alert: "Alert") -> "Alert":
        """Return the alert with its `context`."""
        found: Dict[str, Any] = {}
        if self._labels:
            found["labels"] = self._labels
        if not is_own(alert):
            found.update(self._of_the_login(alert))
        return dict(alert, context=found)

    def _of_the_login(self, alert: "Alert") -> "Dict[str, Any]":
        return {}
