# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys and values that a rule for logins can have (docs/rules.md). On the host, rules.py compares it with logins.

A rule is a mapping. A login must match all of its keys, and each value as a whole. Patterns are allowed only for the
names in a certificate: the rule names the certificate's authority too, and only that authority chooses these names.
Anywhere else, a pattern could match something that an attacker chooses: the name of a program, of a new account, or of
a group.

A problem reads ``what is wrong: what to do``, without a full stop.
"""

import re
from typing import Any, Dict, List, Mapping, Tuple  # noqa: F401 - Dict, for a type comment

from . import certificate_patterns, client_networks, login_times, login_types, weights

# Each of these has one value, or a list of values of which one must match.
LISTS = (
    "user", "group", "from", "key", "person", "certificate", "type", "command", "service", "hours", "weight",
)  # fmt: skip
KEYS = (*LISTS, "until", "reason")
# The settings that have rules. Each channel has lists of rules as well.
IGNORE, MENTIONS_SETTING = "ssh_login_notify_ignore", "ssh_login_notify_mentions"
# The additional key of a rule in `mentions`. The forms are Slack's (docs.slack.dev, "Formatting message text").
MENTION = "mention"
MENTIONS = re.compile(r"<(?:!here|!channel|@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+)>\Z")
# These keys do not narrow a rule: with nothing else, it would match every light login.
NAME_NO_LOGIN = ("weight", "until", "reason")
# These keys identify whose login it is. A user can choose the name of a program, but none of these.
WHOSE = ("user", "group", "from", "key", "person", "certificate")
TYPES = (
    login_types.INTERACTIVE,
    login_types.COMMAND,
    login_types.SFTP_OR_SCP,
    login_types.SCP,
    login_types.RSYNC,
    login_types.GIT,
    login_types.TUNNEL,
    login_types.UNKNOWN,
    login_types.PAM_SESSION,
    login_types.COMMAND_OVER,
    login_types.SOMETHING_OVER,
    login_types.TERMINAL_OVER,
)
SSHD = "sshd"
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
FINGERPRINT_MEND = "copy it from `ssh-keygen -lf key.pub`, SHA256: and 43 characters"
PAM_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")
# The names that an alert shows (command_line.py on the host, _is_showable).
COMMAND = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,39}\Z")


def named(rule: "Mapping[str, Any]", key: str) -> "List[Any]":
    """Return the values that a rule has for a key, as a list. It is empty if the rule does not have the key."""
    value = rule.get(key, [])
    return list(value) if isinstance(value, (list, tuple)) else [value]


def ignore_problems(
    rules: "List[Any]", people: "Mapping[str, Any]", services: "List[Any]", where: str = IGNORE
) -> "List[str]":
    """Return what is wrong with the rules of `ignore`, each problem with the rule's number.

    people, services: the settings `people` and `pam_services`. where: name of the list that has the rules
    """
    found = _numbered(where, [_problem(rule, people) or _breadth(rule, services) for rule in rules])
    return found or _together(where, rules, services)


def only_problems(rules: "List[Any]", people: "Mapping[str, Any]", services: "List[Any]", where: str) -> "List[str]":
    """Return what is wrong with the rules of a channel's `only`."""
    return _numbered(where, [_picking_problem(rule, people, services) for rule in rules])


def mentions_problems(rules: "List[Any]", people: "Mapping[str, Any]", services: "List[Any]") -> "List[str]":
    """Return what is wrong with the rules of `mentions`."""
    return _numbered(MENTIONS_SETTING, [_mention_problem(rule, people, services) for rule in rules])


def without_reason(rules: "List[Any]") -> "List[str]":
    """Return one sentence that names the rules of `ignore` without a reason, or an empty list if all have one."""
    numbers = [number for number, rule in enumerate(rules, 1) if "reason" not in rule]
    have = "has" if len(numbers) == 1 else "have"
    why = f"{_rules(IGNORE, numbers)} {have} no reason, which the next release requires"
    return [f"{why}: write `reason: why these logins need no message`"] if numbers else []


