"""An alert as a Slack message, and Slack's answers in words that name the mend.

Block Kit's limits and the answers are those of Slack's documentation ("Reference: blocks", "Sending messages using
incoming webhooks", "Rate limits"). Labels are ours, in bold; every value is a plain_text object, in which Slack looks
for no formatting, no mentions, no links and no emoji. `&`, `<` and `>` are escaped, and nothing else is.
"""

from datetime import datetime

from . import rules
from .alert import HEARTBEAT_SERVICE, TEST_SERVICE, WATCH_SERVICE, is_own
from .config import Configuration
from .kind import INTERACTIVE, SOMETHING_OVER, TRANSFERS, TUNNEL, UNKNOWN
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from .alert import Alert

HEADER_LIMIT = 150  # characters
FIELD_LIMIT = 2000
FIELDS_LIMIT = 10  # in a section: five pairs of a label and a value
SECTION_LIMIT = 3000
TEXT_LIMIT = 3000  # Slack cuts at 40,000; a notification shows far less
DIGEST_LIMIT = 40  # logins in one message, well within Slack's 50 blocks
DIGEST_CHARACTERS = 12000  # in all its blocks; above 13,200 Slack has been seen to answer msg_blocks_too_long
LINE = ("Type", "Problem", "From", "Time", "Key", "Person", "Note")  # what stands in a line, in this order
OPENED = {
    INTERACTIVE: "an interactive shell",
    SOMETHING_OVER: "a command or a transfer, which was over at once",
    TUNNEL: "a tunnel",
    UNKNOWN: "of an unknown kind",
}
LATE = 120  # seconds after which a message says that it is late

NEW_WEBHOOK = "create a new one in Slack (Apps, Incoming Webhooks) and run the role again with it"
DEFECT = "Slack did not like the message itself; that is a defect of this program, please report it"
# What an answer means, and what mends it.
MENDS = {
    "no_service": "the webhook was removed or switched off; " + NEW_WEBHOOK,
    "no_active_hooks": "the webhook was switched off; " + NEW_WEBHOOK,
    "no_service_id": "the webhook's address is not whole; copy it from Slack again and run the role again with it",
    "no_team": "the webhook's workspace is gone; " + NEW_WEBHOOK,
    "team_disabled": "the webhook's workspace is switched off; " + NEW_WEBHOOK,
    "invalid_token": "the webhook's address is not right; copy it from Slack again and run the role again with it",
    "channel_not_found": "the webhook's channel was deleted; " + NEW_WEBHOOK,
    "channel_is_archived": "the webhook's channel is archived; unarchive it in Slack, or " + NEW_WEBHOOK,
    "action_prohibited": "the workspace's administrators do not let this webhook post; ask them to, or " + NEW_WEBHOOK,
    "posting_to_general_channel_denied": "only some people may post to that channel; choose another: " + NEW_WEBHOOK,
    "user_not_found": "the person that the webhook posts to is gone; " + NEW_WEBHOOK,
    "rate_limited": "too many messages for this workspace just now; it is tried again when Slack allows",
    "invalid_payload": DEFECT,
    "invalid_blocks": DEFECT,
    "msg_blocks_too_long": DEFECT,
    "no_text": DEFECT,
}
PERMANENT = (400, 403, 404, 410)


def mend(status: int, answer: str) -> str:
    """Return what an operator can do about an answer that was not `200 ok`."""
    if answer in MENDS:
        return MENDS[answer]
    if status == 200:
        return "something else than Slack answered; look for a proxy or a portal in between, and at the address's host"
    if 300 <= status < 400:
        return "redirects are not followed; give the webhook's final address"
    if status == 429:
        return "too many messages for this workspace just now; it is tried again when Slack allows"
    if status >= 500:
        return "Slack is in trouble (status.slack.com); it is tried again"
    return "the address is not a webhook's, or no longer; " + NEW_WEBHOOK


