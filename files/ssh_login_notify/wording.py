# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message says, in plain text: the headline, the fields, the line in a digest. Each channel lays it out.

Who it was and what is odd about it come first: a desktop notification shows the beginning, and so do phones and screen
readers. No value is there twice: a field whose value stands in the headline, whole, is left out.

One value can hold several parts, and a line holds all values. There, text that strangers choose is one plain word or in
quotes (text.py), and what sshd and the administrator vouch for comes before it. Nothing here is escaped for a markup
language: that is the channel's. The forms of a headline and of a line:

    WEIGHTS · PERSON as USER on SERVER
    WEIGHTS · PERSON as USER: Note: NOTE · Attention: REASON · TYPE · from ADDRESS port PORT (NAME) · TIME · METHOD
        (FACT, FACT) · id ID
"""

from collections import namedtuple
from datetime import datetime, timezone

from . import rules
from .alert import HEARTBEAT, LOGIN, MUTE, REPEATS, SELF_CHECK, SUMMARY, TEST, is_own, subject
from .config import Configuration
from .login_types import (
    COMMAND_OVER,
    INTERACTIVE,
    PAM_SESSION,
    SOMETHING_OVER,
    TERMINAL_OVER,
    TRANSFERS,
    TUNNEL,
    UNKNOWN,
)
from .peer import LOCAL
from .text import LONGEST_SHOWN, SEPARATOR, phrase, plain_or_quoted, printable, quoted
from .weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    from .alert import Alert

# Characters, of a headline that would be too long, so that there is room for the server.
HEADER_PERSON_LIMIT = 32
HEADER_USER_LIMIT = 44
# For the notes in a line, which come first: behind them there must be room for where the login came from, and when.
LINE_NOTE_LIMIT = 500
MORE_NOTES = "{} notes have no room here, the system's log (authpriv) has them"
# For all that others chose in the field Key, so that there is room for what sshd vouches for.
QUOTED_LIMIT = 1200
# What follows the lines that fit.
MORE = "and {} more"
# What a line holds, in this order and after these words. The key comes last, because what does not fit is cut.
LINE = {
    "Note": "Note: ", "Attention": "Attention: ", "Type": "", "Problem": "", "Mute": "", "Summary": "", "From": "from ",
    "Time": "", "Key": "",
}  # fmt: skip
# What a headline holds. A message has these as fields only if the headline has no room for them.
HEADLINE = ("Server", "User", "Person")
# What makes a login heavy, in the words of a headline.
WEIGHT_WORDS = {
    ANOMALY: "suspicious",
    FAILURES: "after failures",
    UNKNOWN_KEY: "unknown key",
    PASSWORD: "password",
    ROOT: "root",
    FIRST: "first time",
}
# Before them: the first for what only an intruder does, or a mistake; the second for what is right, and rare. The user
# can forge neither: outside quotes a value holds letters only.
# They are a large red and a large orange circle (Python 3.6 does not know the second by its name).
ALARM, ATTENTION = "\U0001f534", "\U0001f7e0"
RIGHT_AND_RARE = (ROOT, FIRST)
# Of a headline that would be too long.
HEADER_WEIGHTS = 2
# Fields that are left out where there is nothing to say.
OPTIONAL = ("Note", "Attention", "Person")
# What an alert can be about whose first note is its headline.
SENTENCES = (SELF_CHECK, MUTE)
# What ends a name that the administrator chose, in a headline and before a line.
NAME_ENDS = (" as ", ": ")
# What the user, an authority or the client's host chose of a method (authinfo.py).
CHOSEN = ("principal", "key_id", "client_user", "client_host", "detail")
# In place of what is unknown. Not one word, or it could be a user's or a host's name.
NO_USER = "an unknown user"
NOT_KNOWN = "not known"
LOCAL_SOCKET = "a local socket"
NO_TERMINAL = "no terminal"
# Behind an address or a name that no SSH_CONNECTION confirms.
BY_PAM = " (by PAM_RHOST, port not known)"
# What a connection was reported as, or has opened since.
OPENED = {
    INTERACTIVE: "an interactive shell",
    COMMAND_OVER: "a command, which was over at once",
    SOMETHING_OVER: "a command or a transfer, which was over at once",
    TERMINAL_OVER: "something with a terminal, which was over at once",
    TUNNEL: "a tunnel",
    UNKNOWN: "of an unknown type",
}
# After that long a message says that it is late.
LATE_SECONDS = 120


# One line of a message. name: always the same, for programs. label: for people.
Field = namedtuple("Field", ("name", "label", "value"))


def single(
    alert: "Alert", configuration: Configuration, now: float, fits: "Callable[[str], bool]"
) -> "Tuple[str, List[Field]]":
    """Return the headline of a message about one alert, and its fields.

    now: seconds since the epoch. fits: tells whether the channel has room for a headline; where it has not, the
    headline is a shorter one, and the fields have what it lacks
    """
    whole = headline(alert, configuration)
    has_room = fits(whole)
    found = fields(alert, configuration, now)
    if has_room or is_own(alert):
        found = [field for field in found if field.name not in HEADLINE]
    if has_room and _is_in_headline(alert):
        rest = alert["notes"][0].partition(": ")[2]
        label = "Mute" if alert["about"] == MUTE else "What to do"
        others = [field for field in found if field.name not in ("Problem", "Mute")]
        found = [Field(label, label, rest)] * bool(rest) + others
    return whole if has_room else headline(alert, configuration, short=True), found


def text(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return all of a message about one alert in one line, for a notification or a phone."""
    # The line of a problem or a mute begins with what its headline says.
    is_sentence = alert["about"] in SENTENCES and alert["notes"]
    start = _name(_server(alert, configuration)) if is_sentence else headline(alert, configuration)
    return f"{start}: {line(alert, configuration, now)}"


