# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heartbeat: a sign that a login would be reported, sent by a timer all the way that a login's alert goes.

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
    """Wait a random time of up to so many seconds, so that a fleet does not beat as one."""
    time.sleep(random.uniform(0, max(spread, 0)))  # noqa: S311


def queue(spool: Spool, problems: "List[str]") -> None:
    """Put a heartbeat into the queue, and wake the sender. Raise OSError where the spool takes none.

    problems: sentences; while any remain, the dead man's switch is not pinged
    """
    beat = alert.own(alert.HEARTBEAT, problems)
    spool.write("outgoing", beat["id"], alert.to_json(beat), ALERT_MODE)
    spool.wake()
    start_sender(spool)


def ping(transport: Transport, configuration: Configuration) -> "Dict[str, Any]":
    """Ping the dead man's switch once; return the result as State.pinged takes it."""
    try:
        answer = transport.to(configuration.heartbeat_ping_url).get()
        well, said = 200 <= answer.status < 300, str(answer.status)
    except (TransportError, OSError, ValueError) as error:  # whatever it is, the alerts behind it must not wait for it
        well, said = False, printable(str(error))
    return {"at": time.time(), "well": well, "answer": said}
