# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose key it is, and which logins need no message.

A rule of `ignore` is a dictionary of `user`, `from` (see client_networks.py), `key` (a fingerprint), `certificate` (see
certificate_patterns.py) and `type` (the type without a program's name); a login is ignored when every one that the rule
gives matches. Each matches as a whole value, as a network or as a pattern for a whole value, never as a part of a text,
and only what sshd or an authority vouches for: the numeric address, no DNS name.
"""

from . import certificate_patterns, client_networks, settings
from .alert import is_own
from .config import Configuration
from .login_types import COMMAND
from .weights import ANOMALY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Set

    from .alert import Alert

    Rule = Dict[str, Any]


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


def ignoring_rule(alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> int:
    """Return the number of the first rule that says that this login needs no message, from 1 on; 0 if none does.

    weights: those of the login (weights.py); a note is always one. A rule ignores a heavy login only if its `weight`
    names each of them, so one without `weight` ignores no heavy login. A message about the notifier itself is never
    ignored.
    """
    if is_own(alert):
        return 0
    heavy = _all_weights(alert, weights)
    rules = enumerate(configuration.ignore, 1)
    return next((n for n, rule in rules if heavy <= _named(rule, "weight") and _matches(rule, alert)), 0)


def mentions(alert: "Alert", configuration: Configuration, weights: "Iterable[str]") -> "List[str]":
    """Return whom the message about a login mentions, as Slack writes it, each once, in the order of the rules.

    weights: those of the login. A rule with `weight` mentions somebody if the login has one of those that it names.
    """
    if is_own(alert):
        return []
    heavy = _all_weights(alert, weights)
    found = [
        rule["mention"]
        for rule in configuration.mentions
        if ("weight" not in rule or heavy & _named(rule, "weight")) and _matches(rule, alert)
    ]
    return list(dict.fromkeys(found))


def _all_weights(alert: "Alert", weights: "Iterable[str]") -> "Set[str]":
    return set(weights) | ({ANOMALY} if alert["notes"] else set())


def _named(rule: "Rule", key: str) -> "Set[str]":
    """Return the values that a key of a rule names, none if the rule does not have it."""
    return set(settings.named(rule[key])) if key in rule else set()


def _matches(rule: "Rule", alert: "Alert") -> bool:
    return (
        rule.get("user", alert["user"]) == alert["user"]
        and ("from" not in rule or client_networks.holds(rule["from"], alert["address"]))
        and ("key" not in rule or rule["key"] in _fingerprints(alert))
        and ("certificate" not in rule or _has_certificate(rule["certificate"], alert))
        and ("type" not in rule or rule["type"] == _plain_type(alert["type"]))
    )


def _has_certificate(text: str, alert: "Alert") -> bool:
    return any(certificate_patterns.holds(text, method) for method in alert["methods"])


def _plain_type(login_type: str) -> str:
    return COMMAND if login_type.startswith("SSH (command: ") else login_type


def _fingerprints(alert: "Alert") -> "List[str]":
    found = []
    for method in alert["methods"]:
        found.append(method.get("fingerprint"))
        found.append(method.get("certificate", {}).get("ca"))
    return [fingerprint for fingerprint in found if fingerprint]