def links(alert: "Alert", configuration: Configuration) -> "List[Tuple[str, str]]":
    """Return titles and addresses to look at for an alert. Only the administrator and this program write them."""
    return []


def digest_headline(alerts: "List[Alert]", configuration: Configuration) -> str:
    """Return the headline of one message for several alerts."""
    server = _name(_server(alerts[0], configuration))
    logins = sum(alert["about"] == LOGIN for alert in alerts)
    return f"{logins} logins on {server}" if logins == len(alerts) else f"{len(alerts)} messages from {server}"


def dropped(count: int) -> str:
    """Return a sentence that says how many older alerts a limit has dropped, at least one."""
    were = "an older alert was" if count == 1 else f"{count} older alerts were"
    why = "too many waited or no disk had room"
    return f"Before this, {were} dropped, because {why}; the system's log (authpriv) has the logins."


def headline(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
    """Return the headline of a message about one alert. short: one of at most 150 characters"""
    server = _name(_server(alert, configuration))
    if alert["about"] == TEST:
        return "Test alert from " + server
    if alert["about"] == HEARTBEAT:
        return "Heartbeat from {}: {}".format(server, "something is wrong" if alert["notes"] else "all is well")
    if alert["about"] == SUMMARY:
        return "Daily summary from " + server
    if _is_in_headline(alert) and not short:
        return "{}: {}".format(server, alert["notes"][0].partition(": ")[0])
    if alert["about"] == MUTE:
        return "Mute on " + server
    if alert["about"] == SELF_CHECK and alert["notes"]:
        count = len(alert["notes"])
        return f"1 problem on {server}" if count == 1 else f"{count} problems on {server}"
    if alert["about"] == SELF_CHECK:
        return server + " is well again"
    name = who(alert, configuration, short)
    if alert["about"] == REPEATS:
        return f"{name} logged in again on {server}"
    if alert["follows"]:
        return f"{name} opened more on {server}"
    return f"{name} on {server}" if _people(alert, configuration) else f"{name} logged in on {server}"


def _is_in_headline(alert: "Alert") -> bool:
    """Tell whether the headline begins the only sentence: the self-check has found one problem, or it is of a mute."""
    return alert["about"] in SENTENCES and len(alert["notes"]) == 1


def who(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
    """Return whom an alert is about, the person and the account or the account alone; before it, what makes it heavy.

    The headline, the text and a line of a digest begin with it. What has to stand before all else goes here.
    """
    longest = HEADER_USER_LIMIT if short else LONGEST_SHOWN
    user = plain_or_quoted(subject(alert), longest=longest) if subject(alert) else NO_USER
    people = _people(alert, configuration)
    name = f"{_name(printable(people, HEADER_PERSON_LIMIT) if short else people)} as {user}" if people else user
    return SEPARATOR.join(filter(None, (_mark(alert, HEADER_WEIGHTS if short else len(WEIGHT_WORDS)), name)))


def _mark(alert: "Alert", most: int) -> str:
    """Return what makes a login heavy, in so many words at most, behind a sign; empty for a light one."""
    weights = alert.get("weights", ())
    if not weights:
        return ""
    words = [WEIGHT_WORDS[weight] for weight in weights]
    shown = words if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    sign = ATTENTION if set(weights) <= set(RIGHT_AND_RARE) else ALARM
    return "{} {}".format(sign, ", ".join(shown))


def _people(alert: "Alert", configuration: Configuration) -> str:
    return ", ".join(printable(person) for person in rules.people(alert, configuration))


def _name(text: str) -> str:
    """Return a name that the administrator chose, as it stands in a headline: in quotes if that would be unclear."""
    return phrase(text, NAME_ENDS)


def login(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return an alert as one line of a digest, without its id."""
    return f"{who(alert, configuration)}: {line(alert, configuration, now)}"


def fields(alert: "Alert", configuration: Configuration, now: float) -> "List[Field]":
    """Return the fields of a message, in the order in which they are shown."""
    if is_own(alert):
        return _own_fields(alert, configuration)
    found = {
        "Note": "; ".join(_notes(alert, now)),
        "Attention": "; ".join(alert.get("reasons", ())),
        "Person": _people(alert, configuration),
        "User": plain_or_quoted(alert["user"]) if alert["user"] else NOT_KNOWN,
        "Server": _server(alert, configuration),
        "Type": _type(alert),
        "From": origin(alert),
        "Time": _time(alert["time"]),
        "Key": authentication(alert),
    }
    return [Field(name, name, value) for name, value in found.items() if value or name not in OPTIONAL]


def _notes(alert: "Alert", now: float) -> "List[str]":
    notes = list(alert["notes"])
    if alert["about"] == REPEATS:
        return notes
    if alert["follows"]:
        words = (alert["follows"], _opened(alert["was"]), _opened(alert["type"]))
        notes.insert(0, "the connection of {} was {} until now; now it has opened {}".format(*words))
    if now - alert["time"] > LATE_SECONDS:
        notes.append("sent {} late".format(_duration(now - alert["time"])))
    return notes


def _fitting_notes(notes: "List[str]") -> str:
    """Return the first of these notes, as many as a line has room for, and how many more there are."""
    shown: List[str] = []
    for number, note in enumerate(notes):
        if len("; ".join([*shown, note])) > LINE_NOTE_LIMIT:
            return "; ".join([*shown, MORE_NOTES.format(len(notes) - number)])
        shown.append(note)
    return "; ".join(shown)


def _type(alert: "Alert") -> str:
    """Return the type; of a session that is not sshd's, with the PAM service."""
    if alert["type"] != PAM_SESSION:
        return str(alert["type"])
    return "{} ({})".format(alert["type"], plain_or_quoted(alert["service"]))


def _opened(login_type: str) -> str:
    """Return what a connection of this type has opened, in words."""
    if login_type in TRANSFERS:
        return f"a transfer ({login_type})"
    return OPENED.get(login_type, "a command")


def _own_fields(alert: "Alert", configuration: Configuration) -> "List[Field]":
    pairs = []
    if alert["about"] == MUTE:
        pairs.append(("Mute", "; ".join(alert["notes"])))
    elif alert["about"] == SUMMARY:
        pairs.append(("Summary", "; ".join(alert["notes"])))
    elif alert["notes"] or alert["about"] == SELF_CHECK:
        pairs.append(("Problem", "; ".join(alert["notes"]) or "none any more"))
    pairs.append(("Server", _server(alert, configuration)))
    if alert["about"] == TEST:
        pairs.append(("Type", "test, by a PAM session" if alert["address"] else "test"))
    elif alert["about"] == HEARTBEAT:
        pairs.append(("Type", "heartbeat"))
    return [Field(name, name, value) for name, value in [*pairs, ("Time", _time(alert["time"]))]]


def line(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return a login in one line, without whom it is about and its server."""
    found = {field.name: field.value for field in fields(alert, configuration, now)}
    if "Note" in found:
        found["Note"] = _fitting_notes(_notes(alert, now))
    vouched = {label: phrase(found[label]) for label in found if label not in ("From", "Key")}
    found.update(vouched)
    return SEPARATOR.join(words + found[label] for label, words in LINE.items() if label in found)


def origin(alert: "Alert") -> str:
    """Return where a login came from: `203.0.113.50 port 45006 (name.example.net)`, or what is known instead.

    That is `a local socket`; `203.0.113.50 (by PAM_RHOST, port not known)` of an sshd before 8.0 and of other services;
    and `terminal tty1` of those.
    """
    if is_own(alert) and not alert["address"]:
        return alert["name"] or NOT_KNOWN
    name = plain_or_quoted(alert["name"]) if alert["name"] else ""
    known = []
    if alert["address"] == LOCAL:
        known.append(LOCAL_SOCKET + (name and f" ({name})"))
    elif alert["port"]:
        known.append("{} port {}{}".format(plain_or_quoted(alert["address"]), alert["port"], name and f" ({name})"))
    elif alert["address"] or name:
        known.append((plain_or_quoted(alert["address"]) if alert["address"] else name) + BY_PAM)
    if alert["terminal"]:
        known.append("terminal " + plain_or_quoted(alert["terminal"]))
    return ", ".join(known) or (NO_TERMINAL if alert["type"] == PAM_SESSION else NOT_KNOWN)


def authentication(alert: "Alert") -> str:
    """Return how the user authenticated, or who asked for a session that is not sshd's."""
    if alert["type"] == PAM_SESSION:
        return "by {} (PAM_RUSER)".format(plain_or_quoted(alert["requester"])) if alert["requester"] else "not by sshd"
    chosen = sum(len(_chosen(method)) for method in alert["methods"])
    shown = [_method(method, QUOTED_LIMIT // max(chosen, 1)) for method in alert["methods"]]
    return ", then ".join(shown) or "sshd did not say"


def _method(method: "Dict[str, Any]", longest: int) -> str:
    """Return a method with its key, and in parentheses what else is known; what others chose comes last, in quotes."""
    facts = []
    certificate = method.get("certificate")
    if certificate:
        facts += ["certificate serial {}".format(certificate["serial"]), "CA " + plain_or_quoted(certificate["ca"])]
    if "signature_count" in method:
        facts.append("signature count {}".format(method["signature_count"]))
    facts += [f"{label} {quoted(text, longest)}" for label, text in _chosen(method)]
    words = [plain_or_quoted(method[name]) for name in ("method", "key_type", "fingerprint") if method.get(name)]
    return " ".join(words) + (" ({})".format(", ".join(facts)) if facts else "")


def _chosen(method: "Dict[str, Any]") -> "List[Tuple[str, str]]":
    """Return what the user, an authority or the client's host chose, with labels."""
    found = dict(method, key_id=method["certificate"]["key_id"]) if "certificate" in method else method
    return [(name.replace("_", " "), found[name]) for name in CHOSEN if name in found]


def _server(alert: "Alert", configuration: Configuration) -> str:
    return printable(configuration.host_label) or alert["host"]


def _time(seconds: float) -> str:
    """Return a time in the host's zone, and in UTC where that differs: `2026-11-23 12:11:07 IST (06:41:07 UTC)`."""
    shown = datetime.fromtimestamp(seconds, timezone.utc)
    here = shown.astimezone()
    utc = shown.strftime("%Y-%m-%d %H:%M:%S UTC")
    if not here.utcoffset():
        return utc
    same_day = here.date() == shown.date()
    return "{} ({})".format(here.strftime("%Y-%m-%d %H:%M:%S %Z"), utc[len("2026-11-23 ") :] if same_day else utc)


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
