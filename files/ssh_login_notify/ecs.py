# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert as an event of the Elastic Common Schema, for the channel `json` with `format: ecs`.

The names, types and allowed values are those of ECS 8.11 (github.com/elastic/ecs, generated/ecs/ecs_flat.yml). Facts
for which the schema has no field are in `loginwatch`, as ECS advises for custom fields: the entry of the notifier's
own document.
"""

import ipaddress

from . import VERSION, document, wording
from .alert import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .alert import Alert
    from .config import Configuration

ECS_VERSION = "8.11.0"
# event.severity is defined by the source: here the same as OCSF's severity_id.
LIGHT, HEAVY = 1, 4


def of(alert: "Alert", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return one event."""
    entry = document.entry(alert, configuration, now)
    event = {
        "kind": "alert" if entry["weights"] else "event",
        "category": ["host"],
        "type": ["info"],
        "action": entry["about"],
        "id": entry["id"],
        "module": "loginwatch",
        "dataset": "loginwatch." + entry["about"].replace("-", "_"),
        "severity": HEAVY if entry["weights"] else LIGHT,
        "created": document.iso(now),
    }
    reason = "; ".join([*entry["reasons"], *entry["notes"]])
    if reason:
        event["reason"] = reason
    found: Dict[str, Any] = {
        "@timestamp": entry["time"],
        "ecs": {"version": ECS_VERSION},
        "message": wording.text(alert, configuration, now),
        "event": event,
        "host": {"name": entry["host"]["name"], "hostname": entry["host"]["hostname"]},
        "observer": {"product": "ssh-login-notify", "vendor": "loginwatch", "version": VERSION},
        "tags": entry["weights"],
        "related": {"hosts": [entry["host"]["hostname"]]},
        "loginwatch": entry,
    }
    if not is_own(alert):
        event.update(category=["authentication", "session"], type=["start"], outcome="success")
        event["provider"] = entry["service"]
        found["user"] = {"name": entry["user"]}
        found["related"]["user"] = [entry["user"]]
        found["process"] = {"name": entry["service"]}
        _add_source(found, entry["source"])
    _add_context(found, entry["context"])
    return found


def _add_source(found: "Dict[str, Any]", source: "Dict[str, Any]") -> None:
    address = ip(source["address"])
    known = {"address": source["address"] or source["name"], "ip": address, "domain": source["name"]}
    found["source"] = {name: text for name, text in known.items() if text}
    if source["port"]:
        found["source"]["port"] = source["port"]
    if address:
        found["related"]["ip"] = [address]


def _add_context(found: "Dict[str, Any]", known: "Dict[str, Any]") -> None:
    """Add the facts about the host and the address for which the schema has a field."""
    if "labels" in known:
        found["labels"] = known["labels"]
    if "instance" in known:
        instance = {name: known["instance"][name] for name in ("id", "name") if known["instance"][name]}
        found["cloud"] = {"provider": "aws", "instance": instance, "region": known["instance"]["region"]}
        found["cloud"]["account"] = {"id": known["instance"]["account"]}
    network = known.get("network", {})
    source = found.setdefault("source", {}) if network else {}
    if network.get("country"):
        source["geo"] = {"country_name": network["country"]}
    if network.get("number"):
        source["as"] = {"number": network["number"]}
        if network["owner"]:
            source["as"]["organization"] = {"name": network["owner"]}


def ip(text: str) -> str:
    """Return an address without its zone, "" if the text is not an address (such as `local`)."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
