# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daily summary: how many logins had no message of their own, and why, in state/summary.json and one message a day.

`count` is called for each such login before its alert leaves the queue. The file names the last ones, so a login that
comes once more after a kill is counted once. A rule is known by its text: its number changes with the configuration.
Each line and the number of lines have a limit, and what has no room in a line of its own is counted all the same.

The message is queued in the morning by the run of the sender that checks the host (self_check.py), when there is
something to say. The service user can write to the file, so root uses nothing of it unchecked.
"""

import json
import os
import random
import time

from . import alert, config, failures, overflow
from .config import ConfigurationError
from .journal import trouble
from .login_rules import KEYS, named
from .spool import ALERT_MODE, SKEW_SECONDS, is_name
from .state import is_number
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .spool import Spool

FILE = "summary.json"
VERSION = 1
# Why a login has no message of its own; and how the summary says that, and what stands before a label.
IGNORED, MUTED, FOLDED = "ignored", "muted", "folded"
WORDS = {
    IGNORED: ("was ignored", "were ignored", "by"),
    MUTED: ("was muted", "were muted", "by"),
    FOLDED: ("was told together with others like it", "were told together with others like them", "of"),
}
# The labels of a kind that are counted each by itself, and the rest.
MOST_LABELS = 50
OTHERS = "others"
LONGEST_LABEL = 200
# What a message has room for: a field of Slack's holds 2,000 characters (slack.py).
MOST_SHOWN = 5
LONGEST_SHOWN_LABEL = 100
# The ids of the last logins that were counted: more than one message of the sender can hold.
MOST_IDS = 500
LARGEST_BYTES = 1 << 18
# When the message is queued, in the host's time zone: the hour, and the seconds after it over which hosts are spread.
AT_HOUR = 8
SPREAD_SECONDS = 1800


class Counts:
    """What was counted.

    since: when the counting began (seconds since the epoch), 0 while nothing is counted. counts: how many logins, by
    kind and label. ids: those of the last logins. is_new: whether the file was damaged, and earlier counts are lost.
    message: the id of the message that says it, once it is being queued.
    """

    def __init__(self, spool: "Spool") -> None:
        """Load them. A file that is damaged is begun anew, which the next message says."""
        self._spool = spool
        self.since = 0.0
        self.counts: Dict[str, Dict[str, int]] = {}
        self.ids: List[str] = []
        self.is_new = False
        self.message = ""
        try:
            self._load(json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            trouble(f"The counts for the daily summary can't be read ({error!r}), and begin anew.")
            self.since, self.counts, self.ids, self.is_new, self.message = time.time(), {}, [], True, ""

    def _load(self, kept: "Any") -> None:
        if kept["version"] != VERSION or not is_number(kept["since"]):
            raise ValueError("another version, or another time")
        counts = {kind: dict(kept["counts"].get(kind, {})) for kind in WORDS}
        if not all(is_number(number) for labels in counts.values() for number in labels.values()):
            raise ValueError("a count is none")
        self.counts = {
            kind: {printable(label, LONGEST_LABEL): int(labels[label]) for label in list(labels)[: MOST_LABELS + 1]}
            for kind, labels in counts.items()
        }
        self.ids = [name for name in kept["ids"][-MOST_IDS:] if isinstance(name, str) and is_name(name)]
        self.since, self.is_new = float(kept["since"]), kept["is_new"] is True
        self.message = str(kept["message"]) if is_name(str(kept["message"])) else ""

    def add(self, login_id: str, kind: str, label: str) -> None:
        """Count a login, unless it is counted already."""
        if login_id in self.ids:
            return
        labels = self.counts.setdefault(kind, {})
        label = printable(label, LONGEST_LABEL)
        if label not in labels and len(labels) >= MOST_LABELS:
            label = OTHERS
        labels[label] = labels.get(label, 0) + 1
        self.ids = [*self.ids, login_id][-MOST_IDS:]
        self.since = self.since or time.time()
        self.keep()

    def begin(self, since: float) -> None:
        """Begin anew, at a time, or with the next login for 0. What was counted stays counted."""
        self.since, self.counts, self.is_new, self.message = since, {}, False, ""
        self.keep()

    def keep(self) -> None:
        """Save them. Raise OSError where the spool takes nothing."""
        kept = {
            "version": VERSION, "since": self.since, "counts": self.counts, "ids": self.ids, "is_new": self.is_new,
            "message": self.message,
        }  # fmt: skip
        self._spool.write("state", FILE, json.dumps(kept).encode("ascii"), ALERT_MODE)

    def sentences(self) -> "List[str]":
        """Return what the message says: how many logins, by which rule, window or repeat."""
        found = []
        for kind, (of_one, of_several, word) in WORDS.items():
            labels = self.counts.get(kind, {})
            number = sum(labels.values())
            if number:
                said = f"1 login {of_one}" if number == 1 else f"{number} logins {of_several}"
                found.append(f"{said}: {_listed(labels, word)}")
        if self.is_new:
            found.append("the file with earlier counts was damaged, so those are missing here")
        return found


def count(spool: "Spool", login_id: str, kind: str, label: str) -> None:
    """Count a login that has no message of its own, once, before its alert leaves the queue. It never fails.

    login_id: its alert's. kind: IGNORED, MUTED or FOLDED. label: what made it silent, such as `label_of(rule)`
    """
    try:
        Counts(spool).add(login_id, kind, label)
    except OSError as error:  # such as a full disk: the system's log has the login
        trouble(f"A login could not be counted for the daily summary: {error}.")


def label_of(rule: "Dict[str, Any]") -> str:
    """Return a rule in words, with its reason first: `the nightly backup (user backup, from 10.0.0.0/8)`."""
    parts = [f"{key} {' or '.join(named(rule, key))}" for key in KEYS if key in rule and key != "reason"]
    text = ", ".join(parts)
    return f"{rule['reason']} ({text})" if "reason" in rule else text


def queue_if_due(spool: "Spool") -> None:
    """Queue the message of a day, if there is something to say. For root. Raise OSError where no disk takes it."""
    counts = Counts(spool)
    try:
        configuration = config.load()
    except ConfigurationError:
        return  # nothing can be sent, which the self-check reports
    now = time.time()
    if not counts.since and configuration.daily_failures:
        counts.begin(now)
    if not counts.since or last_morning(now) <= counts.since <= now + SKEW_SECONDS:
        return
    sentences = counts.sentences() + (_failed(counts.since) if configuration.daily_failures else [])
    if sentences:
        notice = alert.own(alert.SUMMARY, sentences)
        # Noted first: after a kill in between, the same message takes the place of the first.
        notice["id"] = counts.message = counts.message or notice["id"]
        counts.keep()
        _queue(spool, notice)
    counts.begin(now if configuration.daily_failures else 0)


def last_morning(now: float) -> float:
    """Return when the last message was due, in seconds since the epoch. Each host has a minute of its own."""
    local = time.localtime(now)
    spread = int(random.Random(os.uname().nodename).uniform(0, SPREAD_SECONDS))  # noqa: S311 - no secret
    year, month, day = local[:3]
    today, yesterday = (time.mktime((year, month, day - ago, AT_HOUR, 0, spread, 0, 0, -1)) for ago in (0, 1))
    return today if today <= now else yesterday


def _failed(since: float) -> "List[str]":
    """Return how many attempts to log in failed, and from where most of them came."""
    found = failures.counted(since)
    if not found:
        return []
    attempts = sum(found.values())
    words = "1 attempt to log in failed" if attempts == 1 else f"{attempts} attempts to log in failed"
    return [f"{words}: {_listed(found, 'from')}"]


def _queue(spool: "Spool", notice: "alert.Alert") -> None:
    contents = alert.to_json(notice)
    try:
        spool.write("outgoing", notice["id"], contents, ALERT_MODE)
    except OSError:
        overflow.keep(notice["id"], contents)


def _listed(labels: "Dict[str, int]", word: str) -> str:
    most = sorted(labels, key=lambda label: (label == OTHERS, -labels[label], label))
    shown = [f"{labels[label]} {word} {printable(label, LONGEST_SHOWN_LABEL)}" for label in most[:MOST_SHOWN]]
    if len(most) > MOST_SHOWN:
        shown.append(f"{sum(labels[label] for label in most[MOST_SHOWN:])} more")
    return ", ".join(shown)