def weightless_root(rules: "List[Any]") -> "List[str]":
    """Return a sentence for each rule of `ignore` that names root but not its weight, so it ignores no root login."""
    return [
        f"{_rules(IGNORE, [number])} names root without `weight: root`, and ignores no login of root: add the weight"
        for number, rule in enumerate(rules, 1)
        if "root" in named(rule, "user") and weights.ROOT not in named(rule, "weight")
    ]


def ended(rules: "List[Any]", now: float) -> "List[str]":
    """Return a sentence for each rule of `ignore` whose last day is over.

    now: in seconds since the epoch
    """
    return [
        f"{_rules(IGNORE, [number])} ended on {rule['until']} and matches no login any more: remove it, or write a"
        " later date"
        for number, rule in enumerate(rules, 1)
        if "until" in rule and login_times.is_over(rule["until"], now)
    ]


def _rules(where: str, numbers: "List[int]") -> str:
    return f"rule{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} of {where}"


def _numbered(where: str, problems: "List[str]") -> "List[str]":
    return [f"{_rules(where, [number])} {problem}" for number, problem in enumerate(problems, 1) if problem]


def _mention_problem(rule: "Any", people: "Mapping[str, Any]", services: "List[Any]") -> str:
    mention = rule.get(MENTION) if isinstance(rule, Mapping) else None
    if not isinstance(mention, str) or not MENTIONS.match(mention):
        return "mentions nobody: write mention: '<!here>', '<!channel>', '<@U…>' or '<!subteam^S…>', in quotes"
    bare = {key: value for key, value in rule.items() if key != MENTION}
    return _picking_problem(bare, people, services)


def _picking_problem(rule: "Any", people: "Mapping[str, Any]", services: "List[Any]") -> str:
    """Return what is wrong with a rule that selects logins. A weight makes it narrow enough: most logins have none."""
    return _problem(rule, people) or ("" if "weight" in rule else _breadth(rule, services))


def _problem(rule: "Any", people: "Mapping[str, Any]") -> str:
    """Return what is wrong with the keys and values of a rule. How much it matches is not checked here."""
    if not isinstance(rule, Mapping):
        return "is not a mapping: write it as {user: backup, reason: the nightly backup}"
    unknown = [key for key in rule if key not in KEYS]
    if unknown:
        return "has the unknown key {}: use only {}".format(_listed(unknown), ", ".join(KEYS))
    for key in rule:
        values = named(rule, key) if key in LISTS else [rule[key]]
        if not values or not all(isinstance(value, str) and value for value in values):
            or_list = ", or a list of texts" if key in LISTS else ""
            return f"has a value for {key} that is empty or is not text: write it as text, in quotes{or_list}"
        found = next(filter(None, (CHECKS[key](key, value) for value in values)), "")
        if found:
            return str(found)
    strangers = [name for name in named(rule, "person") if name not in people.values()]
    if strangers:
        return f"has the person {_listed(strangers)}, who is not in ssh_login_notify_people: copy a name from there"
    return _command_problem(rule) if "command" in rule else ""


def _command_problem(rule: "Mapping[str, Any]") -> str:
    if "type" in rule and login_types.COMMAND not in named(rule, "type"):
        return f"has a command, but a type without commands: leave out the type, or write {login_types.COMMAND}"
    if not any(key in rule for key in WHOSE):
        return (
            "has a command, but nothing about who logs in, and any user can give a program this name: add one of"
            f" {', '.join(WHOSE)}"
        )
    return ""


def _breadth(rule: "Mapping[str, Any]", services: "List[Any]") -> str:
    """Return a problem if a rule matches every light login, else ""."""
    if _narrowing(rule, services):
        return ""
    keys = ", ".join(key for key in KEYS if key not in NAME_NO_LOGIN)
    if not rule:
        return f"has no keys, so it matches every login: give it at least one of {keys}"
    return f"matches every login, despite {', '.join(rule)}: match fewer logins there, or add one of {keys}"


