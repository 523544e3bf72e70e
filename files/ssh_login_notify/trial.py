# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: a test alert that is sent at once, without the spool, and its result."""

import time

from . import alert, channels, config, exit_codes
from .channels import DELIVERED
from .config import ConfigurationError
from .privileges import PrivilegeError, give_up
from .spool import Lock, Spool
from .state import State
from .transport import TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

# How long to wait where Slack has asked this host for a pause.
PAUSE_SECONDS = 30.0


def run(path: str) -> "Tuple[int, Dict[str, Any]]":
    """Send a test alert with the configuration at this path; return the exit code, and the result by name."""
    began = time.time()
    test = alert.own(alert.TEST, [])
    found: Dict[str, Any] = {"delivered": False, "status": None, "answer": "", "mend": None, "id": test["id"]}
    code = exit_codes.CRITICAL
    try:
        configuration = config.load(path)
        channel = channels.load(configuration.channels[0], configuration, None)
        _wait_out_pause()
        lock = _lock_of_sender()
        give_up()
        answer = channel.send(channel.message([test], began), [test])
        meaning = channel.read(answer)
        delivered = meaning.kind == DELIVERED
        if meaning.asked is not None and lock and lock.take():
            # Slack tells a running sender itself.
            State(Spool()).waiting(str(answer), meaning.mend, meaning.asked, asked=True)
        found.update(delivered=delivered, status=answer.status, answer=answer.words)
        found["mend"] = None if delivered else meaning.mend
        code = exit_codes.OK if delivered else exit_codes.WARNING
    except (ConfigurationError, PrivilegeError) as error:
        found["answer"], _colon, found["mend"] = str(error).partition(": ")
    except TransportError as error:
        found.update(answer=str(error), mend=channels.BaseChannel.WAY)
        code = exit_codes.WARNING
    found["seconds"] = round(time.time() - began, 3)
    return code, found


def _wait_out_pause() -> None:
    """Wait as long as Slack has asked this host to; raise TransportError if that is too long."""
    left = State(Spool()).seconds_left(asked=True)
    if left > PAUSE_SECONDS:
        raise TransportError(f"Slack has asked for a pause, and {left:.0f} seconds of it are left")
    time.sleep(left)


def _lock_of_sender() -> "Optional[Lock]":
    try:
        return Lock(Spool().path("sender.lock"))
    except OSError:
        return None  # a trial works without a spool

