# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for settings: which values are valid, for the role on the controller and for the notifier on the host.

A setting's name is that of the role's variable without its prefix. A problem reads ``what is wrong: what to do``,
without a full stop. No problem shows a secret.
"""

import ipaddress
import re
from typing import Any, Dict, Iterator, List, Mapping

from . import certificate_patterns, link_template, login_rules
from .login_rules import FINGERPRINT, FINGERPRINT_MEND, PAM_SERVICE

PREFIX = "ssh_login_notify_"
# The notifier's configuration. Only the webhook has no usable default, unless there are other channels.
DEFAULTS = {
    "webhook_url": "",
    "channels": [],
    "host_label": "",
    "allow_http": False,
    "ca_file": "",
    "proxy": "",
    "people": {},
    "ignore": [],
    "mentions": [],
    "repeat_minutes": 5,
    "daily_failures": False,
    "labels": {},
    "link": "",
    "reverse_dns": False,
    "geo_database": "",
    "language": "en",
    "pam_services": ["sshd"],
    "accept": [],
    "heartbeat_message": True,
    "heartbeat_ping_url": "",
    "longest_silence": 0,
    "metrics_file": "",
    "most_waiting": 10000,
    "most_waiting_mib": 64,
}  # type: Dict[str, Any]
PROGRAM = "/usr/local/bin/ssh-login-notify"
# The settings that only the role reads.
ROLE_DEFAULTS = {
    "state": "present",
    "copy_vendor_pam": False,
    "heartbeat_time": "",
    "adopt": False,
    "adopt_commands": ["/usr/local/bin/ssh-login-notify.sh"],
    "adopt_files": ["/usr/local/bin/ssh-login-notify.sh"],
    "offline": False,
    "send_test_alert": True,
    "remove_spool": False,
    "secure_logging": True,
}  # type: Dict[str, Any]
# The alternative to a setting. If the alternative has the wrong type, the setting itself is not checked.
INSTEAD = {"webhook_url": "channels"}
SECRETS = ("webhook_url", "channels", "heartbeat_ping_url", "proxy")
# The settings that a removal reads. It must work even if all others are wrong, and without the vault's password.
REMOVAL = ("state", "pam_services", "copy_vendor_pam", "metrics_file", "offline", "remove_spool")
# The results of the role's tasks that its README documents. They have the prefix of the settings.
RESULTS = ("host", "adopted", "test_alert")
STATES = ("present", "absent")
ACCEPTABLE = (
    "user_environment", "managed_file", "writable_directories", "unreported_sshd", "unproven_logins",
    "changed_sshd_settings",
)  # fmt: skip
TYPE_NAMES = {str: "text", bool: "true or false", dict: "a mapping", list: "a list", int: "a whole number"}
# The example in the problem that a setting has the wrong type. For other settings, it is the default.
EXAMPLES = {
    "webhook_url": "the URL in quotes",
    "channels": "[{name: ops, kind: discord, url: the URL in quotes}]",
    "heartbeat_ping_url": "the URL in quotes",
    "host_label": "'web-3'",
    "ca_file": "/etc/ssl/certs/relay.pem",
    "proxy": "http://proxy.example.com:3128",
    "people": "{'SHA256:...': Ada Lovelace}",
    "ignore": "[{user: backup, reason: the nightly backup}]",
    "mentions": "[{weight: failures, mention: '<!here>'}]",
    "accept": "[managed_file]",
    "labels": "{environment: production}",
    "link": "https://grafana.example.com/d/ssh?var-host={host}",
    "geo_database": "/var/lib/GeoIP/GeoLite2-Country.mmdb",
    "language": "en",
    "metrics_file": "/var/lib/prometheus/node-exporter/ssh_login_notify.prom",
    "heartbeat_time": "'08:30', or 'Mon,Thu 08:30', in quotes",
}
LEAST = {"longest_silence": 0, "most_waiting": 1, "most_waiting_mib": 1, "repeat_minutes": 0}
# One day. After that, a login of the same kind is reported again.
MOST = {"repeat_minutes": 1440}
# Slack's hosts for webhooks, and the paths of webhooks that take messages and of those that start a workflow.
SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
SLACK_DOMAINS = (".slack.com", ".slack-gov.com")
# The workspace, the webhook and its secret (docs.slack.dev, "Sending messages using incoming webhooks").
INCOMING = re.compile(r"/services/[A-Z0-9]+/[A-Z0-9]+/[^/?#]+\Z")
WORKFLOWS = ("/triggers/", "/workflows/")

# Labels of 1 to 63 characters (RFC 1035, 2.3.4), or an IPv6 address in brackets. No user and no password: neither is
# used, and both would be shown with the host's name.
NAME_OF_HOST = r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?"
HOST_AND_PORT = r"(?P<host>" + NAME_OF_HOST + r"|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]*))?"
URL = re.compile(r"(?P<scheme>https?)://" + HOST_AND_PORT + r"(?P<path>(?:[/?].*)?)\Z")
# User information as in RFC 3986, 3.2.1; RFC 7617, 2 allows no colon in the user's name.
PROXY = re.compile(
    r"http://(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%(?!3[Aa])[0-9A-Fa-f]{2})+:"
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?" + HOST_AND_PORT + r"/?\Z"
)
# The name of a host's label. It becomes the name of a field, and lower case keeps it apart from the notifier's own.
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
MOST_LABELS = 10
LONGEST_LABEL = 100
# Each has a module in the notifier's package `languages`.
LANGUAGES = ("en", "ja")
# The file of the metrics. The path is also written into a unit, where blanks, quotes and % are special
# (systemd.unit(5)). The textfile collector reads only names that end in .prom.
METRICS_FILE = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+/[A-Za-z0-9_][A-Za-z0-9._-]*\.prom\Z")
# One line that is not blank.
PERSON = re.compile(r"[^\r\n]*[^\s][^\r\n]*\Z")
# A line of authorized_keys, in characters. sshd has no limit; a key of 16,384 bits takes 2,800 characters.
LONGEST_LINE = 16384
# A command in a PAM line, which begins with an absolute path. It must not contain characters that change how PAM parses
# the line.
COMMAND = re.compile(r"/[^\]\[#^\\]+\Z")
# crontab(5) accepts only numbers in a list of days, no names.
DAYS = {"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6}
HEARTBEAT_TIME = re.compile(
    r"(?:(?P<days>{day}(?:,{day})*) )?(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])\Z".format(
        day="(?:{})".format("|".join(DAYS))
    )
)


def problems(values: Mapping[str, Any]) -> List[str]:
    """Return the problems of a configuration. A missing value has its default."""
    return _problems(values, DEFAULTS, CHECKS)


def role_problems(values: Mapping[str, Any]) -> List[str]:
    """Return the problems of the role's settings: those of the configuration, and those that only the role reads."""
    return _problems(values, dict(DEFAULTS, **ROLE_DEFAULTS), dict(CHECKS, **ROLE_CHECKS))


