# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the settings: which values the role takes on the controller, and the notifier on the host.

The names of settings are those of the role's variables without their prefix. A problem reads ``what is wrong: what to
do``, without a full stop. No problem shows a secret.
"""

import ipaddress
import re
from typing import Any, Dict, Iterator, List, Mapping  # noqa: F401 - Dict, for type comments

from . import client_networks, login_types

PREFIX = "ssh_login_notify_"
# What the notifier's configuration holds. Only the webhook has no default.
DEFAULTS = {
    "webhook_url": "",
    "host_label": "",
    "allow_http": False,
    "ca_file": "",
    "proxy": "",
    "people": {},
    "ignore": [],
    "pam_services": ["sshd"],
    "accept": [],
    "heartbeat_message": True,
    "heartbeat_ping_url": "",
    "longest_silence": 0,
    "most_waiting": 10000,
    "most_waiting_mib": 64,
}  # type: Dict[str, Any]
PROGRAM = "/usr/local/bin/ssh-login-notify"
# What only the role reads.
ROLE_DEFAULTS = {"heartbeat_time": "", "adopt_commands": [], "adopt_files": []}  # type: Dict[str, Any]
ACCEPTABLE = ("user_environment", "managed_file", "writable_directories")
RULE_KEYS = ("user", "from", "key", "type")
TYPES = (
    login_types.INTERACTIVE,
    login_types.COMMAND,
    login_types.SFTP_OR_SCP,
    login_types.SCP,
    login_types.RSYNC,
    login_types.GIT,
    login_types.TUNNEL,
    login_types.UNKNOWN,
    login_types.COMMAND_OVER,
    login_types.SOMETHING_OVER,
    login_types.TERMINAL_OVER,
)
TYPE_NAMES = {str: "text", bool: "true or false", dict: "a mapping", list: "a list", int: "a whole number"}
LEAST = {"longest_silence": 0, "most_waiting": 1, "most_waiting_mib": 1}
# Slack's hosts for webhooks, and the paths of those that take messages and of those that start a workflow.
SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
INCOMING = "/services/"
WORKFLOWS = ("/triggers/", "/workflows/")

# Labels of 1 to 63 characters (RFC 1035, 2.3.4), or an IPv6 address in brackets. No user and no password: both would be
# shown with the host's name, and neither would be used.
HOST_AND_PORT = r"(?P<host>[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]*))?"
URL = re.compile(r"(?P<scheme>https?)://" + HOST_AND_PORT + r"(?P<path>(?:[/?].*)?)\Z")
# User information as of RFC 3986, 3.2.1; RFC 7617, 2 allows no colon in the user's name.
PROXY = re.compile(
    r"http://(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%(?!3[Aa])[0-9A-Fa-f]{2})+:"
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?" + HOST_AND_PORT + r"/?\Z"
)
PAM_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
FINGERPRINT_MEND = "copy it from `ssh-keygen -lf key.pub`, SHA256: and 43 characters"
# A command of a PAM line, and a path: neither may hold what would change the meaning of a line.
COMMAND = re.compile(r"/[^\]\[#^\\]+\Z")
# crontab(5) takes numbers in a list of days, and no names.
DAYS = {"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6}
HEARTBEAT_TIME = re.compile(
    r"(?:(?P<days>{day}(?:,{day})*) )?(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])\Z".format(
        day="(?:{})".format("|".join(DAYS))
    )
)


def problems(values: Mapping[str, Any]) -> List[str]:
    """Return what is wrong with the values of a configuration. Those that are missing have their defaults."""
    values = dict(DEFAULTS, **values)
    return [problem for check in CHECKS for problem in check(values)]


def role_problems(values: Mapping[str, Any]) -> List[str]:
    """Return what is wrong with the role's settings: the configuration's, and those that only the role reads."""
    values = dict(dict(DEFAULTS, **ROLE_DEFAULTS), **values)
    return problems(values) + [problem for check in ROLE_CHECKS for problem in check(values)]


def cron_time(heartbeat_time: str) -> str:
    """Return a heartbeat's time as the first five fields of a line of crontab(5). Raises ValueError."""
    match = HEARTBEAT_TIME.match(heartbeat_time)
    if not match:
        raise ValueError(heartbeat_time + " is no time for a heartbeat")
    days = ",".join(str(DAYS[day]) for day in match.group("days").split(",")) if match.group("days") else "*"
    return f"{int(match.group('minute'))} {int(match.group('hour'))} * * {days}"


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address can only be this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _webhook(values: Mapping[str, Any]) -> Iterator[str]:
    url = values["webhook_url"]
    name = PREFIX + "webhook_url"
    if url is None or url == "":
        yield (
            name + " is not set: create an incoming webhook in Slack, encrypt its URL with `ansible-vault"
            " encrypt_string`, and put it into group_vars"
        )
        return
    wrong = _url_problem(url, values["allow_http"], "copy the webhook's URL as Slack shows it") or _not_incoming(url)
    if wrong:
        yield f"{name} {wrong}"


