# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the delivery to each channel, for `status` and the self-check."""

import time
from urllib.parse import urlsplit

from . import outlets
from .channels import CLOSED
from .exit_codes import CRITICAL, WARNING
from .installation import installed_at
from .problem import Problem, alerts_were, counted
from .spool import SKEW_SECONDS, written_at
from .state import State
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

    from .config import Configuration
    from .spool import Spool

# Stands for a channel's entry if the configuration can't be used, or for the queue that all channels share.
UNKNOWN = {"name": "the webhook", "kind": ""}
# An alert that has waited longer than this is critical, for whatever reason.
LONG_WAIT_SECONDS = 900.0


class ChannelHealth:
    """The state of one channel.

    name, kind, host: from the configuration; kind is "" if the configuration can't be used. state: what the sender last
    did there. waiting, failed: names of alerts. is_one: whether there is no other channel.
    """

    def __init__(self, entry: "Dict[str, Any]", spool: "Spool", is_one: bool, elsewhere: "Sequence[str]" = ()) -> None:
        """Read the state. Raise OSError if the channel's queue can't be read.

        elsewhere: names of waiting alerts that the queue has no room for
        """
        self.name: str = entry["name"]
        self.kind: str = entry["kind"]
        self.host = host_of(entry)
        self.is_one = is_one
        self.state = State(spool)
        self._spool = spool
        self.waiting = [*spool.names("outgoing"), *elsewhere]
        self.failed = spool.names("failed")

    @property
    def oldest_waiting_seconds(self) -> "Optional[float]":
        """Return the age of the oldest waiting alert, None if none waits."""
        return age(self.waiting)

    def problems(self) -> "Iterator[Problem]":
        """Yield what is wrong. If there are other channels, they can report it."""
        for found in (*self._of_refused(), *self._of_waiting()):
            if self.is_one:
                yield found
            else:
                # The other channels do not report a short outage.
                silent = found.about_delivery and found.severity == WARNING
                sentence = f"channel {self.name}: {found.sentence}"
                yield Problem(found.severity, f"{found.key} {self.name}", sentence, about_delivery=silent)

    def _of_refused(self) -> "Iterator[Problem]":
        if self.failed:
            what = f"{alerts_were(len(self.failed))} refused, the last with {self._answer(self.failed[-1])}"
            yield Problem(CRITICAL, "failed", what + ": fix the cause, then run `ssh-login-notify flush --failed`")

    def _of_waiting(self) -> "Iterator[Problem]":
        state = self.state
        trouble = "{what}: {mend}".format(**state.trouble) if state.trouble else "not attempted yet"
        stuck = [name for name in self.waiting if state.retries.is_stuck(name)]
        if stuck:
            yield self._stuck(stuck)
        oldest = age([name for name in self.waiting if name not in stuck])
        if oldest is not None and state.last_answer and state.last_answer["kind"] == CLOSED:
            yield Problem(CRITICAL, "waiting", "alerts wait: " + trouble, about_delivery=True)
        elif (oldest or 0) > LONG_WAIT_SECONDS:
            what = f"alerts have waited for {(oldest or 0) / 60:.0f} minutes"
            yield Problem(CRITICAL, "waiting", f"{what}: {trouble}", about_delivery=True)
        elif oldest is not None and state.trouble:
            yield Problem(WARNING, "waiting", "alerts wait: " + trouble, about_delivery=True)
        if state.untold:
            what = f"{alerts_were(state.untold)} dropped, because too many waited or no disk had space"
            where = "the logins are in the system's log (authpriv)"
            yield Problem(CRITICAL, "dropped", f"{what}: {where}", about_delivery=True)

    def _stuck(self, names: "List[str]") -> Problem:
        """Report alerts that later ones overtake. Do not quote the answer: a filter may block its words."""
        tried = [self.state.retries.entries[name] for name in names]
        last = max(tried, key=lambda entry: float(entry["at"]))
        what = f"{counted(len(names), 'alert is', 'alerts are')} stuck, the last attempt ended with "
        what += str(last["status"] or "no answer")
        mend = f"check for a proxy or filter on the way to {self.host} that blocks their contents"
        if any(entry["lost"] for entry in tried):
            way = f"on the way to {self.host}"
            mend = f"they may be posted already: check for a proxy or filter {way} that loses answers"
        if any(entry["unsure"] for entry in tried):
            usual = "Slack" if self.kind in ("", "slack") else f"a channel of the kind {self.kind}"
            mend = f"they may be posted already: {self.host} does not answer like {usual}; find out what answers"
        return Problem(CRITICAL, "stuck", f"{what}: {mend}; then run `ssh-login-notify flush`")

    def _answer(self, name: str) -> str:
        try:
            return printable(self._spool.read("failed", name + ".answer").strip())
        except OSError:
            return "an unknown answer"

    def as_json(self) -> "Dict[str, Any]":
        """Return everything for JSON."""
        state = self.state
        return {
            "kind": self.kind,
            "host": self.host,
            "waiting": len(self.waiting),
            "oldest_waiting_seconds": self.oldest_waiting_seconds,
            "failed": len(self.failed),
            "dropped": state.dropped,
            "last_delivery": state.recent[-1] if state.recent else None,
            "recent_deliveries": state.recent,
            "last_answer": state.last_answer,
            "trouble": state.trouble,
            "problems": [problem.sentence for problem in self.problems()],
        }


def of_host(
    configuration: "Optional[Configuration]", spool: "Spool", overflowing: "List[str]"
) -> "Tuple[ChannelHealth, List[ChannelHealth]]":
    """Return the spool's own queue, and all channels. If there is one channel, both are the same.

    overflowing: the names of alerts that wait outside the spool. Raise OSError if a queue can't be read
    """
    entries = configuration.channels if configuration else []
    if not entries or outlets.is_one(entries):
        found = ChannelHealth(entries[0] if entries else UNKNOWN, spool, True, overflowing)
        return found, [found]
    places = outlets.names(spool)
    # A channel without a place is new: the sender has not run since it was added.
    wanted = [entry for entry in entries if entry["name"] in places]
    is_alone = len(entries) == 1
    found_all = [ChannelHealth(entry, outlets.place(spool, entry["name"]), is_alone) for entry in wanted]
    return ChannelHealth(UNKNOWN, spool, True, overflowing), found_all


def host_of(entry: "Dict[str, Any]") -> str:
    """Return the host of a channel, or its program: only this part of its address may be shown."""
    address = urlsplit(entry.get("url") or entry.get("api_url") or "").hostname or entry.get("host")
    return str(address or (entry.get("command") or [""])[0] or f"the host of {entry['name']}")


def last_sign(found: "List[ChannelHealth]") -> float:
    """Return the time of the last certain delivery from this host. Times in the future do not count."""
    signs = [entry["delivered_at"] for channel in found for entry in channel.state.recent]
    signs += [ping["at"] for ping in pings(found) if ping["well"]]
    return max([sign for sign in signs if sign <= time.time() + SKEW_SECONDS], default=installed_at())


def pings(found: "List[ChannelHealth]") -> "List[Dict[str, Any]]":
    """Return the last pings of the dead man's switch, in order of time."""
    said = [channel.state.last_ping for channel in found if channel.state.last_ping]
    return sorted(said, key=lambda ping: float(ping["at"]))


def age(names: "List[str]") -> "Optional[float]":
    """Return the age of the oldest of these alerts in seconds, None if there are none."""
    return round(max(time.time() - written_at(min(names)), 0), 1) if names else None
