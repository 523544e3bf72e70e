# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of each of several channels in the spool: its own queue, its own refused alerts, its own state.

    channels/NAME/outgoing/     alerts that the sender has routed there, and that wait
    channels/NAME/failed/       alerts that this channel refused for good
    channels/NAME/state/        sender.json: the account of this channel; channel.json: what the channel keeps itself

Root creates the directories and owns them, so the service user can't put links in their place. With one channel that
takes everything there are none: the spool's own queue is that channel's.
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
# In an alert that was routed: the names of the channels that were given it.
ROUTED = "routed"
# What keeps something from a channel.
FILTERS = ("only", "ignore")


class Outlet:
    """One of several channels.

    name, entry: of the setting. spool: its place. channel: what sends, None if that can't be used. fault: then a
    sentence that says why, "" for none. lock: of its courier, not held yet.
    """

    def __init__(self, spool: Spool, entry: "Dict[str, Any]", configuration: "Configuration") -> None:
        """Read what takes root to read. Raise OSError without a place (`prepare`)."""
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


def is_one(entries: "List[Dict[str, Any]]") -> bool:
    """Tell whether there is one channel, and it takes everything."""
    return len(entries) == 1 and not any(entries[0].get(name) for name in FILTERS) and entries[0].get("notices", True)


def names(spool: Spool) -> "List[str]":
    """Return the names of the channels that have a place, none where there is no such directory."""
    try:
        with os.scandir(spool.path(CHANNELS)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def prepare(spool: Spool, wanted: "List[str]", configured: "Optional[List[str]]" = None) -> None:
    """Create the places of these channels, and give up those of others. For root; raise OSError.

    What waits at a channel that is gone goes back to the spool's own queue, unless a channel that is left was given it
    as well. The role creates the directory `channels` itself, setgid, so that what is made in it has the service's
    group.

    configured: the names of all channels that there are, None for those that are wanted: one alone needs no place
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
        except OSError as error:  # the others must not wait for it
            trouble(f"The place of the channel {name} in the spool can't be given up ({error}): remove it by hand.")


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
    if name in configured:  # it is the only one that is left
        _move_if_there(there.path("state", CHANNEL_STATE), spool.path("state", CHANNEL_STATE))
    for directory in DIRECTORIES:
        for entry in os.listdir(there.path(directory)):
            there.remove(directory, entry)
        os.rmdir(there.path(directory))
    there.remove("", LOCK)
    os.rmdir(there.path())


def _others(there: Spool, directory: str, alert_name: str) -> "Set[str]":
    """Return the channels that were given the same alert, as its file says."""
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
