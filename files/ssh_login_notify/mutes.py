# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutes: windows of some minutes in which the logins of one user, from one address, with one key, need no message.

Only root can open a window, and only for the connection in which it runs (own_connection.py). A window is announced
before it begins, ends by itself, and can't be extended. At its end, one message reports the logins that it muted. Each
window is a file in mutes/, where root writes and the service user can only read. The sender counts the muted logins in
state/mutes.json.

A login is muted only if its own time is in the window, and its user, address and key equal those of the window, each as
a whole. A heavy login (weights.py) is never muted, with one exception: if root's own connection has opened the window,
the announcement has named root. So the weight `root` of the same identity is covered.

A login is counted before its alert leaves the queue, so a kill in between loses none. Its id keeps it from being
counted twice.
"""

import fcntl
import json
import os
import time

from . import alert, client_networks, config, identity, journal, outbox, wording
from .judge import root_accounts
from .spool import ALERT_MODE, MUTES, Spool, is_name, written_at
from .text import phrase, plain_or_quoted, printable
from .weights import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, Dict, Iterator, List, Optional

    from .alert import Alert

    # One window, with the fields of FORM.
    Window = Dict[str, Any]

FILE = "mutes.json"
LONGEST_MINUTES = 60
USUAL_MINUTES = 10
LONGEST_REASON = 200
MOST_WINDOWS = 50
# The directory is setgid, so that the windows belong to the service's group.
DIRECTORY_MODE = 0o2750
# For how long after the end of a window an observer may still watch its last login. A type is clear after 30 seconds.
LATE_SECONDS = 45.0
# How long an ended window is kept for alerts that wait, for example during an outage of Slack.
LONGEST_LATE_SECONDS = 86400.0
# For each window: how many types of login are counted separately, and how many ids are remembered against duplicates.
MOST_KINDS = 20
MOST_LOGINS = 200
OTHERS = "others"
LARGEST_BYTES = MOST_WINDOWS * MOST_LOGINS * 2000
# id: that of the announcement. opened_at, until: in seconds since the epoch; `until` itself is outside the window.
# covers: the weights that it mutes. pauses: pairs of start and end (None while the pause lasts), in which logins are
# reported.
NUMBER = (int, float)
FORM = {
    "id": str, "user": str, "address": str, "key": str, "opened_at": NUMBER, "until": NUMBER, "minutes": int,
    "reason": str, "covers": list, "pauses": list,
}  # fmt: skip
# A login that a window has muted.
LOGIN = {"id": str, "from": str, "at": NUMBER}
IDENTITY = ("user", "address", "key")


class MuteError(Exception):
    """Nothing was muted. The message says why and what to do, in one sentence."""


# -- for root ---------------------------------------------------------------------------------------------------------


class Answer:
    """The result of a command.

    window: that of this connection, None if there is none. is_changed: whether the command has opened or changed it (a
    trial: would have).
    """

    def __init__(self, window: "Optional[Window]", is_changed: bool, warning: str = "") -> None:
        self.window = window
        self.is_changed = is_changed
        self.warning = warning


def open_window(spool: Spool, minutes: int, reason: str, is_trial: bool = False) -> Answer:
    """Mute this connection's identity for some minutes. An open window is resumed if it is paused, but not extended.

    is_trial: only return what would be done. Raise MuteError, or OSError if the spool can't be used
    """
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise MuteError(f"a mute lasts from 1 to {LONGEST_MINUTES} minutes, not {minutes}: give another number")
    said = printable(reason.strip(), LONGEST_REASON)
    if not said:
        raise MuteError("the reason is missing, which the announcement must contain: give one")
    facts = _own_identity(spool)
    with _Locked(spool):
        now = time.time()
        known = _of(spool, facts, now)
        if known:
            is_paused = _is_paused(known, now)
            if is_paused and not is_trial:
                known["pauses"][-1][1] = now
                _write(spool, known)
            return Answer(known, is_paused, _warning(facts))
        if len(list(windows(spool))) >= MOST_WINDOWS:
            raise MuteError(f"{MOST_WINDOWS} mutes are open already: wait until one ends")
        window = _new(facts, minutes, said, now)
        if not is_trial:
            _announce(spool, window)
            _write(spool, window)
        return Answer(window, True, _warning(facts))


def pause(spool: Spool, is_trial: bool = False) -> Answer:
    """Have the logins of this connection's identity reported until the window is resumed. Raise as open_window does."""
    return _change(spool, lambda window, now: window["pauses"].append([now, None]), _is_paused, is_trial)


