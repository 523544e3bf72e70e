# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a message: its headline, its fields, and its line in a digest. Each channel lays them out.

The user and anything unusual come first, because desktop notifications and phones show only the start of a message, and
screen readers read it first. No value appears twice: a field is left out if the headline has its whole value. The words
come from the configured language (languages/). This module chooses the words, their values and their order.

A value can have several parts, and a line has all values. In these, text that strangers choose is one plain word or in
quotes (text.py), and comes after the values that sshd and the administrator vouch for. Nothing here is escaped for a
markup language, because the channel does that. The forms of a headline and of a line, in English:

    WEIGHTS · PERSON as USER on SERVER
    WEIGHTS · PERSON as USER: Note: NOTE · Attention: REASON · TYPE · from ADDRESS port PORT (NAME) · hint: HINT ·
        TIME · METHOD (FACT, FACT) · id ID
"""

from collections import namedtuple
from datetime import datetime, timezone

from . import context, link_template, rules
from .alert import (
    HEARTBEAT,
    LOGGED_IN,
    LOGIN,
    LOGOUT,
    MISSED,
    MUTE,
    REPEATS,
    SELF_CHECK,
    SUMMARY,
    TEST,
    is_own,
    missed_count,
    seconds_open,
    subject,
)
from .config import Configuration
from .languages import ENGLISH
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
from .weights import FIRST, ROOT, WEIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    from .alert import Alert
    from .languages import Language

# The limits of the names in a short headline, in characters, so that there is room for the server.
HEADER_PERSON_LIMIT = 32
HEADER_USER_LIMIT = 44
# The limit for the notes in a line. They come first, and there must be room for the origin and the time after them.
LINE_NOTE_LIMIT = 500
# The limit for all text in the field Key that others chose, so that there is room for what sshd vouches for.
QUOTED_LIMIT = 1200
# The fields of a line, in this order. The key is last, because a line that is too long is truncated.
LINE = (
    "Note", "Attention", "Type", "Problem", "Logged in", "Missed", "Mute", "Summary", "From", "Hint", "Time", "Key",
)  # fmt: skip
# The fields that have words of their own in a line.
LINE_WORDS = ("Note", "Attention", "Logged in", "From", "Hint")
# The fields that a headline contains. A message has these as fields only if the headline has no room for them.
HEADLINE = ("Server", "User", "Person")
# The mark before the weights: the first for what points to an intruder or a mistake, the second for what is legitimate
# but rare. The user can forge neither, because outside quotes a value contains no such characters.
# They are a large red and a large orange circle (Python 3.6 does not know the name of the second).
ALARM, ATTENTION = "\U0001f534", "\U0001f7e0"
RIGHT_AND_RARE = (ROOT, FIRST)
# How many weights a short headline names.
HEADER_WEIGHTS = 2
# Fields that are left out if they are empty.
OPTIONAL = ("Note", "Attention", "Person", "Hint")
# The kinds of alerts whose first note can be the headline.
SENTENCES = (SELF_CHECK, MUTE)
# The facts of a method that the user, an authority or the client's host chose (authinfo.py).
CHOSEN = ("principal", "key_id", "client_user", "client_host", "detail")
# How a note names the type that a connection was reported with, or has opened since.
OPENED = {
    INTERACTIVE: "opened.shell",
    COMMAND_OVER: "opened.command_over",
    SOMETHING_OVER: "opened.something_over",
    TERMINAL_OVER: "opened.terminal_over",
    TUNNEL: "opened.tunnel",
    UNKNOWN: "opened.unknown",
}
# Durations below this are not measured precisely.
FEW_SECONDS = 5
# A message that is later than this says so.
LATE_SECONDS = 120


# One line of a message. name: always the same, for programs. label: for people.
Field = namedtuple("Field", ("name", "label", "value"))


def single(
    alert: "Alert", configuration: Configuration, now: float, fits: "Callable[[str], bool]"
) -> "Tuple[str, List[Field]]":
    """Return the headline of a message about one alert, and its fields.

    now: seconds since the epoch. fits: returns whether the channel has room for a headline. If it has not, the headline
    is shorter, and the fields contain the rest.
    """
    whole = headline(alert, configuration)
    has_room = fits(whole)
    found = fields(alert, configuration, now)
    if has_room or is_own(alert):
        found = [field for field in found if field.name not in HEADLINE]
    if has_room and _is_in_headline(alert):
        rest = alert["notes"][0].partition(": ")[2]
        name = "Mute" if alert["about"] == MUTE else "What to do"
        others = [field for field in found if field.name not in ("Problem", "Mute")]
        found = [_field(name, rest, configuration.say)] * bool(rest) + others
    return whole if has_room else headline(alert, configuration, short=True), found


def text(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return a whole message about one alert as one line, for a notification or a phone."""
    # The line of a problem or a mute begins with the text of its headline.
    is_sentence = alert["about"] in SENTENCES and alert["notes"]
    start = _name(server_name(alert, configuration), configuration) if is_sentence else headline(alert, configuration)
    return f"{start}: {line(alert, configuration, now)}"


