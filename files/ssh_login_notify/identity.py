# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one login from another: its user, its address, the key it was made with, and its type.

Two logins are the same for a repeat (repeats.py) or a mute only if all that counts there is equal as a whole. The text
of a key is an exact one: a certificate is its own key and its authority, a password is the method's name.
"""

import hashlib

from . import certificate_patterns, client_networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

    from .alert import Alert

# In place of the methods of a login whose methods are unknown: an sshd before 7.6, or another service.
NO_KEY = "not known"
# A longer text stands as its hash: whoever signs a certificate chooses its key id.
LONGEST = 300


def facts_of(alert: "Alert") -> "Dict[str, str]":
    """Return all that has to be equal for two logins to be the same: `user`, `address`, `key`, `type`."""
    return {"user": alert["user"], "address": alert["address"], "key": key_of(alert), "type": alert["type"]}


def key_of(alert: "Alert") -> str:
    """Return the keys and the methods that a login was made with, in one text."""
    text = ", then ".join(map(_exact, alert["methods"])) or NO_KEY
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _exact(method: "Dict[str, Any]") -> str:
    words = [method["method"], method.get("fingerprint") or method.get("principal") or method.get("detail") or ""]
    certificate = method.get("certificate")
    if certificate:
        words += ["certificate of", certificate["ca"], "key id", certificate["key_id"]]
    words += [method[name] for name in ("client_user", "client_host") if name in method]
    return " ".join(word for word in words if word)


def keys_over_time(alert: "Alert", people: "Iterable[str]") -> "List[str]":
    """Return a text for each method that stays the same when certificates are renewed.

    A certificate is its authority and its key id, or the entry in the map of people that holds it, since some
    authorities write another key id into each certificate. Its own key may change every day.

    people: the entries of the map: fingerprints and certificate patterns
    """
    patterns = [entry for entry in people if " " in entry]
    return [_lasting(method, patterns) for method in alert["methods"]] or [NO_KEY]


def _lasting(method: "Dict[str, Any]", patterns: "List[str]") -> str:
    certificate = method.get("certificate")
    if not certificate:
        return str(method.get("fingerprint") or method["method"])
    holding = [entry for entry in patterns if certificate_patterns.holds(entry, method)]
    if holding:
        return max(holding, key=certificate_patterns.exactness)
    return "{ca} key id {key_id}".format(**certificate)


def network_of(alert: "Alert") -> str:
    """Return the network that a login came from: 203.0.113.0/24, 2001:db8::/48, or what is known instead of one."""
    return client_networks.around(alert["address"]) or alert["address"] or alert["terminal"] or NO_KEY