def end(spool: Spool, is_trial: bool = False) -> Answer:
    """End the window of this connection's identity now. Raise as open_window does."""
    return _change(spool, lambda window, now: window.update(until=now), lambda _window, _now: False, is_trial)


def _change(spool: Spool, change: "Any", is_done: "Any", is_trial: bool) -> Answer:
    if not open_windows(spool, time.time()):
        return Answer(None, False)  # so the identity does not matter
    facts = _own_identity(spool)
    with _Locked(spool):
        now = time.time()
        window = _of(spool, facts, now)
        if window is None or is_done(window, now):
            return Answer(window, False)
        if not is_trial:
            change(window, now)
            _write(spool, window)
        return Answer(window, True)


def _own_identity(spool: Spool) -> "Dict[str, str]":
    """Return user, address and key of this connection's login. Raise MuteError if a window can't name it exactly."""
    from . import own_connection  # not for the sender of each login

    try:
        facts = own_connection.find(spool, Mutes(spool).logins())
    except own_connection.NotFoundError as error:
        raise MuteError(str(error)) from None
    if not facts["user"] or not facts["address"] or facts["address"] == client_networks.LOCAL:
        raise MuteError("this connection has no address, so a mute can't name it: log in over the network")
    if not has_key(facts["key"]):
        what = "this login was made without a key, so a mute would hold for everybody who knows the password"
        raise MuteError(what + ": log in with a key")
    return facts


def has_key(key: str) -> bool:
    """Return whether a text of identity.key_of contains a user's key, and not only a method."""
    return key.startswith("publickey SHA256:") or ", then publickey SHA256:" in key


def _new(facts: "Dict[str, str]", minutes: int, reason: str, now: float) -> "Window":
    return {
        "id": f"{now:017.6f}-{os.getpid()}",
        **facts,
        "opened_at": now,
        "until": now + 60 * minutes,
        "minutes": minutes,
        "reason": reason,
        "covers": [ROOT] if facts["user"] in root_accounts() else [],
        "pauses": [],
    }


def _warning(facts: "Dict[str, str]") -> str:
    """Return why logins of this identity are reported despite the mute, or "" if no reason is known."""
    try:
        people = config.load().people
    except config.ConfigurationError:
        return ""
    if not people or _person(facts["key"], people):
        return ""
    what = "ssh_login_notify_people does not know this key, so its logins are heavy, and are still reported"
    return what + ": add the key there"


def _person(key: str, people: "Dict[str, str]") -> str:
    return next((people[word] for word in key.replace(",", " ").split() if word in people), "")


def _announce(spool: Spool, window: "Window") -> None:
    """Queue the message that announces a window. This must come first: no window may exist without an announcement."""
    minutes = "a minute" if window["minutes"] == 1 else "{minutes} minutes".format(**window)
    sentence = "{} is muted for {}: {}".format(shown(window), minutes, window["reason"])
    outbox.put(spool, window["id"], _message(window["id"], window["opened_at"], sentence))


def shown(window: "Window") -> str:
    """Return a description of the identity that a window mutes."""
    try:
        person = _person(window["key"], config.load().people)
    except config.ConfigurationError:
        person = ""
    named = f" ({printable(person)})" if person else ""
    words = [plain_or_quoted(window[name]) for name in ("user", "address")]
    return "{} from {} by {}{}".format(*words, window["key"], named)


def _message(name: str, at: float, sentence: str) -> bytes:
    """Log a message, and return it with this name as its id."""
    message = dict(alert.own(alert.MUTE, [sentence]), id=name, time=at)
    journal.login(alert.log_line(message))
    return alert.to_json(message)


