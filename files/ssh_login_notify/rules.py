# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: whose key was used, which logins need no message, and whom a message mentions.

login_rules.py defines the keys of a rule. A rule matches if all its keys match: as a whole value, as a network, or as a
pattern for a whole value, never as a part of a text. Except for the type and the command, a rule uses only values that
sshd, a certificate authority or the host vouches for: the numeric address, but no DNS name. An unknown value does not
match.
"""

from . import certificate_patterns, client_networks, groups, login_times, login_types
from .alert import LOGOUT, MISSED, is_own
from .config import Configuration
from .login_rules import named
from .weights import ANOMALY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Set

    from .alert import Alert

    Rule = Dict[str, Any]

# The text before and after a program's name in a type (command_line.py).
PROGRAM = ("SSH (command: ", ")")


def people(alert: "Alert", configuration: Configuration) -> "List[str]":
    """Return the names in `people` for a login's authentication methods, in their order, each name once."""
    named = (person(method, configuration.people) for method in alert["methods"])
    return list(dict.fromkeys(name for name in named if name))


def person(method: "Dict[str, Any]", names: "Dict[str, str]") -> "Optional[str]":
    """Return the name in a map of people for an authentication method, None if there is none.

    The most specific entry counts: the key, then the certificate's key id, a principal, and the authority.
    """
    if method.get("fingerprint") in names:
        return names[method["fingerprint"]]
    holding = [entry for entry in names if certificate_patterns.holds(entry, method)]
    if holding:
        return names[max(holding, key=certificate_patterns.exactness)]
    return names.get(method.get("certificate", {}).get("ca"))


def is_ignored(alert: "Alert", configuration: Configuration, weights: "Iterable[str]" = ()) -> bool:
    """Return whether a rule ignores this login."""
    return ignoring_rule(alert, configuration, weights) > 0


def ignoring_rule(
    alert: "Alert", configuration: Configuration, weights: "Iterable[str]", ignore: "Optional[List[Rule]]" = None
) -> int:
    """Return the number of the first rule that ignores this login, counted from 1; 0 if there is none.

    A rule ignores a heavy login only if its `weight` names each weight of the login, so a rule without `weight` ignores
    no heavy login. Messages about the notifier itself are never ignored.

    weights: the login's (weights.py); a note always adds `anomaly`. ignore: the rules, None for those of the setting
    """
    if is_own(alert):
        return 0
    heavy = _all_weights(alert, weights)
    for number, rule in enumerate(configuration.ignore if ignore is None else ignore, 1):
        if heavy.issubset(named(rule, "weight")) and _matches(rule, alert, configuration):
            return number
    return 0


def mentions(alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> "List[str]":
    """Return the mentions for the message about a login, in Slack's notation, each once, in the order of the rules.

    A rule with `weight` applies if the login has one of the weights that it names. The end of a connection mentions
    nobody. weights: the login's
    """
    if alert["about"] == LOGOUT or (is_own(alert) and alert["about"] != MISSED):
        return []
    found = [rule["mention"] for rule in configuration.mentions if selects(rule, alert, configuration, weights)]
    return list(dict.fromkeys(found))


def selects(rule: "Rule", alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> bool:
    """Return whether a rule of `mentions`, or of a channel's `only`, matches this login.

    If the rule has `weight`, the login must have one of the weights that it names. weights: the login's
    """
    heavy = _all_weights(alert, weights)
    return ("weight" not in rule or bool(heavy & set(named(rule, "weight")))) and _matches(rule, alert, configuration)


def _all_weights(alert: "Alert", weights: "Iterable[str]") -> "Set[str]":
    return set(weights) | ({ANOMALY} if alert["notes"] else set())


def _matches(rule: "Rule", alert: "Alert", configuration: Configuration) -> bool:
    return all(match(named(rule, key), alert, configuration) for key, match in MATCHES.items() if key in rule)


def _program(login_type: str) -> "Optional[str]":
    """Return the program in a type, such as `apt-get` for `SSH (command: apt-get)`; None if it names none."""
    start, end = PROGRAM
    is_named = login_type.startswith(start) and login_type.endswith(end)
    return login_type[len(start) : -len(end)] if is_named else None


def _fingerprints(alert: "Alert") -> "List[str]":
    found = []
    for method in alert["methods"]:
        found.append(method.get("fingerprint"))
        found.append(method.get("certificate", {}).get("ca"))
    return [fingerprint for fingerprint in found if fingerprint]


def _has_address(networks: "List[str]", alert: "Alert") -> bool:
    return any(client_networks.holds(network, alert["address"]) for network in networks)


def _has_certificate(texts: "List[str]", alert: "Alert") -> bool:
    return any(certificate_patterns.holds(text, method) for text in texts for method in alert["methods"])


# By the keys of a rule that describe a login: whether a login matches the values in the rule. They are checked in this
# order. `group` is last, because a lookup in the host's groups takes time.
MATCHES: "Dict[str, Callable[[List[str], Alert, Configuration], bool]]" = {
    "until": lambda dates, alert, _: not any(login_times.is_over(date, alert["time"]) for date in dates),
    "user": lambda users, alert, _: alert["user"] in users,
    "service": lambda services, alert, _: alert["service"] in services,
    "type": lambda types, alert, _: login_types.plain(alert["type"]) in types,
    "command": lambda programs, alert, _: _program(alert["type"]) in programs,
    "key": lambda keys, alert, _: any(fingerprint in keys for fingerprint in _fingerprints(alert)),
    "from": lambda networks, alert, _: _has_address(networks, alert),
    "hours": lambda hours, alert, _: any(login_times.are_in_hours(text, alert["time"]) for text in hours),
    "certificate": lambda texts, alert, _: _has_certificate(texts, alert),
    "person": lambda names, alert, configuration: any(name in names for name in people(alert, configuration)),
    "group": lambda names, alert, _: groups.has_member(names, alert["user"]),
}
