# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heartbeat: a timer sends it through the same stages as a login's alert, which proves that they work.

It can be a message, a ping of a dead man's switch, or both. A dead man's switch is an address that raises an alarm if
no request arrives in time. healthchecks.io and others provide one. The switch is pinged after the message was
delivered, and only while the host has no problems.
"""

import random
import time

from . import alert
from .config import Configuration
from .outbox import start_sender
from .spool import ALERT_MODE, Spool
from .text import printable
from .transport import Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List


def wait(spread: int) -> None:
    """Wait a random time of up to `spread` seconds, so that the hosts of a fleet do not all send at the same moment."""
    time.sleep(random.uniform(0, max(spread, 0)))  # noqa: S311


def queue(spool: Spool, problems: "List[str]") -> None:
    """Queue a heartbeat, and wake the sender. Raise OSError if the spool does not accept it.

    problems: sentences; while there are any, the dead man's switch is not pinged
    """
    beat = alert.own(alert.HEARTBEAT, problems)
    spool.write("outgoing", beat["id"], alert.to_json(beat), ALERT_MODE)
    spool.wake()
    start_sender(spool)


class Switch:
    """The dead man's switch."""

    def __init__(self, configuration: Configuration) -> None:
        """Read the files that only root can read. Raise ConfigurationError if the CA file can't be used."""
        url = configuration.heartbeat_ping_url
        self._transport = Transport(configuration, url).to(url)

    def ping(self) -> "Dict[str, Any]":
        """Ping it once, and return the result in the form for State.pinged."""
        try:
            answer = self._transport.get()
            well, said = 200 <= answer.status < 300, str(answer.status)
        except (TransportError, OSError, ValueError) as error:  # the alerts behind it in the queue must not wait
            well, said = False, printable(str(error))
        return {"at": time.time(), "well": well, "answer": said}