class _Locked:
    """Holds the lock that every change of a window needs."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __enter__(self) -> None:
        path = self._spool.path(MUTES)
        try:
            os.mkdir(path, 0o700)
            os.chown(path, -1, os.stat(self._spool.root).st_gid)
            os.chmod(path, DIRECTORY_MODE)
        except FileExistsError:
            pass
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_unused: object) -> None:
        os.close(self._descriptor)


def _write(spool: Spool, window: "Window") -> None:
    spool.write(MUTES, window["id"], json.dumps(window).encode("ascii"), ALERT_MODE, durable=True)


# -- for root and the sender ------------------------------------------------------------------------------------------


def windows(spool: Spool) -> "Iterator[Window]":
    """Yield all windows whose end was not reported yet, the oldest first."""
    try:
        names = spool.names(MUTES)
    except OSError:
        return  # no window was ever opened
    for name in names:
        try:
            window = json.loads(spool.read(MUTES, name).decode("ascii"))
        except (OSError, ValueError):
            continue  # just removed
        if _has_form(window, FORM) and window["id"] == name:
            yield window


def _has_form(thing: object, form: "Dict[str, Any]") -> bool:
    return isinstance(thing, dict) and all(isinstance(thing.get(name), form[name]) for name in form)


def open_windows(spool: Spool, now: float) -> "List[Window]":
    """Return the windows that are open."""
    return [window for window in windows(spool) if window["opened_at"] <= now < window["until"]]


def _of(spool: Spool, facts: "Dict[str, str]", now: float) -> "Optional[Window]":
    same = (window for window in open_windows(spool, now) if all(window[name] == facts[name] for name in IDENTITY))
    return next(same, None)


def _is_paused(window: "Window", at: float) -> bool:
    return any(begin <= at and (until is None or at < until) for begin, until in window["pauses"])


def matches(window: "Window", login: "Alert", weights: "Collection[str]") -> bool:
    """Return whether a window mutes a login: its user, address, key and time match, and all its weights are covered."""
    if login["about"] != alert.LOGIN or not set(weights) <= set(window["covers"]):
        return False
    facts = identity.facts_of(login)
    is_same = all(facts[name] == window[name] for name in IDENTITY) and has_key(window["key"])
    is_inside = window["opened_at"] <= login["time"] < window["until"]
    return is_same and is_inside and not _is_paused(window, login["time"])


def as_json(window: "Window") -> "Dict[str, Any]":
    """Return a window in the form for JSON, with its times in UTC (RFC 3339)."""
    shown_as = {name: window[name] for name in ("id", *IDENTITY, "minutes", "reason")}
    times = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(window[name])) for name in ("opened_at", "until")}
    return {**shown_as, **times, "paused": _is_paused(window, time.time())}


def line(window: "Window") -> str:
    """Return one line about a window, for people."""
    ends = time.strftime("%H:%M:%S %Z", time.localtime(window["until"]))
    is_paused = " (paused)" if _is_paused(window, time.time()) else ""
    return "{} is muted until {}{}: {}".format(shown(window), ends, is_paused, window["reason"])


# -- for the sender ---------------------------------------------------------------------------------------------------


class Mutes:
    """The muted logins of each window: `count`, `kinds` (how many of each type), and the last `logins`."""

    def __init__(self, spool: Spool) -> None:
        """Load the counts. The service user can write the file, so its form is checked."""
        self._spool = spool
        self._counted: Dict[str, Dict[str, Any]] = {}
        try:
            kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
            self._counted = {name: _checked(entry) for name, entry in kept.items() if is_name(name)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            journal.trouble(
                f"The counts of muted logins can't be read ({error!r}); the system's log (authpriv) has them."
            )

    def window(self, login: "Alert", weights: "Collection[str]") -> "Optional[Window]":
        """Return the window that mutes a login with these weights, or None if none does."""
        return next((window for window in windows(self._spool) if matches(window, login, weights)), None)

    def record(self, window: "Window", login: "Alert") -> bool:
        """Count a login that a window mutes. Return False if that could not be saved: then the login is reported."""
        before = self._counted.get(window["id"], {"count": 0, "kinds": {}, "logins": []})
        if any(known["id"] == login["id"] for known in before["logins"]):
            return True  # counted by a sender that was killed before the alert left the queue
        kinds = dict(before["kinds"])
        kind = login["type"] if login["type"] in kinds or len(kinds) < MOST_KINDS else OTHERS
        kinds[kind] = kinds.get(kind, 0) + 1
        noted = {"id": login["id"], "from": wording.origin(login), "at": login["time"]}
        known = {name for name in self._counted if name in {other["id"] for other in windows(self._spool)}}
        counted = {name: self._counted[name] for name in known}
        logins = [*before["logins"], noted][-MOST_LOGINS:]
        counted[window["id"]] = {"count": before["count"] + 1, "kinds": kinds, "logins": logins}
        try:
            self._spool.write("state", FILE, json.dumps(counted).encode("ascii"), ALERT_MODE)
        except OSError as error:
            journal.trouble(f"A muted login could not be noted ({error}), so it is reported.")
            return False
        self._counted = counted
        return True

    def counts(self, window: "Window") -> "Dict[str, int]":
        """Return how many logins a window has muted, by type, the most frequent type first."""
        kinds = self._counted.get(window["id"], {"kinds": {}})["kinds"]
        return {kind: kinds[kind] for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind))}

    def logins(self) -> "List[Dict[str, Any]]":
        """Return the muted logins with their identities, for own_connection.find."""
        return [
            dict(login, **{name: window[name] for name in IDENTITY})
            for window in windows(self._spool)
            for login in self._counted.get(window["id"], {"logins": []})["logins"]
        ]


def _checked(entry: "Any") -> "Dict[str, Any]":
    """Return the counts of a window as they were saved. Raise ValueError if they are damaged."""
    logins = entry["logins"][-MOST_LOGINS:]
    kinds = {printable(kind): int(count) for kind, count in list(entry["kinds"].items())[: MOST_KINDS + 1]}
    if not all(_has_form(login, LOGIN) for login in logins):
        raise ValueError("not the logins of a mute")
    return {"count": int(entry["count"]), "kinds": kinds, "logins": logins}


def finish(spool: Spool) -> None:
    """Queue one message for each window that is over, and remove the window. For the sender while it is root."""
    now = time.time()
    for window in list(windows(spool)):
        if _is_over(spool, window, now):
            try:
                # Every attempt uses the same name, so a kill before the removal causes no second message.
                name = "{:017.6f}-{}".format(window["until"], window["id"].partition("-")[2])
                message = _message(name, window["until"], _summary(window, Mutes(spool).counts(window)))
                # Not through the outbox: it checks whether a sender runs, which would release this sender's own lock.
                spool.write("outgoing", name, message, ALERT_MODE, durable=True)
                spool.remove(MUTES, window["id"])
            except OSError as error:  # the next run retries
                journal.trouble(f"The end of a mute could not be reported: {error}.")


def _is_over(spool: Spool, window: "Window", now: float) -> bool:
    """Return whether a window is over, and no login that it may mute is still waiting."""
    late = now - window["until"]
    if late < LATE_SECONDS:
        # If the clock was set back by more than the longest window, this one could last for any time: end it.
        return float(window["opened_at"]) - now > 60 * LONGEST_MINUTES
    waiting = [name for directory in ("incoming", "outgoing") for name in spool.names(directory)]
    return late > LONGEST_LATE_SECONDS or not any(
        window["opened_at"] <= written_at(name) < window["until"] + LATE_SECONDS for name in waiting
    )


def _summary(window: "Window", counts: "Dict[str, int]") -> str:
    total = sum(counts.values())
    logins = "no login" if not total else "one login" if total == 1 else f"{total} logins"
    what = ", ".join(f"{count} {phrase(kind, (', ',))}" for kind, count in counts.items())
    sentence = f"{shown(window)} is no longer muted: {logins} came in meanwhile"
    return "{}{} ({})".format(sentence, f", {what}" if total else "", window["reason"])
