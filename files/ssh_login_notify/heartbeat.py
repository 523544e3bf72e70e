"""The heartbeat: a timer's sign that a login would be reported, sent the whole way that a login's alert goes.

It can be a message, or a request to a dead man's switch (an address that raises the alarm when it is not asked for in
time, as healthchecks and others offer), or both. The switch is told after the message was delivered, and only while
nothing is wrong on the host.
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
    """Wait for up to so many seconds, left to chance, so that a fleet does not beat as one."""
    time.sleep(random.uniform(0, max(spread, 0)))  # noqa: S311


def queue(spool: Spool, problems: "List[str]") -> None:
    """Put a heartbeat among the alerts that wait, and wake the sender. Raise OSError where the spool takes none.

    problems: sentences; as long as there are such, the dead man's switch is not told.
    """
    beat = alert.own(alert.HEARTBEAT, problems)
    spool.write("outgoing", beat["id"], alert.to_json(beat), ALERT_MODE)
    spool.wake()
    start_sender(spool)


def ping(transport: Transport, configuration: Configuration) -> "Dict[str, Any]":
    """Ask for the dead man's switch's address once; return what came of it, as State.pinged takes it."""
    try:
        answer = transport.to(configuration.heartbeat_ping_url).get()
        well, said = 200 <= answer.status < 300, str(answer.status)
    except (TransportError, OSError, ValueError) as error:  # whatever it is, those behind it must not wait for it
        well, said = False, printable(str(error))
    return {"at": time.time(), "well": well, "answer": said}