def _narrowing(rule: "Mapping[str, Any]", services: "List[Any]") -> "List[str]":
    """Return the keys of a rule that exclude some logins."""
    return [key for key in rule if _narrows(key, named(rule, key), services)]


def _narrows(key: str, values: "List[Any]", services: "List[Any]") -> bool:
    if key == "from":
        return not client_networks.cover_all(values)
    if key == "hours":
        return not login_times.cover_the_week(values)
    if key == "type":
        return not set(TYPES) - {login_types.PAM_SESSION} <= set(values)
    if key == "service":
        return SSHD not in values and not all(service in values for service in services)
    return key not in NAME_NO_LOGIN


def _together(where: str, rules: "List[Any]", services: "List[Any]") -> "List[str]":
    """Return a problem for each key whose parts, spread over several rules, together match every light login."""
    found = []
    for key in ("from", "hours", "type"):
        parts = [number for number, rule in enumerate(rules, 1) if _narrowing(rule, services) == [key]]
        values = [value for number in parts for value in named(rules[number - 1], key)]
        if parts and not _narrows(key, values, services):
            found.append(f"{_rules(where, parts)} together match every login by {key}: narrow one of them")
    return found


def _whole(key: str, value: str) -> str:
    """Return a problem if a value is a pattern, or contains characters that no name has; else ""."""
    if certificate_patterns.looks_like_pattern(value):
        return (
            f"has the pattern {value!r} for {key}, but only the names in a certificate are compared with patterns:"
            f" write the whole {key}, or a list of them"
        )
    if value != value.strip() or not value.isprintable():
        return f"has the {key} {value!r}, which no login has: write it without line breaks and without spaces around it"
    return ""


def _type(key: str, value: str) -> str:
    if value in TYPES:
        return ""
    return _whole(key, value) or "has the unknown type {!r}: use one of {}".format(value, ", ".join(TYPES))


def _key(key: str, value: str) -> str:
    if FINGERPRINT.match(value):
        return ""
    return _whole(key, value) or f"has the key {value!r}, which is not a fingerprint: {FINGERPRINT_MEND}"


def _command(key: str, value: str) -> str:
    if COMMAND.match(value):
        return ""
    mend = "write the name of a program as an alert shows it, without a path, arguments and `and more`"
    return _whole(key, value) or f"has the command {value!r}, which no alert shows: {mend}"


def _service(key: str, value: str) -> str:
    if PAM_SERVICE.match(value):
        return ""
    return _whole(key, value) or f"has the service {value!r}, which is not a file name: name a file in /etc/pam.d"


def _weight(_key: str, value: str) -> str:
    if value in weights.WEIGHTS:
        return ""
    return "has the unknown weight {!r}: use only {}".format(value, ", ".join(weights.WEIGHTS))


def _reason(_key: str, value: str) -> str:
    return "" if value.isprintable() and value.strip() else "has a reason that is blank or not one line: write one line"


def _by(problem: "Any", what: str) -> "Any":
    """Return a check based on a function that returns `what is wrong; what to do`."""

    def check(_key: str, value: str) -> str:
        wrong, mend = parts(problem(value))
        return f"cannot compare {what}, because {wrong}: {mend}" if wrong else ""

    return check


def parts(problem: str) -> "Tuple[str, str]":
    """Split a sentence `what is wrong; what to do` into its two parts. Both are empty for an empty sentence."""
    what, _semicolon, mend = problem.rpartition("; ")
    return what, mend


def _listed(texts: "List[Any]") -> str:
    return ", ".join(repr(text) for text in texts)


CHECKS = {
    "user": _whole,
    "group": _whole,
    "from": _by(client_networks.problem, "an address"),
    "key": _key,
    "person": lambda _key, _value: "",
    "certificate": _by(certificate_patterns.problem, "a certificate"),
    "type": _type,
    "command": _command,
    "service": _service,
    "hours": _by(login_times.hours_problem, "the hours"),
    "until": _by(login_times.date_problem, "the date"),
    "weight": _weight,
    "reason": _reason,
}  # type: Dict[str, Any]