def escape(text: str) -> str:
    """Escape the three characters that Slack asks to have escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def single(alert: "Alert", configuration: Configuration, now: float) -> "Dict[str, Any]":
    """Return the message for one login."""
    headline = _headline(alert, _server(alert, configuration))
    pairs = fields(alert, configuration, now)
    rows = [cell for label, value in pairs for cell in (_label(label), _plain(value, FIELD_LIMIT))]
    sections = [rows[start : start + FIELDS_LIMIT] for start in range(0, len(rows), FIELDS_LIMIT)]
    blocks: List[Dict[str, Any]] = [_header(headline)]
    blocks.extend({"type": "section", "fields": section} for section in sections)
    blocks.append({"type": "context", "elements": [_plain("id " + alert["id"], FIELD_LIMIT)]})
    return _message(f"{headline}: {line(alert, configuration, now)}", blocks)


def _headline(alert: "Alert", server: str) -> str:
    if alert["service"] == TEST_SERVICE:
        return "Test alert from " + server
    if alert["service"] == HEARTBEAT_SERVICE:
        return "Heartbeat from {}: {}".format(server, "something is wrong" if alert["notes"] else "all is well")
    if alert["service"] == WATCH_SERVICE and alert["notes"]:
        return "{}: {}".format(server, alert["notes"][0].partition(": ")[0])
    if alert["service"] == WATCH_SERVICE:
        return server + " is well again"
    user = alert["user"] or "somebody"
    return f"{user} opened more on {server}" if alert["follows"] else f"{user} logged in on {server}"


def add_dropped(message: "Dict[str, Any]", dropped: int) -> None:
    """Have a message tell, below its headline, how many older alerts a limit forced out."""
    count = "an older alert was" if dropped == 1 else f"{dropped} older alerts were"
    sentence = f"Before this, {count} dropped, since too many waited; the system's log (authpriv) has the logins."
    message["blocks"].insert(1, {"type": "context", "elements": [_plain(sentence, FIELD_LIMIT)]})


def fitting(alerts: "List[Alert]", configuration: Configuration, now: float) -> "List[Alert]":
    """Return the first of these alerts, as many as a digest can hold: one at least, DIGEST_LIMIT at most."""
    characters = 0
    for number, alert in enumerate(alerts[:DIGEST_LIMIT]):
        characters += len(_digest_line(alert, configuration, now))
        if number and characters > DIGEST_CHARACTERS:
            return alerts[:number]
    return alerts[:DIGEST_LIMIT]


def digest(alerts: "List[Alert]", configuration: Configuration, now: float) -> "Dict[str, Any]":
    """Return one message for a backlog that fits: a line for each login, none merged with another."""
    server = _server(alerts[0], configuration)
    logins = sum(not is_own(alert) for alert in alerts)
    headline = f"{logins} logins on {server}" if logins == len(alerts) else f"{len(alerts)} messages from {server}"
    blocks: List[Dict[str, Any]] = [_header(headline)]
    for alert in alerts:
        text = {"type": "plain_text", "text": _digest_line(alert, configuration, now), "emoji": False}
        blocks.append({"type": "section", "text": text})
    users = ", ".join(sorted({alert["user"] or "somebody" for alert in alerts}))
    span = "{} to {}".format(_time(alerts[0]["time"]), _time(alerts[-1]["time"]))
    return _message(f"{headline}, {span}: {users}", blocks)


def _digest_line(alert: "Alert", configuration: Configuration, now: float) -> str:
    user = alert["user"] or "somebody"
    end = escape(" · id " + alert["id"])
    return _cut(escape(f"{user}: {line(alert, configuration, now)}"), SECTION_LIMIT - len(end)) + end


def fields(alert: "Alert", configuration: Configuration, now: float) -> "List[Tuple[str, str]]":
    """Return a login's labels and values, in the order in which they are shown."""
    if is_own(alert):
        return _own_fields(alert, configuration)
    people = rules.people(alert, configuration)
    notes = list(alert["notes"])
    if alert["follows"]:
        words = (alert["follows"], _opened(alert["was"]), _opened(alert["type"]))
        notes.insert(0, "the connection of {} was {} until now; now it has opened {}".format(*words))
    if now - alert["time"] > LATE:
        notes.append("sent {} late".format(_duration(now - alert["time"])))
    pairs = [
        ("Server", _server(alert, configuration)),
        ("User", alert["user"] or "not known"),
        ("From", origin(alert)),
        ("Type", alert["type"]),
        ("Time", _time(alert["time"])),
        ("Key", authentication(alert)),
    ]
    if people:
        pairs.append(("Person", ", ".join(printable(person) for person in people)))
    if notes:
        pairs.append(("Note", "; ".join(notes)))
    return pairs


