# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose key it is, which logins need no message, and whom a message mentions.

login_rules.py says what a rule may name. All of it must match: each as a whole value, as a network, or as a pattern for
a whole value, never as a part of a text; and only what sshd, an authority or the host vouches for, apart from the type
and the command: the numeric address, no DNS name. What can't be found out does not match.
"""

from . import certificate_patterns, client_networks, groups, login_times, login_types
from .alert import LOGOUT, is_own
from .config import Configuration
from .login_rules import named
from .weights import ANOMALY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Set

    from .alert import Alert

    Rule = Dict[str, Any]

# Before and behind the name of a program in a type (command_line.py).
PROGRAM = ("SSH (command: ", ")")


def people(alert: "Alert", configuration: Configuration) -> "List[str]":
    """Return the names that the configuration gives for a login: one for each method that has one, in their order."""
    named = (person(method, configuration.people) for method in alert["methods"])
    return list(dict.fromkeys(name for name in named if name))


def person(method: "Dict[str, Any]", names: "Dict[str, str]") -> "Optional[str]":
    """Return the name that a map of people gives for a method of authentication, None for none.

    It is the one that says most: that of the key, else of its certificate's key id, a principal, the authority.
    """
    if method.get("fingerprint") in names:
        return names[method["fingerprint"]]
    holding = [entry for entry in names if certificate_patterns.holds(entry, method)]
    if holding:
        return names[max(holding, key=certificate_patterns.exactness)]
    return names.get(method.get("certificate", {}).get("ca"))


def is_ignored(alert: "Alert", configuration: Configuration, weights: "Iterable[str]" = ()) -> bool:
    """Tell whether a rule says that this login needs no message."""
    return ignoring_rule(alert, configuration, weights) > 0


def ignoring_rule(
    alert: "Alert", configuration: Configuration, weights: "Iterable[str]", ignore: "Optional[List[Rule]]" = None
) -> int:
    """Return the number of the first rule that says that this login needs no message, from 1 on; 0 if none does.

    weights: those of the login (weights.py); a note is always one. A rule ignores a heavy login only if its `weight`
    names each of them, so one without `weight` ignores no heavy login. A message about the notifier itself is never
    ignored. ignore: the rules, None for those of the setting
    """
    if is_own(alert):
        return 0
    heavy = _all_weights(alert, weights)
    for number, rule in enumerate(configuration.ignore if ignore is None else ignore, 1):
        if heavy.issubset(named(rule, "weight")) and _matches(rule, alert, configuration):
            return number
    return 0


def mentions(alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> "List[str]":
    """Return whom the message about a login mentions, as Slack writes it, each once, in the order of the rules.

    weights: those of the login. A rule with `weight` mentions somebody if the login has one of those that it names. The
    end of a connection mentions nobody.
    """
    if is_own(alert) or alert["about"] == LOGOUT:
        return []
    found = [rule["mention"] for rule in configuration.mentions if selects(rule, alert, configuration, weights)]
    return list(dict.fromkeys(found))


def selects(rule: "Rule", alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> bool:
    """Tell whether a rule of `mentions`, or of a channel's `only`, picks this login.

    weights: those of the login. With `weight`, the login must have one of those that the rule names.
    """
    heavy = _all_weights(alert, weights)
    return ("weight" not in rule or bool(heavy & set(named(rule, "weight")))) and _matches(rule, alert, configuration)


def _all_weights(alert: "Alert", weights: "Iterable[str]") -> "Set[str]":
    return set(weights) | ({ANOMALY} if alert["notes"] else set())


def _matches(rule: "Rule", alert: "Alert", configuration: Configuration) -> bool:
    return all(match(named(rule, key), alert, configuration) for key, match in MATCHES.items() if key in rule)


def _program(login_type: str) -> "Optional[str]":
    """Return the name of the program that a type names: `apt-get` of `SSH (command: apt-get)`; None for none."""
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


# By the keys of a rule that say what a login is: whether one matches what the rule names. In this order: only a login
# that matches all the rest is worth a look at the host's groups.
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