def removal_problems(values: Mapping[str, Any]) -> List[str]:
    """Return the problems of the settings that a removal reads."""
    defaults = dict(DEFAULTS, **ROLE_DEFAULTS)
    checks = dict(CHECKS, **ROLE_CHECKS)
    return _problems(
        {name: values[name] for name in REMOVAL if name in values},
        {name: defaults[name] for name in REMOVAL},
        {name: checks[name] for name in REMOVAL if name in checks},
    )


def _problems(values: Mapping[str, Any], defaults: Mapping[str, Any], checks: Mapping[str, Any]) -> List[str]:
    """Return one problem for each value of the wrong type, and the problems that the checks of the others find."""
    merged = dict(defaults, **values)
    if "webhook_url" in merged and merged["webhook_url"] is None:
        merged["webhook_url"] = ""  # both mean: not set
    found = {name: _type_problem(name, merged[name], defaults[name]) for name in defaults}
    wrong = {name: problem for name, problem in found.items() if problem}
    # These get no further check. Their defaults replace them, so that the checks of the others can read them.
    merged.update((name, defaults[name]) for name in wrong)
    sound = [check for name, check in checks.items() if name not in wrong and INSTEAD.get(name) not in wrong]
    return list(wrong.values()) + [problem for check in sound for problem in check(merged)]


def cron_time(heartbeat_time: str) -> str:
    """Return a heartbeat's time as the first five fields of a line of crontab(5). Raise ValueError if it is invalid."""
    match = HEARTBEAT_TIME.match(heartbeat_time)
    if not match:
        raise ValueError(heartbeat_time + " is no time for a heartbeat")
    days = ",".join(str(DAYS[day]) for day in match.group("days").split(",")) if match.group("days") else "*"
    return f"{int(match.group('minute'))} {int(match.group('hour'))} * * {days}"