def links(alert: "Alert", configuration: Configuration) -> "List[Tuple[str, str]]":
    """Return the links of an alert, each a title and a URL. Only the administrator and this program write them.

    Each value in a URL is percent-encoded, so a URL contains no character that is special in a markup language.
    """
    found = []
    if alert["about"] == LOGOUT:
        return []
    if configuration.link and not is_own(alert):
        found.append(("link", link_template.fill(configuration.link, _link_values(alert, configuration))))
    instance = context.instance(alert)
    if instance:
        found.append(("link.console", instance.console))
        if context.instance_connect(alert) is not None:
            found.append(("link.cloudtrail", instance.cloudtrail))
    return [(configuration.say(title), url) for title, url in found if url]


def _link_values(alert: "Alert", configuration: Configuration) -> "Dict[str, object]":
    instance = context.instance(alert)
    return {
        **{name: alert[name] for name in ("user", "address", "type", "id")},
        "port": alert["port"] or "",
        "host": server_name(alert, configuration),
        "time": datetime.fromtimestamp(alert["time"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "time_ms": int(alert["time"] * 1000),
        **({"instance": instance.id, "region": instance.region, "account": instance.account} if instance else {}),
    }


def digest_headline(alerts: "List[Alert]", configuration: Configuration) -> str:
    """Return the headline of one message for several alerts."""
    are_logins = all(alert["about"] == LOGIN for alert in alerts)
    key = "headline.logins" if are_logins else "headline.messages"
    return configuration.say(key, count=len(alerts), server=_name(server_name(alerts[0], configuration), configuration))


def more(count: int, configuration: Configuration) -> str:
    """Return the last line of a digest without room for all alerts: how many more there are."""
    return configuration.say("more", count=count)


def dropped(count: int, say: "Language") -> str:
    """Return a sentence about the older alerts that a limit has dropped. count: at least 1"""
    return say("dropped.one" if count == 1 else "dropped.many", count=count)


def headline(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
    """Return the headline of a message about one alert. short: with at most 150 characters"""
    server = _name(server_name(alert, configuration), configuration)
    if _is_in_headline(alert) and not short:
        return "{}: {}".format(server, alert["notes"][0].partition(": ")[0])
    if alert["about"] == MISSED:
        count = missed_count(alert)
        key = "headline.missed" if count == 1 else "headline.missed_several"
        return f"{ALARM} {configuration.say(key, server=server, count=count)}"
    who_it_was = "" if is_own(alert) else who(alert, configuration, short)
    values = {"server": server, "who": who_it_was, "count": len(alert["notes"])}
    if alert["about"] == LOGOUT:
        values["duration"] = _time_open(alert, configuration.say)
    return configuration.say(_headline_key(alert, configuration), **values)


def _headline_key(alert: "Alert", configuration: Configuration) -> str:
    about = alert["about"]
    if about == HEARTBEAT:
        return "headline.unwell" if alert["notes"] else "headline.well"
    if about == SELF_CHECK:
        return ("headline.solved", "headline.problem", "headline.problems")[min(len(alert["notes"]), 2)]
    if is_own(alert):
        return {TEST: "headline.test", SUMMARY: "headline.summary", MUTE: "headline.mute"}[about]
    if about == REPEATS:
        return "headline.repeats"
    if about == LOGOUT:
        return "headline.logout"
    if alert["follows"]:
        return "headline.followup"
    return "headline.person" if _people(alert, configuration) else "headline.login"


def _is_in_headline(alert: "Alert") -> bool:
    """Return whether the headline is the start of the only note: of the only problem, or of a mute."""
    return alert["about"] in SENTENCES and len(alert["notes"]) == 1


def who(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
    """Return who logged in, the person and the account or only the account, with the weights before it.

    The headline, the text and a line of a digest begin with it.
    """
    say = configuration.say
    longest = HEADER_USER_LIMIT if short else LONGEST_SHOWN
    user = plain_or_quoted(subject(alert), longest=longest) if subject(alert) else say("who.unknown")
    people = _people(alert, configuration)
    if people:
        person = _name(printable(people, HEADER_PERSON_LIMIT) if short else people, configuration)
        user = say("who", person=person, user=user)
    return SEPARATOR.join(filter(None, (_mark(alert, HEADER_WEIGHTS if short else len(WEIGHTS), say), user)))


def _mark(alert: "Alert", most: int, say: "Language") -> str:
    """Return a sign and the weights of a login, at most `most` of them by name; empty for a light login."""
    weights = alert.get("weights", ())
    if not weights:
        return ""
    words = [say("weight." + weight) for weight in weights]
    shown = words if len(words) <= most else [*words[:most], say("weight.more", count=len(words) - most)]
    sign = ATTENTION if set(weights) <= set(RIGHT_AND_RARE) else ALARM
    return "{} {}".format(sign, ", ".join(shown))


def _people(alert: "Alert", configuration: Configuration) -> str:
    return ", ".join(printable(person) for person in rules.people(alert, configuration))


def _name(text: str, configuration: Configuration) -> str:
    """Return a name that the administrator chose as a headline has it: quoted if its end would be unclear."""
    return phrase(text, configuration.say.name_ends)


def login(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return an alert as one line of a digest, without its id."""
    shown = line(alert, configuration, now)
    if alert["about"] == LOGOUT:
        duration = _time_open(alert, configuration.say)
        shown = configuration.say("line.logout", duration=duration) + SEPARATOR + shown
    return f"{who(alert, configuration)}: {shown}"


def fields(alert: "Alert", configuration: Configuration, now: float) -> "List[Field]":
    """Return the fields of a message, in the order in which they are shown."""
    say = configuration.say
    if is_own(alert):
        return _own_fields(alert, configuration) + _context_fields(alert, say)
    found = {
        "Note": "; ".join(_notes(alert, now, say)),
        "Attention": "; ".join(reasons(alert, say)),
        "Person": _people(alert, configuration),
        "User": plain_or_quoted(alert["user"]) if alert["user"] else say("unknown"),
        "Server": server_name(alert, configuration),
        "Type": _type(alert),
        "From": origin(alert, say),
        "Hint": hint(alert, say),
        "Time": _time(alert["time"]),
        "Key": authentication(alert, say),
    }
    if alert["about"] == LOGOUT:
        del found["Key"]  # the message of the login has it
    shown = [_field(name, value, say) for name, value in found.items() if value or name not in OPTIONAL]
    return shown + _context_fields(alert, say)


def _field(name: str, value: str, say: "Language") -> Field:
    return Field(name, say("label." + name), value)


def _context_fields(alert: "Alert", say: "Language") -> "List[Field]":
    """Return the fields about the host: the administrator's labels under their own names, and the EC2 instance."""
    shown = [Field("label " + name, name, value) for name, value in context.labels(alert).items()]
    instance = context.instance(alert)
    if instance:
        account = say("instance.account", account=instance.account)
        name = f"{plain_or_quoted(instance.name)} ({instance.id})" if instance.name else instance.id
        shown.append(_field("Instance", ", ".join((name, instance.region, account)), say))
    principal = context.instance_connect(alert)
    if principal is not None:
        key = "instance_connect.principal" if principal else "instance_connect"
        shown.append(_field("Instance Connect", say(key, principal=plain_or_quoted(principal)), say))
    return shown


def hint(alert: "Alert", say: "Language" = ENGLISH) -> str:
    """Return the name, country and network of the client's address, from DNS and a database. They may be wrong."""
    shown = []
    name, is_confirmed = context.reverse_name(alert)
    if name:
        shown.append(say("hint.name" if is_confirmed else "hint.unconfirmed", name=plain_or_quoted(name)))
    country, number, owner = context.network(alert)
    if country:
        shown.append(plain_or_quoted(country))
    if number:
        shown.append(say("hint.network", number=number, owner=plain_or_quoted(owner) if owner else "").strip())
    elif owner:
        shown.append(plain_or_quoted(owner))
    return ", ".join(shown)


def reasons(alert: "Alert", say: "Language" = ENGLISH) -> "List[str]":
    """Return a phrase for each reason why a login is heavy (judge.py)."""
    return [_reason(reason, say) for reason in alert.get("reasons", ())]


def _reason(reason: "Any", say: "Language") -> str:
    if isinstance(reason, str):
        return reason
    values = dict(reason, **{name: plain_or_quoted(reason[name]) for name in ("comment", "networks") if name in reason})
    key = values.pop("key")
    if "what" in reason:
        values["what"] = _listed([say("first." + what, **values) for what in reason["what"]], say)
    return say("reason." + key, **values)


def _listed(words: "List[str]", say: "Language") -> str:
    first = words[0]
    for word in words[1:-1]:
        first = say("list.more", first=first, second=word)
    return say("list.last", first=first, last=words[-1]) if len(words) > 1 else first


def _notes(alert: "Alert", now: float, say: "Language") -> "List[str]":
    notes = list(alert["notes"])
    if alert["about"] == REPEATS:
        return notes
    if alert["about"] == LOGOUT:
        if len(set(seconds_open(alert))) > 1:
            notes.append(say("note.logout", first=_time(alert["seen"]), last=_time(alert["time"])))
    elif alert["follows"]:
        was, opened = _opened(alert["was"], say), _opened(alert["type"], say)
        notes.insert(0, say("note.followup", id=alert["follows"], was=was, opened=opened))
    if now - alert["time"] > LATE_SECONDS:
        notes.append(say("note.late", duration=_duration(now - alert["time"], say)))
    return notes


def _fitting_notes(notes: "List[str]", say: "Language") -> str:
    """Return the first of these notes, as many as a line has room for, and how many more there are."""
    shown: List[str] = []
    for number, note in enumerate(notes):
        if len("; ".join([*shown, note])) > LINE_NOTE_LIMIT:
            more = len(notes) - number
            return "; ".join([*shown, say("note.more.one" if more == 1 else "note.more.many", count=more)])
        shown.append(note)
    return "; ".join(shown)


def _type(alert: "Alert") -> str:
    """Return the type. For a session that is not sshd's, add the PAM service."""
    if alert["type"] != PAM_SESSION:
        return str(alert["type"])
    return "{} ({})".format(alert["type"], plain_or_quoted(alert["service"]))


def _opened(login_type: str, say: "Language") -> str:
    """Return in words what a connection of this type has opened."""
    key = "opened.transfer" if login_type in TRANSFERS else OPENED.get(login_type, "opened.command")
    return say(key, type=login_type)


def _own_fields(alert: "Alert", configuration: Configuration) -> "List[Field]":
    say = configuration.say
    pairs = []
    if alert["about"] == MUTE:
        pairs.append(("Mute", "; ".join(alert["notes"])))
    elif alert["about"] == MISSED:
        pairs.append(("Missed", "; ".join(alert["notes"])))
    elif alert["about"] == SUMMARY:
        pairs.append(("Summary", "; ".join(alert["notes"])))
    elif alert["notes"] or alert["about"] == SELF_CHECK:
        pairs.append(("Problem", "; ".join(alert["notes"]) or say("problem.none")))
        if isinstance(alert.get(LOGGED_IN), str) and alert[LOGGED_IN]:
            pairs.append(("Logged in", alert[LOGGED_IN]))
    pairs.append(("Server", server_name(alert, configuration)))
    if alert["about"] == TEST:
        pairs.append(("Type", say("type.test_by_pam" if alert["address"] else "type.test")))
    elif alert["about"] == HEARTBEAT:
        pairs.append(("Type", say("type.heartbeat")))
    return [_field(name, value, say) for name, value in [*pairs, ("Time", _time(alert["time"]))]]


def line(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return an alert as one line, without the user and the server."""
    say = configuration.say
    found = {field.name: field.value for field in fields(alert, configuration, now)}
    if "Note" in found:
        found["Note"] = _fitting_notes(_notes(alert, now, say), say)
    shown = []
    for name in LINE:
        if name in found:
            value = found[name] if name in ("From", "Hint", "Key") else phrase(found[name])
            shown.append(say("line." + name, value=value) if name in LINE_WORDS else value)
    return SEPARATOR.join(shown)


def origin(alert: "Alert", say: "Language" = ENGLISH) -> str:
    """Return where a login came from: `203.0.113.50 port 45006 (name.example.net)`, or what is known instead.

    Other forms are `a local socket`, `203.0.113.50 (by PAM_RHOST, port not known)` for an sshd before 8.0 and for other
    services, and `terminal tty1` for other services.
    """
    if is_own(alert) and not alert["address"]:
        return alert["name"] or say("unknown")
    address = plain_or_quoted(alert["address"]) if alert["address"] else ""
    name = plain_or_quoted(alert["name"]) if alert["name"] else ""
    behind = name and f" ({name})"
    known = []
    if alert["address"] == LOCAL:
        known.append(say("from.local") + behind)
    elif alert["port"]:
        known.append(say("from.port", address=address or quoted(""), port=alert["port"]) + behind)
    elif address or name:
        known.append(say("from.pam", address=address or name))
    if alert["terminal"]:
        known.append(say("from.terminal", terminal=plain_or_quoted(alert["terminal"])))
    return ", ".join(known) or say("from.nowhere" if alert["type"] == PAM_SESSION else "unknown")


def authentication(alert: "Alert", say: "Language" = ENGLISH) -> str:
    """Return how the user authenticated, or who requested a session that is not sshd's."""
    if alert["type"] == PAM_SESSION:
        requester = alert["requester"]
        return say("key.requester", requester=plain_or_quoted(requester)) if requester else say("key.not_sshds")
    chosen = sum(len(_chosen(method)) for method in alert["methods"])
    shown = ""
    for method in alert["methods"]:
        words = _method(method, QUOTED_LIMIT // max(chosen, 1), say)
        shown = say("key.then", first=shown, second=words) if shown else words
    return shown or say("key.unknown")


def _method(method: "Dict[str, Any]", longest: int, say: "Language") -> str:
    """Return a method and its key, with further facts in parentheses. Those that others chose are last, in quotes."""
    facts = []
    certificate = method.get("certificate")
    if certificate:
        facts.append(say("key.serial", serial=certificate["serial"]))
        facts.append(say("key.authority", authority=plain_or_quoted(certificate["ca"])))
    if "signature_count" in method:
        facts.append(say("key.signatures", count=method["signature_count"]))
    facts += [say("key." + name, value=quoted(text, longest)) for name, text in _chosen(method)]
    words = [plain_or_quoted(method[name]) for name in ("method", "key_type", "fingerprint") if method.get(name)]
    return " ".join(words) + (" ({})".format(", ".join(facts)) if facts else "")


def _chosen(method: "Dict[str, Any]") -> "List[Tuple[str, str]]":
    """Return the facts that the user, an authority or the client's host chose, each as name and value."""
    found = dict(method, key_id=method["certificate"]["key_id"]) if "certificate" in method else method
    return [(name, found[name]) for name in CHOSEN if name in found]


def server_name(alert: "Alert", configuration: Configuration) -> str:
    """Return the name of the server for messages."""
    return printable(configuration.host_label) or alert["host"]


def _time(seconds: float) -> str:
    """Return a time in the host's zone, and in UTC if that differs: `2026-11-23 12:11:07 IST (06:41:07 UTC)`."""
    shown = datetime.fromtimestamp(seconds, timezone.utc)
    here = shown.astimezone()
    utc = shown.strftime("%Y-%m-%d %H:%M:%S UTC")
    if not here.utcoffset():
        return utc
    same_day = here.date() == shown.date()
    return "{} ({})".format(here.strftime("%Y-%m-%d %H:%M:%S %Z"), utc[len("2026-11-23 ") :] if same_day else utc)


def _duration(seconds: float, say: "Language") -> str:
    minutes = int(seconds // 60)
    if minutes < 120:
        return say("duration.minutes", count=minutes)
    return say("duration.hours", count=minutes // 60)


def _time_open(logout: "Alert", say: "Language") -> str:
    """Return how long a connection was open, or a range if that is not exactly known."""
    least, most = (_lasting(seconds, say) for seconds in seconds_open(logout))
    return most if least == most else say("lasting.between", least=least, most=most)


def _lasting(seconds: int, say: "Language") -> str:
    """Return a duration in its two largest units."""
    if seconds < FEW_SECONDS:
        return say("lasting.few")
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if not minutes:
        return say("lasting.seconds", seconds=seconds)
    if not hours:
        return say("lasting.minutes", minutes=minutes, seconds=seconds % 60)
    if not days:
        return say("lasting.hours", hours=hours, minutes=minutes % 60)
    return say("lasting.days", days=days, hours=hours % 24)
