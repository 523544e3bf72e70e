# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a login: its user, its address, the key that it was made with, and its type.

A repeat (repeats.py) or a mute treats two logins as the same only if all facts that it compares are equal as a whole.
The text for a key is exact: a certificate is identified by its own key, its authority and its key id, and a password by
the name of the method.
"""

import hashlib

from . import certificate_patterns, client_networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

    from .alert import Alert

# Stands for unknown methods: of a login through an sshd before 7.6, or through another service.
NO_KEY = "not known"
# A longer text is replaced by its hash, because the signer of a certificate can choose any key id.
LONGEST = 300


def facts_of(alert: "Alert") -> "Dict[str, str]":
    """Return the facts that must all be equal in a repeat: `user`, `address`, `key`, `type`."""
    return {"user": alert["user"], "address": alert["address"], "key": key_of(alert), "type": alert["type"]}


def key_of(alert: "Alert") -> str:
    """Return one text for the keys and methods that a login was made with."""
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
    """Return a text for each method that stays the same when a certificate is renewed.

    A certificate's own key may change every day. So the text is the entry in the map of people that matches the
    certificate, because some authorities write a new key id into each one. Without such an entry, it is the authority
    and the key id.

    people: the keys of that map: fingerprints and certificate patterns
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
    """Return the network that a login came from: 203.0.113.0/24, 2001:db8::/48, else its address or its terminal."""
    return client_networks.around(alert["address"]) or alert["address"] or alert["terminal"] or NO_KEY