def _url_problem(url: Any, allow_http: Any, mend: str) -> str:
    """Return what is wrong with a secret URL, without showing any of it; "" if nothing is."""
    if not isinstance(url, str):
        return f"must be text, not {_kind(url)}: write the URL in quotes"
    if not all("!" <= character <= "~" for character in url):
        return (
            "contains a space, a line break or another character that no URL has: encrypt the bare URL again"
            " (pipe it from `printf %s`, not from `echo`)"
        )
    parts = URL.match(url)
    if not parts or not _is_host(parts.group("host")) or not _is_port(parts.group("port") or "443"):
        return f"must start with https:// and a host name, 1 to 63 characters between its dots: {mend}"
    if parts.group("scheme") == "http" and allow_http is not True and not is_loopback(parts.group("host").strip("[]")):
        return (
            "starts with plain http://, so anyone on the way can read it and use it: use https://, or set"
            f" {PREFIX}allow_http: true for a relay on a network that you trust"
        )
    return ""


def _not_incoming(url: str) -> str:
    """Return why an address of Slack's is no incoming webhook; "" if it is one, or not Slack's."""
    parts = URL.match(url)
    if not parts or parts.group("host").rstrip(".").lower() not in SLACK_HOSTS:
        return ""
    if parts.group("path").startswith(INCOMING):
        return ""
    what = "is another URL of Slack"
    if parts.group("path").startswith(WORKFLOWS):
        what = "is the webhook of a workflow, which takes variables instead of messages,"
    return what + " and not an incoming webhook: create an incoming webhook, and copy its URL as Slack shows it"


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_port(port: str) -> bool:
    return len(port) < 6 and 0 < int(port) < 65536


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "a mapping" if isinstance(value, Mapping) else "nothing" if value is None else "a list"


def _types(values: Mapping[str, Any]) -> Iterator[str]:
    for name, default in DEFAULTS.items():
        # The two secrets have a check of their own.
        if name not in ("webhook_url", "heartbeat_ping_url") and not _has_type_of(values[name], default):
            yield f"{PREFIX}{name} must be {TYPE_NAMES[type(default)]}: correct it"


def _has_type_of(value: Any, default: Any) -> bool:
    return isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)


def _proxy(values: Mapping[str, Any]) -> Iterator[str]:
    if not values["proxy"] or not isinstance(values["proxy"], str):
        return
    parts = PROXY.match(values["proxy"])
    if not (parts and _is_host(parts.group("host")) and _is_port(parts.group("port") or "0")):
        yield (
            f"{PREFIX}proxy is not http://host:port or http://user:password@host:port: write it so, without a path, and"
            " percent-encode what is not a letter or a digit in the user and the password, as %40 for @"
        )


def _ca_file(values: Mapping[str, Any]) -> Iterator[str]:
    if values["ca_file"] and not str(values["ca_file"]).startswith("/"):
        yield f"{PREFIX}ca_file is not an absolute path: give the path of a PEM file on the host"


def _numbers(values: Mapping[str, Any]) -> Iterator[str]:
    for name, least in LEAST.items():
        if isinstance(values[name], int) and values[name] < least:
            yield f"{PREFIX}{name} is less than {least}: set it to {least} or more"


def _pam_services(values: Mapping[str, Any]) -> Iterator[str]:
    services = values["pam_services"]
    if isinstance(services, list) and not (services and all(_matches(PAM_SERVICE, service) for service in services)):
        yield f"{PREFIX}pam_services must name files in /etc/pam.d, at least one: write [sshd], for example"