def is_loopback(host: str) -> bool:
    """Return whether a host name or an address always means this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _webhook(values: Mapping[str, Any]) -> Iterator[str]:
    url = values["webhook_url"]
    name = PREFIX + "webhook_url"
    if url == "" and values["channels"]:
        return
    if url == "":
        yield (
            name + " is not set: create an incoming webhook in Slack, encrypt its URL with `ansible-vault"
            " encrypt_string`, and put it into group_vars; or set " + PREFIX + "channels"
        )
        return
    wrong = url_problem(url, values["allow_http"], "copy the webhook's URL as Slack shows it") or not_incoming(url)
    if wrong:
        yield f"{name} {wrong}"


def url_problem(url: str, allow_http: bool, mend: str) -> str:
    """Return what is wrong with a secret URL, without showing any part of it; "" if it is valid.

    mend: what to do if it does not look like a URL
    """
    if not all("!" <= character <= "~" for character in url):
        return (
            "contains a space, a line break or another character that no URL has: encrypt the bare URL again"
            " (pipe it from `printf %s`, not from `echo`)"
        )
    parts = URL.match(url)
    if not parts or not is_host(parts.group("host")) or not _is_port(parts.group("port") or "443"):
        return f"must start with https:// and a host name, 1 to 63 characters between its dots: {mend}"
    if parts.group("scheme") == "http" and allow_http is not True and not is_loopback(parts.group("host").strip("[]")):
        return (
            "starts with plain http://, so anyone on the way can read it and use it: use https://, or set"
            f" {PREFIX}allow_http: true for a relay on a network that you trust"
        )
    return ""


def not_incoming(url: str) -> str:
    """Return why a URL of Slack is not an incoming webhook; "" if it is one, or if it is not Slack's."""
    parts = URL.match(url)
    host = parts.group("host").rstrip(".").lower() if parts else ""
    if not parts or not ("." + host).endswith(SLACK_DOMAINS):
        return ""
    path = parts.group("path")
    if host in SLACK_HOSTS and INCOMING.match(path):
        return ""
    what = "is another URL of Slack and not an incoming webhook"
    if path.startswith(WORKFLOWS):
        what = "is the webhook of a workflow, which takes variables instead of messages, and not an incoming webhook"
    elif host in SLACK_HOSTS and path.startswith("/services/"):
        what = "does not have three parts after /services/, so it is incomplete and not an incoming webhook"
    return what + ": create an incoming webhook, and copy its URL as Slack shows it"


def is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_port(port: str) -> bool:
    return len(port) < 6 and 0 < int(port) < 65536


def kind(value: Any) -> str:
    """Return the type of a value in words that YAML users know, without showing the value."""
    names = (
        (type(None), "null"),
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number with a fraction"),
        (str, "text" if value else "an empty text"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
    )  # type: Any
    found = next((name for types, name in names if isinstance(value, types)), "")
    return found or ("a date" if hasattr(value, "isoformat") else "of another type")


def _type_problem(name: str, value: Any, default: Any) -> str:
    """Return the problem that a value has another type than its default; "" if the type is the same."""
    if isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool):
        return ""
    example = EXAMPLES.get(name) or _in_yaml(default)
    return f"{PREFIX}{name} is {kind(value)}, and must be {TYPE_NAMES[type(default)]}: write {example}"


def _in_yaml(value: Any) -> str:
    if isinstance(value, bool):
        return "it without quotes"
    return "[{}]".format(", ".join(value)) if isinstance(value, list) else str(value)


def _state(values: Mapping[str, Any]) -> Iterator[str]:
    if values["state"] not in STATES:
        yield f"{PREFIX}state is neither present nor absent: write one of them"


def _proxy(values: Mapping[str, Any]) -> Iterator[str]:
    if not values["proxy"]:
        return
    parts = PROXY.match(values["proxy"])
    if not (parts and is_host(parts.group("host")) and _is_port(parts.group("port") or "0")):
        yield (
            f"{PREFIX}proxy is not http://host:port or http://user:password@host:port: write it so, without a path, and"
            " percent-encode what is not a letter or a digit in the user and the password, as %40 for @"
        )


