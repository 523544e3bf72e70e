# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: sends a test alert to each channel at once, without the spool, and returns the results."""

import time
from functools import partial

from . import alert, channels, config, exit_codes, outlets
from .channels import DELIVERED
from .child import Child
from .config import ConfigurationError
from .privileges import PrivilegeError, give_up
from .spool import Lock, Spool
from .state import State
from .transport import TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from .alert import Alert
    from .channels import BaseChannel
    from .config import Configuration

    Result = Dict[str, Any]

# The longest wait if a channel has asked this host for a pause.
PAUSE_SECONDS = 30.0
# The result of a trial whose process failed.
NO_RESULT = {
    "delivered": False, "status": None, "answer": "the test's process failed",
    "mend": "this is a defect, please report it", "seconds": 0.0,
}  # fmt: skip


class Trial:
    """One channel's trial. It must be created as root, and run without root's rights.

    fault: why the channel can't be used, in one sentence; "" if it can
    """

    def __init__(self, entry: "Dict[str, Any]", configuration: "Configuration", spool: Spool) -> None:
        """Read everything that needs root. spool: where the sender keeps this channel's state."""
        self.name: str = entry["name"]
        self._spool = spool
        self._lock: Optional[Lock] = None
        self._channel: Optional[BaseChannel] = None
        self.fault = ""
        try:
            self._channel = channels.load(entry, configuration, None)
            self._lock = Lock(spool.path(outlets.LOCK))
        except ConfigurationError as error:
            self.fault = str(error)
        except OSError:
            pass  # a trial works without a spool

    def run(self, test: "Alert") -> "Result":
        """Send the test alert, and return the result."""
        began = time.time()
        found: Result = {"delivered": False, "status": None, "answer": "", "mend": None}
        if self._channel:
            self._send(self._channel, test, began, found)
        else:
            found["answer"], _colon, found["mend"] = self.fault.partition(": ")
        found["seconds"] = round(time.time() - began, 3)
        return found

    def _send(self, channel: "BaseChannel", test: "Alert", now: float, found: "Result") -> None:
        try:
            self._wait_out_pause(channel)
            answer = channel.send(channel.message([test], now), [test])
        except TransportError as error:
            found.update(answer=str(error), mend=channel.WAY)
            return
        meaning = channel.read(answer)
        found.update(status=answer.status, answer=answer.words, delivered=meaning.kind == DELIVERED)
        found["mend"] = meaning.mend or None
        if meaning.asked is not None and self._lock and self._lock.take():
            # The sender has to pause as well. A running sender gets the same answer from the channel itself.
            State(self._spool).waiting(str(answer), meaning.mend, meaning.asked, asked=True)

    def _wait_out_pause(self, channel: "BaseChannel") -> None:
        """Wait as long as the channel has asked this host to. Raise TransportError if that is too long."""
        left = State(self._spool).seconds_left(asked=True)
        if left > PAUSE_SECONDS:
            raise TransportError(f"{channel.TITLE} has asked for a pause, and {left:.0f} seconds of it are left")
        time.sleep(left)


def run(path: str, channel: str = "") -> "Tuple[int, Result]":
    """Send a test alert with the configuration at this path. Return the exit code, and the result as a dictionary.

    `channels` has the result of each channel by name. The top level has that of the first channel that failed, or of
    the first one if none failed.

    channel: the name of the only channel to try, "" for all
    """
    began = time.time()
    test = alert.own(alert.TEST, [])
    found: Result = {"delivered": False, "status": None, "answer": "", "mend": None, "channels": {}, "id": test["id"]}
    code = exit_codes.CRITICAL
    try:
        trials = _prepare(path, channel)
        give_up()
        results = _run_all(trials, test)
        failed = [name for name in results if not results[name]["delivered"]]
        found.update(results[(failed or list(results))[0]], channels=results)
        if not any(trial.fault for trial in trials):
            code = exit_codes.WARNING if failed else exit_codes.OK
    except (ConfigurationError, PrivilegeError) as error:
        found["answer"], _colon, found["mend"] = str(error).partition(": ")
    found["seconds"] = round(time.time() - began, 3)
    return code, found


def _run_all(trials: "List[Trial]", test: "Alert") -> "Dict[str, Result]":
    """Run the trials at the same time, so that all take as long as the slowest. Return the results by channel."""
    if len(trials) == 1:
        return {trials[0].name: trials[0].run(test)}
    children = [Child(partial(trial.run, test)) for trial in trials]
    for child in children:
        child.wait()
    return {trial.name: child.result() or dict(NO_RESULT) for trial, child in zip(trials, children)}


def _prepare(path: str, only: str) -> "List[Trial]":
    """Read everything that needs root. Raise ConfigurationError."""
    configuration = config.load(path)
    entries = configuration.channels
    names = [entry["name"] for entry in entries]
    if only and only not in names:
        raise ConfigurationError(f"there is no channel {only}: use one of {', '.join(names)}")
    spool = Spool()
    trials = []
    for entry in entries:
        if only in ("", entry["name"]):
            own = spool if outlets.is_one(entries) else outlets.place(spool, entry["name"])
            trials.append(Trial(entry, configuration, own))
    return trials
