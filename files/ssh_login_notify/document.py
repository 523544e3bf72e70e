# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts for programs: a JSON document, for the channels `json` and `command`.

Its form is docs/schema/alerts-1.schema.json. Within a version, members are only added. A member that changes its
meaning needs a new version. Every member is always present. An unknown value is an empty text, an empty list or 0.
"""

import hashlib
from datetime import datetime, timezone

from . import VERSION as PROGRAM_VERSION
from . import context, rules, wording
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .alert import Alert
    from .config import Configuration

VERSION = 1
# The type of the event: words separated by full stops, as Standard Webhooks requires.
TYPE = "loginwatch.alerts"
# Copied from an alert unchanged: all of it has passed text.printable.
COPIED = ("id", "about", "follows", "was", "service", "user", "requester", "type", "notes")
SOURCE = ("address", "port", "name", "terminal")
METHOD = ("method", "key_type", "fingerprint", "principal", "client_user", "client_host", "detail")
CERTIFICATE = ("key_id", "serial", "ca")


def of(alerts: "List[Alert]", configuration: "Configuration", now: float, dropped: int = 0) -> "Dict[str, Any]":
    """Return the document about one or several alerts.

    now: seconds since the epoch. dropped: how many older alerts a limit has dropped
    """
    return {
        "version": VERSION,
        "type": TYPE,
        "timestamp": iso(now),
        "sender": {"name": "ssh-login-notify", "version": PROGRAM_VERSION},
        "dropped": dropped,
        "alerts": [entry(alert, configuration, now) for alert in alerts],
    }


def entry(alert: "Alert", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return one alert of a document."""
    found: Dict[str, Any] = {name: alert[name] for name in COPIED}
    found.update(
        time=iso(alert["time"]),
        host={"name": wording.server_name(alert, configuration), "hostname": alert["host"]},
        source={name: alert[name] for name in SOURCE},
        methods=[_method(method, configuration) for method in alert["methods"]],
        people=[printable(person) for person in rules.people(alert, configuration)],
        weights=list(alert.get("weights", ())),
        reasons=wording.reasons(alert, configuration.say),
        context=context.of(alert),
        links=[{"title": title, "url": url} for title, url in wording.links(alert, configuration)],
        headline=headline(alert, configuration, now),
        text=wording.text(alert, configuration, now),
    )
    return found


def _method(method: "Dict[str, Any]", configuration: "Configuration") -> "Dict[str, Any]":
    found: Dict[str, Any] = {name: method.get(name, "") for name in METHOD}
    found["signature_count"] = method.get("signature_count", 0)
    found["person"] = printable(rules.person(method, configuration.people) or "")
    certificate = method.get("certificate")
    found["certificate"] = {name: certificate[name] for name in CERTIFICATE} if certificate else None
    return found


def headline(alert: "Alert", configuration: "Configuration", now: float) -> str:
    """Return the headline of the message about an alert."""
    return str(wording.single(alert, configuration, now, lambda _text: True)[0])


def iso(seconds: float) -> str:
    """Return a time in UTC (RFC 3339): `2025-11-23T08:00:01.123Z`."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def id_of(alerts: "List[Alert]") -> str:
    """Return the id of a message about these alerts, the same for each attempt: letters, digits and `_`."""
    named = "\n".join([alerts[0]["host"], *sorted(alert["id"] for alert in alerts)])
    return "msg_" + hashlib.sha256(named.encode("utf-8", "backslashreplace")).hexdigest()[:32]