def _ca_file(values: Mapping[str, Any]) -> Iterator[str]:
    if values["ca_file"] and not values["ca_file"].startswith("/"):
        yield f"{PREFIX}ca_file is not an absolute path: give the path of a PEM file on the host"


def _in_limits(name: str) -> Any:
    def check(values: Mapping[str, Any]) -> Iterator[str]:
        if values[name] < LEAST[name]:
            yield f"{PREFIX}{name} is less than {LEAST[name]}: set it to {LEAST[name]} or more"
        if values[name] > MOST.get(name, values[name]):
            yield f"{PREFIX}{name} is more than {MOST[name]}: set it to {MOST[name]} or less"

    return check


def _pam_services(values: Mapping[str, Any]) -> Iterator[str]:
    services = values["pam_services"]
    if not services or not all(_matches(PAM_SERVICE, service) for service in services):
        yield f"{PREFIX}pam_services must name files in /etc/pam.d, at least one: write [sshd], for example"


def _accept(values: Mapping[str, Any]) -> Iterator[str]:
    if not all(entry in ACCEPTABLE for entry in values["accept"]):
        yield "{}accept has an unknown value: use only {}".format(PREFIX, ", ".join(ACCEPTABLE))


def people_by_fingerprint(people: Mapping[str, str]) -> Dict[str, str]:
    """Return the map of people with each public key and each line of authorized_keys replaced by its fingerprint."""
    return {fingerprint_of(entry) or entry: people[entry] for entry in people}


def fingerprint_of(entry: str) -> str:
    """Return the fingerprint of a public key or of a line of authorized_keys; "" if the entry is neither."""
    from . import authorized_keys  # most maps have only fingerprints

    if entry.startswith("SHA256:") or len(entry) > LONGEST_LINE:
        return ""
    try:
        key = authorized_keys.parse(entry.encode("utf-8", "backslashreplace"))
    except authorized_keys.MalformedError:
        return ""
    return key.fingerprint if key else ""


def _people(values: Mapping[str, Any]) -> Iterator[str]:
    people = values["people"]
    if not isinstance(people, Mapping):
        return
    entries = [str(key) for key in people if not _matches(FINGERPRINT, key)]
    certificates = [entry for entry in entries if entry.startswith("SHA256:") and " " in entry]
    wrong = [entry for entry in entries if entry not in certificates and not fingerprint_of(entry)]
    if wrong:
        mend = FINGERPRINT_MEND + ", or the whole line of authorized_keys or of key.pub"
        yield f"{PREFIX}people has {_listed(wrong)}, which is neither a fingerprint nor a public key: {mend}"
    keys = [entry if entry in certificates else fingerprint_of(entry) or entry for entry in map(str, people)]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        yield f"{PREFIX}people has {_listed(twice)} more than once: give each key one name"
    for what, mend in map(login_rules.parts, map(certificate_patterns.problem, certificates)):
        if what:
            yield f"{PREFIX}people has an entry that cannot be compared, because {what}: {mend}"
    if not all(_matches(PERSON, name) for name in people.values()):
        yield f"{PREFIX}people has a name that is empty, is not text or has several lines: write it in one line"


def _ignore(values: Mapping[str, Any]) -> List[str]:
    return login_rules.ignore_problems(values["ignore"], values["people"], values["pam_services"])


def _mentions(values: Mapping[str, Any]) -> List[str]:
    return login_rules.mentions_problems(values["mentions"], values["people"], values["pam_services"])


def _channels(values: Mapping[str, Any]) -> List[str]:
    if not values["channels"]:
        return []
    from . import channel_settings  # most hosts have only the webhook

    return channel_settings.problems(values)


def _labels(values: Mapping[str, Any]) -> Iterator[str]:
    labels = values["labels"]
    wrong = [str(name) for name in labels if not _matches(LABEL, name)]
    if wrong:
        yield f"{PREFIX}labels has the name {_listed(wrong)}: use lower-case letters, digits, _ and -, at most 32"
    if not all(_matches(PERSON, value) and len(value) <= LONGEST_LABEL for value in labels.values()):
        mend = f"write one line of 1 to {LONGEST_LABEL} characters, and numbers in quotes"
        yield f"{PREFIX}labels has a value that is empty, too long or not text: {mend}"
    if len(labels) > MOST_LABELS:
        yield f"{PREFIX}labels has more than {MOST_LABELS} entries: name only what a reader of alerts needs"