def _accept(values: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(values["accept"], list) and not all(entry in ACCEPTABLE for entry in values["accept"]):
        yield "{}accept has an unknown value: use only {}".format(PREFIX, ", ".join(ACCEPTABLE))


def _people(values: Mapping[str, Any]) -> Iterator[str]:
    people = values["people"]
    if not isinstance(people, Mapping):
        return
    wrong = [str(key) for key in people if not _matches(FINGERPRINT, key)]
    if wrong:
        yield f"{PREFIX}people has {_listed(wrong)}, which is not a fingerprint: {FINGERPRINT_MEND}"
    if not all(_matches(re.compile(r"[^\r\n]+\Z"), name) for name in people.values()):
        yield f"{PREFIX}people has a name that is empty, is not text or has several lines: write it in one line"


def _ignore(values: Mapping[str, Any]) -> Iterator[str]:
    rules = values["ignore"]
    for number, rule in enumerate(rules if isinstance(rules, list) else [], 1):
        wrong = _rule_problem(rule)
        if wrong:
            yield f"rule {number} of {PREFIX}ignore {wrong}"


def _rule_problem(rule: Any) -> str:
    keys = ", ".join(RULE_KEYS)
    if not isinstance(rule, Mapping) or not set(rule) <= set(RULE_KEYS):
        return f"has other keys than {keys}: correct them"
    if not rule:
        return f"has no keys, so it would silence every login: give it at least one of {keys}"
    if not all(isinstance(value, str) and value for value in rule.values()):
        return "has a value that is empty or is not text: write each value as text, in quotes"
    if "key" in rule and not FINGERPRINT.match(rule["key"]):
        return f"has the key {_listed([rule['key']])}, which is not a fingerprint: {FINGERPRINT_MEND}"
    if rule.get("type", TYPES[0]) not in TYPES:
        return "has an unknown type: use one of {}".format(", ".join(TYPES))
    what, _semicolon, mend = client_networks.problem(rule["from"]).partition("; ") if "from" in rule else ("", "", "")
    return f"cannot compare an address, since {what}: {mend}" if what else ""


def _heartbeat_ping(values: Mapping[str, Any]) -> Iterator[str]:
    url = values["heartbeat_ping_url"]
    wrong = _url_problem(url, values["allow_http"], "copy it as its service shows it") if url != "" else ""
    if wrong:
        yield f"{PREFIX}heartbeat_ping_url {wrong}"


def _heartbeat_time(values: Mapping[str, Any]) -> Iterator[str]:
    when, url = values["heartbeat_time"], values["heartbeat_ping_url"]
    # Without quotes, 08:30 is the number 510 to YAML.
    if when and not _matches(HEARTBEAT_TIME, when):
        yield f"{PREFIX}heartbeat_time is not a time: write '08:30', or 'Mon,Thu 08:30', in quotes"
    if url and not when:
        yield f"{PREFIX}heartbeat_ping_url is never asked without {PREFIX}heartbeat_time: set that, too"
    if when and not url and not values["heartbeat_message"]:
        yield (
            f"{PREFIX}heartbeat_time has no effect: set {PREFIX}heartbeat_ping_url, or leave"
            f" {PREFIX}heartbeat_message true"
        )


def _adoption(values: Mapping[str, Any]) -> Iterator[str]:
    commands, files = values["adopt_commands"], values["adopt_files"]
    if not all(_matches(COMMAND, command) for command in commands):
        yield (
            f"{PREFIX}adopt_commands has an entry that no PAM line can run: start each with an absolute path, without"
            " brackets, #, ^ and backslashes"
        )
    if not all(str(path).startswith("/") for path in files):
        yield f"{PREFIX}adopt_files has a relative path: write absolute paths"
    if any(PROGRAM in str(entry).split() for entry in list(commands) + list(files)):
        yield (
            f"{PREFIX}adopt_commands and {PREFIX}adopt_files must not name the notifier itself, {PROGRAM}: name what"
            " it is to replace"
        )


def _matches(pattern: Any, value: Any) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _listed(texts: List[str]) -> str:
    return ", ".join(repr(text) for text in texts)


CHECKS = (_types, _webhook, _proxy, _ca_file, _numbers, _pam_services, _accept, _people, _ignore, _heartbeat_ping)
ROLE_CHECKS = (_heartbeat_time, _adoption)
