# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of an entry of `channels`: the kinds of channels, and the keys of each kind.

This module is loaded only if there is an entry. A problem reads ``what is wrong: what to do``, without a full stop, and
names the entry. Problems never show a value, because most values are secrets.
"""

import base64
import re
from collections import namedtuple
from typing import Any, Dict, List, Mapping

from . import login_rules, settings

SETTING = settings.PREFIX + "channels"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
# The name of the channel that `webhook_url` configures.
WEBHOOK = "webhook"
# Words that can be shown, because nobody uses them as a secret.
SHOWN = re.compile(r"[a-z_]{1,20}\Z")
# The keys of every entry.
COMMON = {
    "name": "A name of your own for it, of up to 32 of the characters a-z, 0-9, C(_) and C(-). C(status) shows it.",
    "kind": "One of the kinds below.",
    "only": (
        "Rules of the form of O(ssh_login_notify_mentions), without C(mention): a login goes there if one of them"
        " matches. Without C(only) all logins do."
    ),
    "ignore": "Rules of the form of O(ssh_login_notify_ignore): a login that one of them matches does not go there.",
    "notices": (
        "Whether messages about the notifier itself go there: test alerts, heartbeats, problems, mutes, summaries."
        " V(true) by default. Logins that were not reported always go there."
    ),
}
# The default of a key that must be set.
NEEDED = None

# types: the types of the value. check: returns what is wrong with a value, as the end of a sentence, "" for nothing.
# default: NEEDED, or the value if the key is missing. is_secret: whether the value is never shown. what: a
# description for people, in the markup of Ansible's documentation.
Key = namedtuple("Key", ("types", "check", "default", "is_secret", "what"))


def problems(values: "Mapping[str, Any]") -> "List[str]":
    """Return what is wrong with `channels`, at most one problem for each entry.

    values: all settings. Those that rules and addresses depend on are already checked.
    """
    found = []  # type: List[str]
    names = []  # type: List[str]
    for number, entry in enumerate(values["channels"], 1):
        found.append(_entry_problem(number, entry, names, values))
        names.append(_name_of(entry))
    return [problem for problem in found if problem] or _of_all(values)


def _of_all(values: "Mapping[str, Any]") -> "List[str]":
    """Return what is wrong with the entries together. Each of them has no problem by itself."""
    if values["webhook_url"] or any(entry.get("notices") is not False for entry in values["channels"]):
        return []
    mend = "remove `notices: false` from one entry at least"
    return [f"no channel of {SETTING} takes messages about the notifier itself, so nobody learns of a problem: {mend}"]


def completed(entry: "Mapping[str, Any]") -> "Dict[str, Any]":
    """Return an entry with the defaults of its kind for missing keys. The entry must have no problem."""
    keys = KINDS[entry["kind"]]
    defaults = {name: key.default for name, key in keys.items() if key.default is not NEEDED}
    given = {name: value for name, value in entry.items() if value is not None}
    whole = dict(defaults, only=[], ignore=[], notices=True)  # type: Dict[str, Any]
    whole.update(given)
    if entry["kind"] == "email" and not whole["port"]:
        whole["port"] = PORTS[whole["tls"]]
    if entry["kind"] == "telegram":
        whole["chat"] = str(whole["chat"])
    return whole


def secrets_of(entry: "Mapping[str, Any]") -> "List[str]":
    """Return the secret values of an entry."""
    found = []  # type: List[str]
    for name in SECRETS.get(str(entry.get("kind")), ()):
        value = entry.get(name)
        found += [str(text) for text in (value.values() if isinstance(value, Mapping) else [value]) if text]
    return found


def _name_of(entry: "Any") -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) and NAME.match(name) else ""


def _entry_problem(number: int, entry: "Any", names: "List[str]", values: "Mapping[str, Any]") -> str:
    if not isinstance(entry, Mapping):
        mend = "write it as {name: ops, kind: discord, url: ...}"
        return f"entry {number} of {SETTING} is {settings.kind(entry)}, and must be a mapping: {mend}"
    name = _name_of(entry)
    if not name:
        mend = "write up to 32 of a-z, 0-9, _ and -, the first a letter or a digit, in quotes if all are digits"
        return f"entry {number} of {SETTING} has no name, or one that is not allowed: {mend}"
    channel = f"the channel {name} of {SETTING}"
    if name == WEBHOOK:
        return f"{channel} has the name of the channel that {settings.PREFIX}webhook_url is: write another name"
    if name in names:
        return f"{channel} is there more than once: give each channel a name of its own"
    return _kind_problem(channel, entry) or _value_problem(channel, entry, values)


def _kind_problem(channel: str, entry: "Mapping[str, Any]") -> str:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        shown = f"the unknown kind {kind}" if _is_shown(kind) else "no kind, or an unknown one"
        return "{} has {}: write one of {}".format(channel, shown, ", ".join(KINDS))
    keys = KINDS[kind]
    unknown = [key for key in entry if key not in COMMON and key not in keys]
    if unknown:
        shown = f"the key {unknown[0]}" if _is_shown(unknown[0]) else "a key"
        allowed = ", ".join([*keys, *COMMON])
        return f"{channel} has {shown}, which the kind {kind} does not have: use only {allowed}"
    missing = [name for name, key in keys.items() if key.default is NEEDED and entry.get(name) in (None, "")]
    if missing:
        return f"{channel} has no {missing[0]}, which the kind {kind} needs: write {_plain(keys[missing[0]].what)}"
    return ""


def _is_shown(word: "Any") -> bool:
    return isinstance(word, str) and SHOWN.match(word) is not None


def _plain(what: str) -> str:
    """Return the first sentence of a description without markup, as a part of a sentence."""
    text = re.sub(r"\b[CVO]\(([^)]*)\)", r"\1", what.split(". ")[0]).rstrip(".")
    return text[:1].lower() + text[1:]


def _value_problem(channel: str, entry: "Mapping[str, Any]", values: "Mapping[str, Any]") -> str:
    """Return what is wrong with a value. All keys of the entry must belong to its kind."""
    keys = KINDS[entry["kind"]]
    for name in keys:
        value = entry.get(name)
        if value is None:
            continue
        wrong = _type_problem(keys[name], value) or keys[name].check(value, values)
        if wrong:
            return f"{name} of {channel} {wrong}"
    if not isinstance(entry.get("notices", True), bool):
        is_what = settings.kind(entry["notices"])
        return f"notices of {channel} is {is_what}, and must be true or false: write one of them, without quotes"
    cross = CROSS_CHECKS.get(entry["kind"])
    return (cross(channel, entry, values) if cross else "") or _rules_problem(channel, entry, values)


def _type_problem(key: "Key", value: "Any") -> str:
    is_right = isinstance(value, key.types) and (bool in key.types or not isinstance(value, bool))
    wanted = " or ".join(settings.TYPE_NAMES[of] for of in key.types)
    return "" if is_right else f"is {settings.kind(value)}, and must be {wanted}: correct it"


def _rules_problem(channel: str, entry: "Mapping[str, Any]", values: "Mapping[str, Any]") -> str:
    checks = {"only": login_rules.only_problems, "ignore": login_rules.ignore_problems}
    for name in checks:
        rules = entry.get(name)
        if rules is None:
            continue
        if not isinstance(rules, list):
            return f"{name} of {channel} is {settings.kind(rules)}, and must be a list of rules: write [{{user: ada}}]"
        found = checks[name](rules, values["people"], values["pam_services"], f"{name} of {channel}")
        if found:
            return found[0]
    return ""


# -- checks of a value ------------------------------------------------------------------------------------------------


def _text(pattern: str, mend: str) -> "Any":
    """Return a check that a text matches a pattern as a whole."""
    compiled = re.compile(f"(?:{pattern})\\Z")

    def check(value: str, _values: "Mapping[str, Any]") -> str:
        return "" if compiled.match(value) else "is not valid: " + mend

    return check


def _optional(check: "Any") -> "Any":
    """Return the same check, but let it accept an empty value."""

    def optional(value: "Any", values: "Mapping[str, Any]") -> str:
        return str(check(value, values)) if value else ""

    return optional


def _url(fits: "Any" = lambda _host, _path: "") -> "Any":
    """Return a check of a URL.

    fits: returns what is wrong with the host and path of a vendor's own URL, "" for nothing and for any other host
    """

    def check(value: str, values: "Mapping[str, Any]") -> str:
        wrong = settings.url_problem(value, values["allow_http"], "copy the whole URL as it is shown")
        if not wrong and "#" in value:
            wrong = "has a # in it: copy the whole URL as it is shown"
        parts = settings.URL.match(value)
        return wrong or str(fits(parts.group("host").rstrip(".").lower(), parts.group("path"))) if parts else wrong

    return check


def _slack(host: str, path: str) -> str:
    return settings.not_incoming(f"https://{host}{path}")


def _teams(host: str, path: str) -> str:
    if host == "outlook.office.com" or host.endswith(".webhook.office.com"):
        return (
            "is the URL of an Office 365 connector, which Microsoft has retired: make a workflow in Teams (Send webhook"
            " alerts to a channel), and copy its URL"
        )
    where, _mark, query = path.partition("?")
    vendors = (".logic.azure.com", ".api.powerplatform.com", ".api.powerautomate.com")
    is_whole = "/triggers/" in where and where.endswith("/invoke") and re.search(r"(?:^|&)sig=[^&]", query)
    if host.endswith(vendors) and not is_whole:
        return "is incomplete: copy the whole URL of the workflow, with everything after the question mark"
    return ""


def _discord(host: str, path: str) -> str:
    if host not in ("discord.com", "discordapp.com", "canary.discord.com", "ptb.discord.com"):
        return ""
    if re.match(r"/api(?:/v[0-9]+)?/webhooks/[0-9]+/[A-Za-z0-9_-]+(?:\?thread_id=[0-9]+)?\Z", path):
        return ""
    return "is not a webhook URL: copy it in Discord (Integrations, Webhooks, Copy Webhook URL), with nothing after it"


def _google_chat(host: str, path: str) -> str:
    where, _mark, query = path.partition("?")
    is_whole = re.match(r"/v1/spaces/[A-Za-z0-9_-]+/messages\Z", where) and all(
        re.search(rf"(?:^|&){name}=[^&]", query) for name in ("key", "token")
    )
    if host == "chat.googleapis.com" and not is_whole:
        return "is not a webhook URL: copy the whole URL in Google Chat (Apps & integrations, Webhooks)"
    return ""


def _mattermost(_host: str, path: str) -> str:
    return "" if re.search(r"/hooks/[^?]", path) else "has no /hooks/ in it: copy the URL of the incoming webhook"


def _ntfy(_host: str, path: str) -> str:
    if re.match(r"(?:/[^/?]+)*/[A-Za-z0-9_-]{1,64}\Z", path):
        return ""
    return "does not end in a topic: write the server and the topic, as https://ntfy.sh/my-topic"


def _bare(_host: str, path: str) -> str:
    return "has a query: write it without the ? and anything after it" if "?" in path else ""


def _one_of(*words: str) -> "Any":
    def check(value: str, _values: "Mapping[str, Any]") -> str:
        return "" if value in words else "is unknown: write one of {}".format(", ".join(words))

    return check


def _number(least: int, most: int) -> "Any":
    def check(value: int, _values: "Mapping[str, Any]") -> str:
        return "" if least <= value <= most else f"is out of range: write a number from {least} to {most}"

    return check


def _host(value: str, _values: "Mapping[str, Any]") -> str:
    if re.match(settings.NAME_OF_HOST + r"\Z", value) or (":" in value and settings.is_host(f"[{value}]")):
        return ""
    return "is neither a host name nor an address: write it without a port and without ://"


def _topic(value: int, _values: "Mapping[str, Any]") -> str:
    return "" if 0 <= value < 1 << 31 else "is out of range: write the topic's number, or 0 for none"


def _flag(_value: bool, _values: "Mapping[str, Any]") -> str:
    return ""


def _chat(value: "Any", _values: "Mapping[str, Any]") -> str:
    if re.match(r"(?:-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})\Z", str(value)):
        return ""
    return "is not a chat: write its number, such as -1001234567890, or the @name of a public channel"


def _bot_token(value: str, _values: "Mapping[str, Any]") -> str:
    mend = "copy the Bot User OAuth Token of the app (OAuth & Permissions), which begins with xoxb-"
    if value.startswith(("xoxp-", "xapp-")):
        return "is the token of a user or an app, not of a bot: " + mend
    return "" if re.match(r"xox[A-Za-z0-9.-]{9,509}\Z", value) else "is not a bot token: " + mend


def _signing_key(value: str, _values: "Mapping[str, Any]") -> str:
    mend = 'write whsec_ and 24 to 64 random bytes in Base64, as from `echo "whsec_$(openssl rand -base64 32)"`'
    try:
        length = len(base64.b64decode(value[len("whsec_") :].encode("ascii"), validate=True))
    except ValueError:
        length = 0
    is_right = value.startswith("whsec_") and 24 <= length <= 64 and not value.endswith("===")
    return "" if is_right else "is not a signing key: " + mend


# Headers that the notifier sets itself, or that would cut a request short (RFC 9110, 7.6.1).
OWN_HEADERS = (
    "host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "upgrade", "user-agent",
)  # fmt: skip
HEADERS_LIMIT = 20


def _headers(value: "Mapping[Any, Any]", _values: "Mapping[str, Any]") -> str:
    if len(value) > HEADERS_LIMIT:
        return f"has too many entries: write at most {HEADERS_LIMIT}"
    for name, text in value.items():
        if not isinstance(name, str) or not re.match(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z", name):
            return "has a name that no header has: write letters, digits and -"
        if name.lower() in OWN_HEADERS or name.lower().startswith("webhook-"):
            return f"has {name.lower()}, which the notifier sets itself: remove it"
        if not isinstance(text, str) or not re.match(r"[ -~]{1,2048}\Z", text) or text != text.strip():
            return "has a value that is not text, or not one that a header can have: write ASCII in one line, in quotes"
    return ""


ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"
ADDRESS_MEND = "write it as ops@example.com, without a name"
RECIPIENTS_LIMIT = 50
# The default ports by the value of `tls` (RFC 8314, 3.3 and 7.3; RFC 5321, 4.5.4.2).
PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _addresses(value: "List[Any]", _values: "Mapping[str, Any]") -> str:
    if not 0 < len(value) <= RECIPIENTS_LIMIT:
        return f"is an empty list, or one that is too long: write 1 to {RECIPIENTS_LIMIT} addresses"
    if not all(isinstance(address, str) and re.match(ADDRESS + r"\Z", address) for address in value):
        return "has an entry that is not an address: " + ADDRESS_MEND
    return "" if len(set(value)) == len(value) else "has an address twice: write each once"


ARGUMENTS_LIMIT = 64


def _command(value: "List[Any]", _values: "Mapping[str, Any]") -> str:
    if not 0 < len(value) <= ARGUMENTS_LIMIT or not all(isinstance(word, str) and "\0" not in word for word in value):
        return f"is not a list of 1 to {ARGUMENTS_LIMIT} texts: write [/usr/bin/logger, -t, logins], numbers in quotes"
    program = value[0]
    if not program.startswith("/") or program.endswith("/") or re.search(r"//|/\.\.?(?:/|\Z)", program):
        return "does not begin with the path of a program: write an absolute path without .. and //"
    return ""


# -- the kinds --------------------------------------------------------------------------------------------------------


def _email_problem(channel: str, entry: "Mapping[str, Any]", values: "Mapping[str, Any]") -> str:
    user, password = entry.get("user") or "", entry.get("password") or ""
    if bool(user) != bool(password):
        lacking = "password" if user else "user"
        return f"{channel} has no {lacking}, and a user and a password go together: set both, or neither"
    if entry.get("tls") != "none" or settings.is_loopback(entry["host"]):
        return ""
    if user:
        return f"{channel} has no TLS, so anyone on the way can read the password: write tls: starttls or tls: tls"
    if values["allow_http"] is not True:
        return (
            f"{channel} has no TLS, so anyone on the way can read the mails: write tls: starttls or tls: tls, or set"
            f" {settings.PREFIX}allow_http: true for a relay on a network that you trust"
        )
    return ""


def _pagerduty_problem(channel: str, entry: "Mapping[str, Any]", _values: "Mapping[str, Any]") -> str:
    if entry.get("only"):
        return ""
    mend = "write only: [{weight: [anomaly, failures]}], for example"
    return f"{channel} has no rules in only, so each login would be an incident: {mend}"


def _slack_app_problem(channel: str, entry: "Mapping[str, Any]", _values: "Mapping[str, Any]") -> str:
    if entry.get("logouts") is not True or entry.get("threads") is not False:
        return ""
    return f"{channel} has logouts, which go into threads, and threads: false: write threads: true, or remove logouts"


CROSS_CHECKS = {
    "email": _email_problem,
    "pagerduty": _pagerduty_problem,
    "slack_app": _slack_app_problem,
}  # type: Dict[str, Any]

_PRINTABLE = "write printable ASCII, in quotes"


def _secret(check: "Any", what: str, default: "Any" = NEEDED, of: type = str) -> Key:
    return Key((of,), check, default, True, what)


def _shown(check: "Any", what: str, default: "Any" = NEEDED, of: "Any" = (str,)) -> Key:
    return Key(of, check, default, False, what)


KINDS = {
    "slack": {"url": _secret(_url(_slack), "The URL of an incoming webhook of Slack.")},
    "slack_app": {
        "token": _secret(_bot_token, "The token of a Slack app's bot, which begins with V(xoxb-)."),
        "channel": _shown(
            _text(
                r"(?:[CGDU][A-Z0-9]{5,20}|#[^\s#@<>&,\"]{1,80})",
                "write the channel's id, such as C0123456789, or its name, such as '#logins', in quotes",
            ),
            "The id of the channel, such as V(C0123456789), or its name, such as V(#logins).",
        ),
        "threads": _shown(
            _flag, "Whether messages that belong to an earlier one go into its thread.", default=True, of=(bool,)
        ),
        "logouts": _shown(
            _flag,
            "Whether the end of a connection is reported in the thread of its login, with its duration.",
            default=False,
            of=(bool,),
        ),
        "api_url": _shown(
            _url(_bare), "Another URL of the method C(chat.postMessage).", "https://slack.com/api/chat.postMessage"
        ),
    },
    "teams": {"url": _secret(_url(_teams), "The URL of a workflow of Microsoft Teams that takes webhooks.")},
    "discord": {"url": _secret(_url(_discord), "The URL of a webhook of Discord.")},
    "google_chat": {"url": _secret(_url(_google_chat), "The URL of a webhook of a space in Google Chat.")},
    "telegram": {
        "token": _secret(
            _text(r"[0-9]+:[A-Za-z0-9_-]{20,}", "copy the bot's token as @BotFather shows it"),
            "The token of a bot, as C(@BotFather) shows it.",
        ),
        "chat": _shown(_chat, "The number of the chat, or the C(@name) of a public channel.", of=(int, str)),
        "topic": _shown(_topic, "The number of a topic in a group that has topics. V(0) for none.", 0, of=(int,)),
        "api_url": _shown(_url(_bare), "The URL of another server of the Bot API.", "https://api.telegram.org"),
    },
    "mattermost": {"url": _secret(_url(_mattermost), "The URL of an incoming webhook of Mattermost or Rocket.Chat.")},
    "ntfy": {
        "url": _secret(
            _url(_ntfy),
            "The server and the topic, such as V(https://ntfy.sh/my-topic). On a server without access control, whoever"
            " knows the topic can read it.",
        ),
        "token": _secret(
            _optional(_text(r"[!-~]{1,256}", _PRINTABLE)), "An access token, for a topic that needs one.", default=""
        ),
    },
    "pagerduty": {
        "key": _secret(
            _text(r"[A-Za-z0-9]{32}", "copy the 32 letters and digits of the integration key"),
            "The integration key of a service that has the integration Events API v2.",
        ),
        "url": _shown(
            _url(),
            "The URL of the Events API. In the European service region V(https://events.eu.pagerduty.com/v2/enqueue).",
            "https://events.pagerduty.com/v2/enqueue",
        ),
    },
    "email": {
        "host": _shown(
            _host,
            "The mail server's name or address.",
        ),
        "port": _shown(
            _number(0, 65535), "Its port. V(0) is 587, 465 for C(tls: tls), and 25 for C(tls: none).", 0, of=(int,)
        ),
        "tls": _shown(
            _one_of("starttls", "tls", "none"),
            "V(starttls), V(tls) from the first byte on, or V(none), which is only for the host itself, or with"
            " O(ssh_login_notify_allow_http=true).",
            "starttls",
        ),
        "user": _shown(_optional(_text(r"[ -~]{1,255}", _PRINTABLE)), "The user, if the server wants one.", default=""),
        "password": _secret(_optional(_text(r"[ -~]{1,1024}", _PRINTABLE)), "The user's password.", default=""),
        "from": _shown(_text(ADDRESS, ADDRESS_MEND), "The sender's address."),
        "to": _shown(_addresses, "A list of 1 to 50 addresses.", of=(list,)),
    },
    "json": {
        "url": _secret(_url(), "Where the alert is posted to."),
        "key": _secret(
            _optional(_signing_key),
            "The key that signs each request (HMAC-SHA256): V(whsec_) and 24 to 64 bytes in Base64.",
            default="",
        ),
        "format": _shown(_one_of("loginwatch", "ecs", "ocsf"), "V(loginwatch), V(ecs) or V(ocsf).", "loginwatch"),
        "headers": _secret(
            _headers, "More headers of the request, such as C(Authorization). The values are secret.", {}, of=dict
        ),
    },
    "command": {
        "command": _shown(
            _command,
            "A list of the program's path and its arguments. Other users of the host see them, so no secret belongs"
            " there. Only root may be able to change the program. The alert's JSON is its standard input.",
            of=(list,),
        ),
        "timeout": _shown(_number(1, 120), "The timeout in seconds.", 30, of=(int,)),
        "format": _shown(
            _one_of("json", "text"), "V(json), or V(text) for a line of text for each alert, as for C(logger).", "json"
        ),
    },
}  # type: Dict[str, Dict[str, Key]]
# The keys of a kind whose values are never shown.
SECRETS = {kind: tuple(name for name, key in keys.items() if key.is_secret) for kind, keys in KINDS.items()}
