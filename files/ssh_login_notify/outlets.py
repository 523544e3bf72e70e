# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of each of several channels in the spool: its own queue, its own refused alerts, its own state.

    channels/NAME/outgoing/     waiting alerts that the sender has routed to this channel
    channels/NAME/failed/       alerts that this channel refused for good
    channels/NAME/state/        sender.json: the state of its courier; channel.json: the channel's own data

Root creates and owns the directories, so the service user can't replace them with links. A single channel that takes
everything has no place of its own: it uses the spool's own queue.
"""

import json
import os

from . import channels
from .config import ConfigurationError
from .journal import trouble
from .spool import CHANNEL_STATE, CHANNELS, COMPANIONS, Lock, Spool
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

    from .channels import BaseChannel
    from .config import Configuration

DIRECTORIES = ("outgoing", "failed", "state")
LOCK = "sender.lock"
# The key, in a routed alert, for the names of the channels that it was routed to.
ROUTED = "routed"
# The settings that keep alerts from a channel.
FILTERS = ("only", "ignore")


class Outlet:
    """One of several channels.

    name, entry: from the setting. spool: its place. channel: sends its messages, None if it can't be used. fault: a
    sentence that says why it can't be used, "" if it can. lock: of its courier, not held yet.
    """

    def __init__(self, spool: Spool, entry: "Dict[str, Any]", configuration: "Configuration") -> None:
        """Read the files that only root can read. Raise OSError if the place is missing (`prepare`)."""
        self.name: str = entry["name"]
        self.entry = entry
        self.spool = place(spool, self.name)
        self.lock = Lock(self.spool.path(LOCK))
        self.channel: Optional[BaseChannel] = None
        self.fault = ""
        try:
            self.channel = channels.load(entry, configuration, self.spool)
        except ConfigurationError as error:
            self.fault = str(error)


def place(spool: Spool, name: str) -> Spool:
    """Return a channel's part of the spool."""
    return Spool(spool.path(CHANNELS, name))


def places(spool: Spool) -> "List[Spool]":
    """Return the spool and each channel's part of it: all places where alerts wait and their ends are recorded."""
    return [spool, *(place(spool, name) for name in names(spool))]


def is_one(entries: "List[Dict[str, Any]]") -> bool:
    """Return whether there is only one channel, and it takes everything."""
    return len(entries) == 1 and not any(entries[0].get(name) for name in FILTERS) and entries[0].get("notices", True)


def names(spool: Spool) -> "List[str]":
    """Return the names of the channels that have a place."""
    try:
        with os.scandir(spool.path(CHANNELS)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def prepare(spool: Spool, wanted: "List[str]", configured: "Optional[List[str]]" = None) -> None:
    """Create the places of the wanted channels, and remove all others. For root. Raise OSError.

    The waiting and the refused alerts of a removed channel move back to the spool's own directories, unless they were
    routed to a remaining channel as well. The role creates the directory `channels` itself. It is setgid, so that
    everything in it belongs to the service's group.

    wanted: the channels that need a place. configured: all channels, None if these are the wanted ones. They differ if
    there is a single channel, which needs no place.
    """
    before = os.umask(0o007)
    try:
        for name in wanted:
            _make(spool.path(CHANNELS, name), 0o750)
            for directory in DIRECTORIES:
                _make(spool.path(CHANNELS, name, directory), 0o770)
    finally:
        os.umask(before)
    for name in set(names(spool)) - set(wanted):
        try:
            _give_up(spool, name, wanted if configured is None else configured)
        except OSError as error:  # the other channels must not wait for it
            what = f"The spool's directory of the channel {name} is no longer used"
            trouble(f"{what}, and can't be removed ({error}): remove it by hand.")


def _make(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        pass


def _give_up(spool: Spool, name: str, configured: "List[str]") -> None:
    there = place(spool, name)
    State(spool).owe(State(there).untold)
    for directory in ("outgoing", "failed"):
        for alert_name in there.names(directory):
            if name not in configured and _others(there, directory, alert_name) & set(configured):
                there.forget(directory, alert_name)
            else:
                os.rename(there.path(directory, alert_name), spool.path(directory, alert_name))
                answer = alert_name + COMPANIONS["failed"]
                _move_if_there(there.path(directory, answer), spool.path(directory, answer))
    if name in configured:  # now the only channel, which uses the spool's own directories
        _move_if_there(there.path("state", CHANNEL_STATE), spool.path("state", CHANNEL_STATE))
    for directory in DIRECTORIES:
        for entry in os.listdir(there.path(directory)):
            there.remove(directory, entry)
        os.rmdir(there.path(directory))
    there.remove("", LOCK)
    os.rmdir(there.path())


def _others(there: Spool, directory: str, alert_name: str) -> "Set[str]":
    """Return the names of all channels that the same alert was routed to, from its file."""
    try:
        found = json.loads(there.read(directory, alert_name).decode("utf-8"))
        return {str(name) for name in found[ROUTED]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return set()


def _move_if_there(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        pass
