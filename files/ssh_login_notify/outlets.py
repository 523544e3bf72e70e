# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of each of several channels in the spool: its own queue, its own refused alerts, its own state.

    channels/NAME/outgoing/     alerts that the sender has routed there, and that wait
    channels/NAME/failed/       alerts that this channel refused for good
    channels/NAME/state/        sender.json: the account of this channel; channel.json: what the channel keeps itself

Root creates the directories and owns them, so the service user can't put links in their place. With one channel that
takes everything there are none: the spool's own queue is that channel's.
"""

import os

from . import channels
from .config import ConfigurationError
from .spool import CHANNELS, Lock, Spool, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .channels import BaseChannel
    from .config import Configuration

DIRECTORIES = ("outgoing", "failed", "state")
LOCK = "sender.lock"
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


def prepare(spool: Spool, wanted: "List[str]") -> None:
    """Create the places of these channels, and give up those of others. For root; raise OSError.

    What waits at a channel that is gone goes back to the spool's own queue, and from there to the channels that there
    are. The role creates the directory `channels` itself, setgid, so that what is made in it has the service's group.
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
        _give_up(spool, name)


def _make(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        pass


def _give_up(spool: Spool, name: str) -> None:
    there = place(spool, name)
    for directory in DIRECTORIES:
        try:
            found = os.listdir(there.path(directory))
        except FileNotFoundError:
            continue
        for entry in found:
            path = there.path(directory, entry)
            alert_name = entry[: -len(".answer")] if entry.endswith(".answer") else entry
            if directory != "state" and is_name(alert_name):
                os.rename(path, spool.path(directory, entry))
            elif not os.path.isdir(path) or os.path.islink(path):
                os.unlink(path)
        os.rmdir(there.path(directory))
    there.remove("", LOCK)
    os.rmdir(there.path())
