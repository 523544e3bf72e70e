# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutes: windows of some minutes in which the logins of one user, from one address, by one key, need no message.

Root opens one, for the connection in which it runs (own_connection.py) and for nothing else. It is announced before it
begins, it ends by itself, nobody can make it longer, and one message says what came in meanwhile. Each window is a file
in mutes/, where only root can write and the service user can only read. What came in is counted in state/mutes.json,
by the sender.

A login is muted only if its own time is in the window, and its user, its address and its key are all those of the
window, as whole texts. A heavy one (weights.py) never is, with one exception: where root's own connection has opened
the window, its announcement has named root, so the weight `root` of the same identity is covered.

A login is counted before its alert leaves the queue, so that a kill in between loses none; by its id it counts once.
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
# Of the directory: setgid, so that the windows' group is the service's.
DIRECTORY_MODE = 0o2750
# How long after a window's end its last login may still be looked at. The type of a login is clear after 30 seconds.
LATE_SECONDS = 45.0
# For so long a window is kept for alerts that wait, such as in an outage of Slack.
LONGEST_LATE_SECONDS = 86400.0
# Of one window: how many kinds of login are told apart, and how many logins are remembered, so that each counts once.
MOST_KINDS = 20
MOST_LOGINS = 200
OTHERS = "others"
LARGEST_BYTES = MOST_WINDOWS * MOST_LOGINS * 2000
# id: that of the announcement. opened_at, until: seconds since the epoch; the end does not belong to it. covers: the
# weights that it makes silent. pauses: pairs of a beginning and an end (None while it lasts): then logins are reported.
NUMBER = (int, float)
FORM = {
    "id": str, "user": str, "address": str, "key": str, "opened_at": NUMBER, "until": NUMBER, "minutes": int,
    "reason": str, "covers": list, "pauses": list,
}  # fmt: skip
# A login that a window has muted.
LOGIN = {"id": str, "from": str, "at": NUMBER}
IDENTITY = ("user", "address", "key")


class MuteError(Exception):
    """Why nothing was muted, in one sentence that says what to do."""


# -- what root does ---------------------------------------------------------------------------------------------------


class Answer:
    """What was done. window: the window of this connection, None if there is none. is_changed: whether it is new."""

    def __init__(self, window: "Optional[Window]", is_changed: bool, warning: str = "") -> None:
        self.window = window
        self.is_changed = is_changed
        self.warning = warning


def open_window(spool: Spool, minutes: int, reason: str, is_trial: bool = False) -> Answer:
    """Mute this connection's identity for so many minutes; a window that is open goes on, and does not become longer.

    is_trial: only say what would be done. Raise MuteError, and OSError where the spool can't be used
    """
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise MuteError(f"a mute lasts from 1 to {LONGEST_MINUTES} minutes, not {minutes}: give another number")
    said = printable(reason.strip(), LONGEST_REASON)
    if not said:
        raise MuteError("the reason is missing, which the announcement gives: say why")
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
    """Have the logins of this connection's identity reported until the window is opened again. Raise as open_window."""
    return _change(spool, lambda window, now: window["pauses"].append([now, None]), _is_paused, is_trial)


def end(spool: Spool, is_trial: bool = False) -> Answer:
    """End the window of this connection's identity now. Raise as open_window."""
    return _change(spool, lambda window, now: window.update(until=now), lambda _window, _now: False, is_trial)


def _change(spool: Spool, change: "Any", is_done: "Any", is_trial: bool) -> Answer:
    if not open_windows(spool, time.time()):
        return Answer(None, False)  # whoever this is
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
    """Return user, address and key of this connection's login; raise MuteError if a window can't name it exactly."""
    from . import own_connection  # not for the sender of each login

    try:
        facts = own_connection.find(spool, Mutes(spool).logins())
    except own_connection.NotFoundError as error:
        raise MuteError(str(error)) from None
    if not facts["user"] or not facts["address"] or facts["address"] == client_networks.LOCAL:
        raise MuteError("this connection has no address, so a mute can't name it: log in by the network")
    if not has_key(facts["key"]):
        what = "this login was made without a key, so a mute would hold for everybody who knows the password"
        raise MuteError(what + ": log in with a key")
    return facts


def has_key(key: str) -> bool:
    """Tell whether a text of identity.key_of names a user's key, not only a method."""
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
    """Return why logins of this identity may be reported all the same, empty if nothing is known."""
    try:
        people = config.load().people
    except config.ConfigurationError:
        return ""
    if not people or _person(facts["key"], people):
        return ""
    what = "ssh_login_notify_people does not know this key, so its logins are heavy, and are reported all the same"
    return what + ": add the key there"


def _person(key: str, people: "Dict[str, str]") -> str:
    return next((people[word] for word in key.replace(",", " ").split() if word in people), "")


def _announce(spool: Spool, window: "Window") -> None:
    """Queue the message that a window opens. First: a window that nobody was told of must not be."""
    minutes = "a minute" if window["minutes"] == 1 else "{minutes} minutes".format(**window)
    sentence = "{} is muted for {}: {}".format(shown(window), minutes, window["reason"])
    outbox.put(spool, window["id"], _message(window["id"], window["opened_at"], sentence))


def shown(window: "Window") -> str:
    """Return whom a window mutes, in words."""
    try:
        person = _person(window["key"], config.load().people)
    except config.ConfigurationError:
        person = ""
    named = f" ({printable(person)})" if person else ""
    words = [plain_or_quoted(window[name]) for name in ("user", "address")]
    return "{} from {} by {}{}".format(*words, window["key"], named)


