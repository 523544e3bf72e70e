# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: a test alert that is sent at once, without the spool, and its result."""

import json
import time

from . import alert, config, exit_codes, slack
from .config import ConfigurationError
from .delivery import WAY, retry_after
from .privileges import PrivilegeError, give_up
from .spool import Lock, Spool
from .state import State
from .transport import Answer, Transport, TransportError

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
        transport = Transport(configuration)
        _wait_out_pause()
        lock = _lock_of_sender()
        give_up()
        answer = transport.post(json.dumps(slack.single(test, configuration, began)).encode("ascii"))
        delivered = slack.is_delivered(answer.status, answer.text)
        if not delivered:
            _pass_on_pause(answer, lock)
        found.update(delivered=delivered, status=answer.status, answer=answer.words)
        found["mend"] = None if delivered else slack.mend(answer.status, answer.text)
        code = exit_codes.OK if delivered else exit_codes.WARNING
    except (ConfigurationError, PrivilegeError) as error:
        found["answer"], _colon, found["mend"] = str(error).partition(": ")
    except TransportError as error:
        found.update(answer=str(error), mend=WAY)
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


def _pass_on_pause(answer: Answer, lock: "Optional[Lock]") -> None:
    """Have the sender pause as well if Slack has asked for it. Slack tells a running sender itself."""
    asked = retry_after(answer.retry_after)
    if asked is not None and lock and lock.take():
        State(Spool()).waiting(str(answer), slack.mend(answer.status, answer.text), asked, asked=True)
