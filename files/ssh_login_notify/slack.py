# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert as a Slack message, and what to do about Slack's answers.

Block Kit's limits and the answers are those of Slack's documentation ("Reference: blocks", "Sending messages using
incoming webhooks", "Rate limits"). Labels are the notifier's, in bold. Every value is a plain_text object, in which
Slack renders no formatting, mentions, links or emoji. `&`, `<` and `>` are escaped, and nothing else is.

Who it was and what is odd about it come first: a desktop notification reads the blocks in their order, and phones and
screen readers have `text` alone (docs.slack.dev/changelog/2026/07/13/notification-changes). No value is there twice: a
field whose value stands in the headline, whole, is left out.

One value can hold several parts, and a line holds all values. There, text that strangers choose is one plain word or in
quotes (text.py), and what sshd and the administrator vouch for comes before it. The forms of a headline and of a line:

    WEIGHTS · PERSON as USER on SERVER
    WEIGHTS · PERSON as USER: Note: NOTE · Attention: REASON · TYPE · from ADDRESS port PORT (NAME) · TIME · METHOD
        (FACT, FACT) · id ID
"""

import json
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
    from typing import Any, Dict, List, Tuple

    from .alert import Alert

# Limits in characters. Slack cuts the text at 40,000; a notification shows far less.
HEADER_LIMIT = 150
# Of a headline that would be longer than that, so that there is room for the server.
HEADER_PERSON_LIMIT = 32
HEADER_USER_LIMIT = 44
FIELD_LIMIT = 2000
SECTION_LIMIT = 3000
TEXT_LIMIT = 3000
# For the notes in a line, which come first: behind them there must be room for where the login came from, and when.
LINE_NOTE_LIMIT = 500
MORE_NOTES = "{} notes have no room here, the system's log (authpriv) has them"
# For all that others chose in the field Key, so that there is room for what sshd vouches for.
QUOTED_LIMIT = 1200
# Fields in a section: five pairs of a label and a value.
FIELDS_LIMIT = 10
# One login's part of a digest's text, so that the text has several.
TEXT_LINE_LIMIT = 700
# What follows the lines that fit.
MORE = "and {} more"
# Logins in one message, well within Slack's 50 blocks.
DIGEST_LIMIT = 40
# In all its blocks, as JSON; above 13,200 Slack has answered msg_blocks_too_long.
DIGEST_CHARACTERS = 12800
# What a block takes beside its text.
BLOCK_CHARACTERS = 80
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

NEW_WEBHOOK = "create a new one in Slack (Apps, Incoming Webhooks) and run the role again with it"
DEFECT = "Slack refuses the message itself; that is a defect of this program, please report it"
# What an answer means, and what to do.
MENDS = {
    "no_service": "the webhook was removed or switched off; " + NEW_WEBHOOK,
    "no_active_hooks": "the webhook was switched off; " + NEW_WEBHOOK,
    "no_service_id": "the webhook's address is incomplete; copy it from Slack again and run the role again with it",
    "no_team": "the webhook's workspace is gone; " + NEW_WEBHOOK,
    "team_disabled": "the webhook's workspace is switched off; " + NEW_WEBHOOK,
    "invalid_token": "the webhook's address is wrong; copy it from Slack again and run the role again with it",
    "channel_not_found": "the webhook's channel was deleted; " + NEW_WEBHOOK,
    "channel_is_archived": "the webhook's channel is archived; unarchive it in Slack, or " + NEW_WEBHOOK,
    "action_prohibited": "the workspace's administrators do not let this webhook post; ask them, or " + NEW_WEBHOOK,
    "posting_to_general_channel_denied": "only some people may post to that channel; choose another: " + NEW_WEBHOOK,
    "user_not_found": "the person that the webhook posts to is gone; " + NEW_WEBHOOK,
    "rate_limited": "too many messages for this workspace right now; it is tried again when Slack allows",
    "invalid_payload": DEFECT,
    "invalid_blocks": DEFECT,
    "msg_blocks_too_long": DEFECT,
    "no_text": DEFECT,
}
RATE_LIMITED = MENDS["rate_limited"]
# How a page begins, in lower case.
HTML = ("<!doctype", "<html", "<head", "<body", "<?xml")


def is_delivered(status: int, answer: str) -> bool:
    """Tell whether Slack has delivered the message."""
    return status == 200 and answer == "ok"


def is_refused(status: int, answer: str) -> bool:
    """Tell whether Slack refuses this very message for good. Only by its own words: other hosts answer 400 as well."""
    return 400 <= status < 500 and MENDS.get(answer) == DEFECT


def is_closed(status: int, answer: str) -> bool:
    """Tell whether Slack takes nothing from this webhook, in its own words; somebody may open it again."""
    return 400 <= status < 500 and answer in MENDS and MENDS[answer] not in (DEFECT, RATE_LIMITED)


def is_slacks(status: int, answer: str) -> bool:
    """Tell whether Slack itself has answered, whatever it says."""
    return is_delivered(status, answer) or (400 <= status < 500 and answer in MENDS and answer != "rate_limited")


def may_be_taken(status: int, answer: str) -> bool:
    """Tell whether the message may stand in the channel although the answer is not Slack's.

    A workflow's webhook or a relay answers so. A page of HTML comes from a portal or a filter, which took nothing.
    """
    return 200 <= status < 300 and not is_delivered(status, answer) and not answer.lower().startswith(HTML)


def mend(status: int, answer: str) -> str:
    """Return what an operator can do about an answer other than `200 ok`."""
    if answer in MENDS:
        return MENDS[answer]
    if 300 <= status < 400:
        return "redirects are not followed; set the webhook's final address"
    if status == 429:
        return RATE_LIMITED
    if may_be_taken(status, answer):
        return (
            "Slack's incoming webhooks do not answer like that, but the message may stand in the channel; "
            "look for a proxy or a portal on the way, and check that the address is an incoming webhook's"
        )
    if status >= 500 and not answer.lower().startswith(HTML):
        return "Slack has a problem (status.slack.com); it is tried again"
    return (
        "something other than Slack answered; look for a proxy, a filter or a portal on the way to the webhook's host, "
        "and check that the address is a webhook's; it is tried again"
    )


def escape(text: str) -> str:
    """Escape the three characters that Slack requires to be escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def single(alert: "Alert", configuration: Configuration, now: float) -> "Dict[str, Any]":
    """Return the message for one login."""
    headline = _headline(alert, configuration)
    fits = len(escape(headline)) <= HEADER_LIMIT
    header = headline if fits else _headline(alert, configuration, short=True)
    pairs = fields(alert, configuration, now)
    if fits or is_own(alert):
        pairs = [(label, value) for label, value in pairs if label not in HEADLINE]
    if fits and _is_in_headline(alert):
        rest = alert["notes"][0].partition(": ")[2]
        label = "Mute" if alert["about"] == MUTE else "What to do"
        pairs = [(label, rest)] * bool(rest) + [pair for pair in pairs if pair[0] not in ("Problem", "Mute")]
    rows = [cell for label, value in pairs for cell in (_label(label), _plain(value, FIELD_LIMIT))]
    sections = [rows[start : start + FIELDS_LIMIT] for start in range(0, len(rows), FIELDS_LIMIT)]
    blocks: List[Dict[str, Any]] = [_header(header), *_mentions([alert])]
    blocks.extend({"type": "section", "fields": section} for section in sections)
    blocks.append({"type": "context", "elements": [_plain("id " + alert["id"], FIELD_LIMIT)]})
    # The line of a problem or a mute begins with what its headline says.
    start = _name(_server(alert, configuration)) if alert["about"] in SENTENCES and alert["notes"] else headline
    return _message(escape(f"{start}: {line(alert, configuration, now)}"), blocks)


def _headline(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
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
    who = _who(alert, configuration, short)
    if alert["about"] == REPEATS:
        return f"{who} logged in again on {server}"
    if alert["follows"]:
        return f"{who} opened more on {server}"
    return f"{who} on {server}" if _people(alert, configuration) else f"{who} logged in on {server}"


def _is_in_headline(alert: "Alert") -> bool:
    """Tell whether the headline begins the only sentence: the self-check has found one problem, or it is of a mute."""
    return alert["about"] in SENTENCES and len(alert["notes"]) == 1


def _who(alert: "Alert", configuration: Configuration, short: bool = False) -> str:
    """Return whom an alert is about, the person and the account or the account alone; before it, what makes it heavy.

    The headline, the text and a line of a digest begin with it. What has to stand before all else goes here.
    """
    longest = HEADER_USER_LIMIT if short else LONGEST_SHOWN
    user = plain_or_quoted(subject(alert), longest=longest) if subject(alert) else NO_USER
    people = _people(alert, configuration)
    who = f"{_name(printable(people, HEADER_PERSON_LIMIT) if short else people)} as {user}" if people else user
    return SEPARATOR.join(filter(None, (_mark(alert, HEADER_WEIGHTS if short else len(WEIGHT_WORDS)), who)))


def _mark(alert: "Alert", most: int) -> str:
    """Return what makes a login heavy, in so many words at most, behind a sign; empty for a light one."""
    weights = alert.get("weights", ())
    if not weights:
        return ""
    words = [WEIGHT_WORDS[weight] for weight in weights]
    shown = words if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    sign = ATTENTION if set(weights) <= set(RIGHT_AND_RARE) else ALARM
    return "{} {}".format(sign, ", ".join(shown))


def _mentions(alerts: "List[Alert]") -> "List[Dict[str, Any]]":
    """Return a block that notifies whom the rules name for these alerts, each once; none if they name nobody.

    Slack notifies only by mrkdwn (docs.slack.dev, "Formatting message text"). Only the settings write it: settings.py
    takes nothing else than one mention.
    """
    found = list(dict.fromkeys(mention for alert in alerts for mention in alert.get("mentions", ())))
    return [{"type": "section", "text": {"type": "mrkdwn", "text": " ".join(found)}}] if found else []


def _people(alert: "Alert", configuration: Configuration) -> str:
    return ", ".join(printable(person) for person in rules.people(alert, configuration))


def _name(text: str) -> str:
    """Return a name that the administrator chose, as it stands in a headline: in quotes if that would be unclear."""
    return phrase(text, NAME_ENDS)


def add_dropped(message: "Dict[str, Any]", dropped: int) -> None:
    """Have a message say, below its headline, how many older alerts a limit has dropped."""
    count = "an older alert was" if dropped == 1 else f"{dropped} older alerts were"
    why = "too many waited or no disk had room"
    sentence = f"Before this, {count} dropped, because {why}; the system's log (authpriv) has the logins."
    message["blocks"].insert(1, {"type": "context", "elements": [_plain(sentence, FIELD_LIMIT)]})
    message["text"] += "\n" + sentence


def fitting(alerts: "List[Alert]", configuration: Configuration, now: float) -> "List[Alert]":
    """Return the first of these alerts, as many as a digest can hold: at least one, at most DIGEST_LIMIT."""
    characters = _characters([_header("x" * HEADER_LIMIT), *_mentions(alerts[:DIGEST_LIMIT])])
    for number, alert in enumerate(alerts[:DIGEST_LIMIT]):
        characters += _characters(_digest_line(alert, configuration, now)) + BLOCK_CHARACTERS
        if number and characters > DIGEST_CHARACTERS:
            return alerts[:number]
    return alerts[:DIGEST_LIMIT]


def _characters(part: "Any") -> int:
    """Return how many characters of the JSON of a message a part takes, with each character as itself."""
    return len(json.dumps(part, ensure_ascii=False))


def digest(alerts: "List[Alert]", configuration: Configuration, now: float) -> "Dict[str, Any]":
    """Return one message for a backlog that fits: a line for each login, none merged with another."""
    server = _name(_server(alerts[0], configuration))
    logins = sum(alert["about"] == LOGIN for alert in alerts)
    headline = f"{logins} logins on {server}" if logins == len(alerts) else f"{len(alerts)} messages from {server}"
    blocks: List[Dict[str, Any]] = [_header(headline), *_mentions(alerts)]
    for alert in alerts:
        text = {"type": "plain_text", "text": _digest_line(alert, configuration, now), "emoji": False}
        blocks.append({"type": "section", "text": text})
    return _message("\n".join(_first_lines(headline, alerts, configuration, now)), blocks)


def _first_lines(headline: str, alerts: "List[Alert]", configuration: Configuration, now: float) -> "List[str]":
    """Return a digest's headline and its first lines without their ids, escaped, and how many more there are."""
    lines = [_cut(escape(headline), TEXT_LINE_LIMIT)]
    left = TEXT_LIMIT - len(lines[0]) - len(MORE.format(DIGEST_LIMIT)) - 1
    for number, alert in enumerate(alerts):
        shown = _cut(escape(_login(alert, configuration, now)), TEXT_LINE_LIMIT)
        left -= len(shown) + 1
        if left < 0:
            return [*lines, MORE.format(len(alerts) - number)]
        lines.append(shown)
    return lines


def _digest_line(alert: "Alert", configuration: Configuration, now: float) -> str:
    end = escape(f"{SEPARATOR}id {alert['id']}")
    return _cut(escape(_login(alert, configuration, now)), SECTION_LIMIT - len(end)) + end


def _login(alert: "Alert", configuration: Configuration, now: float) -> str:
    return f"{_who(alert, configuration)}: {line(alert, configuration, now)}"


def fields(alert: "Alert", configuration: Configuration, now: float) -> "List[Tuple[str, str]]":
    """Return a login's labels and values, in the order in which they are shown."""
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
    return [(label, value) for label, value in found.items() if value or label not in OPTIONAL]


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


def _own_fields(alert: "Alert", configuration: Configuration) -> "List[Tuple[str, str]]":
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
    return [*pairs, ("Time", _time(alert["time"]))]


def line(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return a login in one line, without whom it is about and its server."""
    found = dict(fields(alert, configuration, now))
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


def _message(escaped: str, blocks: "List[Dict[str, Any]]") -> "Dict[str, Any]":
    # Notifications and screen readers show `text`. With `mrkdwn` false, Slack renders no formatting in it.
    return {
        "text": _cut(escaped, TEXT_LIMIT),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def _header(text: str) -> "Dict[str, Any]":
    return {"type": "header", "text": _plain(text, HEADER_LIMIT)}


def _label(text: str) -> "Dict[str, Any]":
    return {"type": "mrkdwn", "text": f"*{text}*"}


def _plain(text: str, limit: int) -> "Dict[str, Any]":
    # Slack refuses a message with an empty text in it (Block Kit, text object: at least one character).
    return {"type": "plain_text", "text": _cut(escape(text), limit) or "-", "emoji": False}


def _cut(escaped: str, limit: int) -> str:
    """Cut an escaped text to a limit, but never within an escape."""
    if len(escaped) <= limit:
        return escaped
    kept = escaped[: limit - 1]
    start = kept.rfind("&", max(len(kept) - 4, 0))
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + "…"
