# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heartbeat: a timer sends it by the same way as a login's alert, which shows that the way works.

It can be a message, or a ping of a dead man's switch (an address that raises the alarm when no request comes in time,
as healthchecks and others offer), or both. The switch is pinged after the message was delivered, and only while nothing
is wrong on the host.
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
    """Wait a random time of up to `spread` seconds, so that the hosts of a fleet do not send at the same moment."""
    time.sleep(random.uniform(0, max(spread, 0)))  # noqa: S311


def queue(spool: Spool, problems: "List[str]") -> None:
    """Queue a heartbeat, and wake the sender. Raise OSError if the spool does not accept it.

    problems: sentences; while any remain, the dead man's switch is not pinged
    """
    beat = alert.own(alert.HEARTBEAT, problems)
    spool.write("outgoing", beat["id"], alert.to_json(beat), ALERT_MODE)
    spool.wake()
    start_sender(spool)


class Switch:
    """The dead man's switch."""

    def __init__(self, configuration: Configuration) -> None:
        """Read what takes root to read. Raise ConfigurationError if the CA file can't be used."""
        url = configuration.heartbeat_ping_url
        self._transport = Transport(configuration, url).to(url)

    def ping(self) -> "Dict[str, Any]":
        """Ping it once; return the result in the form for State.pinged."""
        try:
            answer = self._transport.get()
            well, said = 200 <= answer.status < 300, str(answer.status)
        except (TransportError, OSError, ValueError) as error:  # whatever it is, alerts behind it must not wait for it
            well, said = False, printable(str(error))
        return {"at": time.time(), "well": well, "answer": said}