def _link(values: Mapping[str, Any]) -> Iterator[str]:
    wrong = link_template.problem(values["link"]) if values["link"] else ""
    if wrong:
        yield f"{PREFIX}link {wrong}"


def _geo_database(values: Mapping[str, Any]) -> Iterator[str]:
    paths = values["geo_database"]
    if paths and not all(path.startswith("/") for path in paths.split(":")):
        yield f"{PREFIX}geo_database is not an absolute path: give the path of an MMDB file, or several with : between"


def _metrics_file(values: Mapping[str, Any]) -> Iterator[str]:
    if values["metrics_file"] and not METRICS_FILE.match(values["metrics_file"]):
        mend = "give an absolute path of letters, digits, `.`, `_` and `-` in an existing directory"
        yield f"{PREFIX}metrics_file is not the path of a file that ends in .prom: {mend}"


def _language(values: Mapping[str, Any]) -> Iterator[str]:
    if values["language"] not in LANGUAGES:
        yield "{}language is unknown: use one of {}".format(PREFIX, ", ".join(LANGUAGES))


def _heartbeat_ping(values: Mapping[str, Any]) -> Iterator[str]:
    url = values["heartbeat_ping_url"]
    wrong = url_problem(url, values["allow_http"], "copy it as its service shows it") if url else ""
    if wrong:
        yield f"{PREFIX}heartbeat_ping_url {wrong}"


def _heartbeat_time(values: Mapping[str, Any]) -> Iterator[str]:
    when, url = values["heartbeat_time"], values["heartbeat_ping_url"]
    if when and not HEARTBEAT_TIME.match(when):
        yield f"{PREFIX}heartbeat_time is not a time: write '08:30', or 'Mon,Thu 08:30', in quotes"
    if url and not when and not url_problem(url, values["allow_http"], ""):
        yield f"{PREFIX}heartbeat_ping_url is never requested without {PREFIX}heartbeat_time: set that as well"
    if when and not url and not values["heartbeat_message"]:
        yield (
            f"{PREFIX}heartbeat_time has no effect: set {PREFIX}heartbeat_ping_url, or leave"
            f" {PREFIX}heartbeat_message true"
        )


def _adopt_commands(values: Mapping[str, Any]) -> Iterator[str]:
    commands = values["adopt_commands"]
    if not all(_matches(COMMAND, command) for command in commands):
        yield (
            f"{PREFIX}adopt_commands has an entry that no PAM line can run: start each with an absolute path, without"
            " brackets, #, ^ and backslashes"
        )
    yield from _not_ourselves("adopt_commands", commands)


def _adopt_files(values: Mapping[str, Any]) -> Iterator[str]:
    files = values["adopt_files"]
    if not all(isinstance(path, str) and path.startswith("/") for path in files):
        yield f"{PREFIX}adopt_files has an entry that is no absolute path: write absolute paths"
    yield from _not_ourselves("adopt_files", files)


def _not_ourselves(name: str, entries: List[Any]) -> Iterator[str]:
    if any(PROGRAM in str(entry).split() for entry in entries):
        yield f"{PREFIX}{name} must not name the notifier itself, {PROGRAM}: name what it is to replace"


def _matches(pattern: Any, value: Any) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _listed(texts: List[str]) -> str:
    return ", ".join(repr(text) for text in texts)


# The check of each setting.
CHECKS = {
    "webhook_url": _webhook,
    "proxy": _proxy,
    "ca_file": _ca_file,
    "longest_silence": _in_limits("longest_silence"),
    "most_waiting": _in_limits("most_waiting"),
    "most_waiting_mib": _in_limits("most_waiting_mib"),
    "pam_services": _pam_services,
    "accept": _accept,
    "people": _people,
    "ignore": _ignore,
    "mentions": _mentions,
    "channels": _channels,
    "repeat_minutes": _in_limits("repeat_minutes"),
    "heartbeat_ping_url": _heartbeat_ping,
    "labels": _labels,
    "link": _link,
    "geo_database": _geo_database,
    "language": _language,
    "metrics_file": _metrics_file,
}  # type: Dict[str, Any]
ROLE_CHECKS = {
    "state": _state,
    "heartbeat_time": _heartbeat_time,
    "adopt_commands": _adopt_commands,
    "adopt_files": _adopt_files,
}  # type: Dict[str, Any]
