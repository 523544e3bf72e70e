# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daily summary: how many logins had no message of their own, and why, in state/summary.json and one message a day.

`count` is called for each of these logins before its alert leaves the queue. The file contains the ids of the last
ones, so a login that is processed again after a kill is counted once. A rule is identified by its text, because its
number changes with the configuration. The length of each line and the number of lines are limited. Logins that have no
line of their own are counted together.

The self-check queues the message in the morning (self_check.py), if there is anything to report. The message also
reports how many logins sshd accepted, and how many are accounted for (completeness.py). The service user can write to
the file, so root checks everything that it reads from it.
"""

import json
import os
import random
import time

from . import alert, config, failures, ledger, overflow
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
# Why a login has no message of its own; the words for that, for one login and for several, and the word before a label.
IGNORED, MUTED, FOLDED = "ignored", "muted", "folded"
WORDS = {
    IGNORED: ("was ignored", "were ignored", "by"),
    MUTED: ("was muted", "were muted", "by"),
    FOLDED: ("was reported together with similar ones", "were reported together with similar ones", "of"),
}
# How many labels of a kind are counted separately, and the label for the rest.
MOST_LABELS = 50
OTHERS = "others"
LONGEST_LABEL = 200
# The limits of the message: a field in Slack holds 2,000 characters (slack.py).
MOST_SHOWN = 5
LONGEST_SHOWN_LABEL = 100
# How many ids of counted logins are kept: more than one message of the sender can hold.
MOST_IDS = 500
LARGEST_BYTES = 1 << 18
# When the message is queued: the hour in the host's time zone, and the seconds after it over which hosts are spread.
AT_HOUR = 8
SPREAD_SECONDS = 1800


class Counts:
    """The counters.

    since: when counting began (seconds since the epoch), 0 if nothing is counted. counts: the number of logins, by kind
    and label. ids: the ids of the last logins. is_new: whether the file was damaged, so that earlier counts are lost.
    message: the id of the message that reports them, once it is being queued.
    """

    def __init__(self, spool: "Spool") -> None:
        """Load the file. If it is damaged, counting starts again from zero, and the next message reports that."""
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
            trouble(f"The counts for the daily summary can't be read ({error!r}), and start again from zero.")
            self.since, self.counts, self.ids, self.is_new, self.message = time.time(), {}, [], True, ""

    def _load(self, kept: "Any") -> None:
        if kept["version"] != VERSION or not is_number(kept["since"]):
            raise ValueError("unknown version, or invalid time")
        counts = {kind: dict(kept["counts"].get(kind, {})) for kind in WORDS}
        if not all(is_number(number) for labels in counts.values() for number in labels.values()):
            raise ValueError("a count is not a number")
        self.counts = {
            kind: {printable(label, LONGEST_LABEL): int(labels[label]) for label in list(labels)[: MOST_LABELS + 1]}
            for kind, labels in counts.items()
        }
        self.ids = [name for name in kept["ids"][-MOST_IDS:] if isinstance(name, str) and is_name(name)]
        self.since, self.is_new = float(kept["since"]), kept["is_new"] is True
        self.message = str(kept["message"]) if is_name(str(kept["message"])) else ""

    def add(self, login_id: str, kind: str, label: str) -> None:
        """Count a login, unless it was already counted."""
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
        """Start again from zero. Logins that were counted before are not counted again.

        since: when counting begins, 0 for the next login
        """
        self.since, self.counts, self.is_new, self.message = since, {}, False, ""
        self.keep()

    def keep(self) -> None:
        """Save the file. Raise OSError."""
        kept = {
            "version": VERSION, "since": self.since, "counts": self.counts, "ids": self.ids, "is_new": self.is_new,
            "message": self.message,
        }  # fmt: skip
        self._spool.write("state", FILE, json.dumps(kept).encode("ascii"), ALERT_MODE)

    def sentences(self) -> "List[str]":
        """Return the sentences of the message: how many logins, by rule, window or repeat."""
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
    """Count a login that has no message of its own. Call this before its alert leaves the queue. It never fails.

    login_id: the id of its alert. kind: IGNORED, MUTED or FOLDED. label: the cause, such as `label_of(rule)`
    """
    ledger.end(spool, [login_id], kind)
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
    """Queue the message of the day, if it is due and not empty. Only for root. Raise OSError if it can't be stored."""
    counts = Counts(spool)
    try:
        configuration = config.load()
    except ConfigurationError:
        return  # nothing can be sent, and the self-check reports that
    now = time.time()
    if not counts.since and configuration.daily_failures:
        counts.begin(now)
    if not counts.since or last_morning(now) <= counts.since <= now + SKEW_SECONDS:
        return
    sentences = counts.sentences() + (_failed(counts.since) if configuration.daily_failures else [])
    if sentences:
        from .completeness import Day  # not needed by an ordinary run of the sender

        day = Day(spool)
        notice = alert.own(alert.SUMMARY, [*sentences, *filter(None, [day.sentence()])])
        # The id is saved first, so that after a kill the same message replaces the first one.
        notice["id"] = counts.message = counts.message or notice["id"]
        counts.keep()
        overflow.queue(spool, notice["id"], alert.to_json(notice))
        day.close()
    counts.begin(now if configuration.daily_failures else 0)


def last_morning(now: float) -> float:
    """Return when the last message was due, in seconds since the epoch. Each host has its own offset."""
    local = time.localtime(now)
    spread = int(random.Random(os.uname().nodename).uniform(0, SPREAD_SECONDS))  # noqa: S311 - no secret
    year, month, day = local[:3]
    today, yesterday = (time.mktime((year, month, day - ago, AT_HOUR, 0, spread, 0, 0, -1)) for ago in (0, 1))
    return today if today <= now else yesterday


def _failed(since: float) -> "List[str]":
    """Return a sentence about failed login attempts and the addresses with most of them; empty if there are none."""
    found = failures.counted(since)
    if not found:
        return []
    attempts = sum(found.values())
    words = "1 attempt to log in failed" if attempts == 1 else f"{attempts} attempts to log in failed"
    return [f"{words}: {_listed(found, 'from')}"]


def _listed(labels: "Dict[str, int]", word: str) -> str:
    most = sorted(labels, key=lambda label: (label == OTHERS, -labels[label], label))
    shown = [f"{labels[label]} {word} {printable(label, LONGEST_SHOWN_LABEL)}" for label in most[:MOST_SHOWN]]
    if len(most) > MOST_SHOWN:
        shown.append(f"{sum(labels[label] for label in most[MOST_SHOWN:])} more")
    return ", ".join(shown)