def _message(name: str, at: float, sentence: str) -> bytes:
    """Return a message of this name, of which the log has a line."""
    message = dict(alert.own(alert.MUTE, [sentence]), id=name, time=at)
    journal.login(alert.log_line(message))
    return alert.to_json(message)


class _Locked:
    """Keeps others who change windows waiting."""

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


# -- what both read ---------------------------------------------------------------------------------------------------


def windows(spool: Spool) -> "Iterator[Window]":
    """Yield all windows that have not been told the end of, the oldest first."""
    try:
        names = spool.names(MUTES)
    except OSError:
        return  # none was ever opened
    for name in names:
        try:
            window = json.loads(spool.read(MUTES, name).decode("ascii"))
        except (OSError, ValueError):
            continue  # removed just now
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
    """Tell whether a window names a login in full: user, address, key and time, and each of its weights."""
    if login["about"] != alert.LOGIN or not set(weights) <= set(window["covers"]):
        return False
    facts = identity.facts_of(login)
    is_same = all(facts[name] == window[name] for name in IDENTITY) and has_key(window["key"])
    is_inside = window["opened_at"] <= login["time"] < window["until"]
    return is_same and is_inside and not _is_paused(window, login["time"])


def as_json(window: "Window") -> "Dict[str, Any]":
    """Return a window for machines: its times in UTC, as RFC 3339 has them."""
    shown_as = {name: window[name] for name in ("id", *IDENTITY, "minutes", "reason")}
    times = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(window[name])) for name in ("opened_at", "until")}
    return {**shown_as, **times, "paused": _is_paused(window, time.time())}


def line(window: "Window") -> str:
    """Return a window in one line for a person."""
    ends = time.strftime("%H:%M:%S %Z", time.localtime(window["until"]))
    is_paused = " (paused)" if _is_paused(window, time.time()) else ""
    return "{} is muted until {}{}: {}".format(shown(window), ends, is_paused, window["reason"])


# -- what the sender does ---------------------------------------------------------------------------------------------


class Mutes:
    """The windows, and what came in: `count`, `kinds` (how many of each type), and the last `logins` of each window."""

    def __init__(self, spool: Spool) -> None:
        """Load what was counted. The service user can write it: root only counts with it."""
        self._spool = spool
        self._counted: Dict[str, Dict[str, Any]] = {}
        try:
            kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
            self._counted = {name: _checked(entry) for name, entry in kept.items() if is_name(name)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            journal.trouble(
                f"The note of muted logins can't be read ({error!r}); the system's log (authpriv) has them."
            )

    def window(self, login: "Alert", weights: "Collection[str]") -> "Optional[Window]":
        """Return the window that mutes a login with these weights, None if none does."""
        return next((window for window in windows(self._spool) if matches(window, login, weights)), None)

    def record(self, window: "Window", login: "Alert") -> bool:
        """Count a login that a window mutes; return False if that could not be noted: then it is reported."""
        before = self._counted.get(window["id"], {"count": 0, "kinds": {}, "logins": []})
        if any(known["id"] == login["id"] for known in before["logins"]):
            return True  # a sender was killed before the alert had left the queue
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
        """Return how many logins a window has muted, by type, the most first."""
        kinds = self._counted.get(window["id"], {"kinds": {}})["kinds"]
        return {kind: kinds[kind] for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind))}

    def logins(self) -> "List[Dict[str, Any]]":
        """Return the muted logins with their identities, for who looks for one (own_connection.find)."""
        return [
            dict(login, **{name: window[name] for name in IDENTITY})
            for window in windows(self._spool)
            for login in self._counted.get(window["id"], {"logins": []})["logins"]
        ]


def _checked(entry: "Any") -> "Dict[str, Any]":
    """Return what was counted of a window; raise ValueError for anything else."""
    logins = entry["logins"][-MOST_LOGINS:]
    kinds = {printable(kind): int(count) for kind, count in list(entry["kinds"].items())[: MOST_KINDS + 1]}
    if not all(_has_form(login, LOGIN) for login in logins):
        raise ValueError("not the logins of a mute")
    return {"count": int(entry["count"]), "kinds": kinds, "logins": logins}


def finish(spool: Spool) -> None:
    """Queue the message of each window that is over, once, and forget the window. For the sender while it is root."""
    now = time.time()
    for window in list(windows(spool)):
        if _is_over(spool, window, now):
            try:
                # The same name in every try: a kill before the next line makes no second message.
                name = "{:017.6f}-{}".format(window["until"], window["id"].partition("-")[2])
                message = _message(name, window["until"], _summary(window, Mutes(spool).counts(window)))
                # Not through the outbox, which would look whether a sender runs, and so give up this one's lock.
                spool.write("outgoing", name, message, ALERT_MODE, durable=True)
                spool.remove(MUTES, window["id"])
            except OSError as error:  # the next run tries it again
                journal.trouble(f"The end of a mute could not be told: {error}.")


def _is_over(spool: Spool, window: "Window", now: float) -> bool:
    """Tell whether a window is over, and no login that it mutes is on its way any more."""
    late = now - window["until"]
    if late < LATE_SECONDS:
        # The clock was set back by more than the window's length: nobody knows for how long it would count.
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