def _opened(kind: str) -> str:
    """Return what a connection of a kind has opened, in words."""
    if kind in TRANSFERS:
        return f"a transfer ({kind})"
    return OPENED.get(kind, "a command")


def _own_fields(alert: "Alert", configuration: Configuration) -> "List[Tuple[str, str]]":
    pairs = [("Server", _server(alert, configuration))]
    if alert["service"] == TEST_SERVICE:
        pairs.append(("Type", "test, by a PAM session" if alert["address"] else "test"))
    elif alert["service"] == HEARTBEAT_SERVICE:
        pairs.append(("Type", "heartbeat"))
    if alert["notes"] or alert["service"] == WATCH_SERVICE:
        pairs.append(("Problem", "; ".join(alert["notes"]) or "none any more"))
    return [*pairs, ("Time", _time(alert["time"]))]


def line(alert: "Alert", configuration: Configuration, now: float) -> str:
    """Return a login, but for its user and server, in one line."""
    found = dict(fields(alert, configuration, now))
    if "From" in found:
        found["From"] = "from " + found["From"]
    return " · ".join(found[label] for label in LINE if label in found)


def origin(alert: "Alert") -> str:
    """Return where a login came from: `203.0.113.50 port 45006 (name.example.net)`."""
    if not alert["address"]:
        return alert["name"] or "not known"
    name = " ({})".format(alert["name"]) if alert["name"] else ""
    return "{} port {}{}".format(alert["address"], alert["port"], name)


def authentication(alert: "Alert") -> str:
    """Return by which key, or by what else, the user was let in."""
    return ", then ".join(_method(method) for method in alert["methods"]) or "sshd did not say"


def _method(method: "Dict[str, Any]") -> str:
    words = [method["method"], method.get("key_type"), method.get("fingerprint"), method.get("detail")]
    text = " ".join(word for word in words if word)
    certificate = method.get("certificate")
    if certificate:
        text += ' (certificate "{key_id}", serial {serial}, CA {ca})'.format(**certificate)
    return text


def _server(alert: "Alert", configuration: Configuration) -> str:
    return printable(configuration.host_label) or alert["host"]


def _time(seconds: float) -> str:
    """Return a time in the host's zone, with the zone."""
    moment = datetime.fromtimestamp(seconds).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z (%z)")


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _message(text: str, blocks: "List[Dict[str, Any]]") -> "Dict[str, Any]":
    # `text` is what notifications and screen readers show. Without `mrkdwn` it is not looked at for formatting.
    return {
        "text": _cut(escape(text), TEXT_LIMIT),
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
    # Slack refuses a message with an empty text in it (Block Kit, text object: one character at least).
    return {"type": "plain_text", "text": _cut(escape(text), limit) or "-", "emoji": False}


def _cut(escaped: str, limit: int) -> str:
    """Cut an escaped text to a limit, but not within an escape."""
    if len(escaped) <= limit:
        return escaped
    kept = escaped[: limit - 1]
    start = kept.rfind("&", max(len(kept) - 4, 0))
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + "…"
