# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert as an event of the Open Cybersecurity Schema Framework, for the channel `json` with `format: ocsf`.

A login has the class Authentication (3002) and the activity Logon (1). A message about the notifier itself is a Base
Event (0). The attributes and their values are in schema.ocsf.io/1.3.0/classes/authentication and in
github.com/ocsf/ocsf-schema (dictionary.json, events/iam/authentication.json, objects/). `unmapped` has the whole entry
of the notifier's own document, because the schema lacks attributes for some of it.
"""

from . import VERSION, document, wording
from .alert import is_own
from .ecs import ip
from .login_types import INTERACTIVE
from .weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .alert import Alert
    from .config import Configuration

OCSF_VERSION = "1.3.0"
AUTHENTICATION, LOGON, IDENTITY_AND_ACCESS = 3002, 1, 3
BASE_EVENT, OTHER = 0, 99
SUCCESS = 1
INFORMATIONAL, LOW, MEDIUM, HIGH = 1, 2, 3, 4
SEVERITY_NAMES = {INFORMATIONAL: "Informational", LOW: "Low", MEDIUM: "Medium", HIGH: "High"}
SEVERITIES = {ANOMALY: HIGH, FAILURES: HIGH, UNKNOWN_KEY: MEDIUM, PASSWORD: MEDIUM, ROOT: LOW, FIRST: LOW}
# Logon types: 10 is Remote Interactive, 3 is Network.
REMOTE_INTERACTIVE, NETWORK = 10, 3
LOGON_NAMES = {REMOTE_INTERACTIVE: "Remote Interactive", NETWORK: "Network"}


def of(alert: "Alert", configuration: "Configuration", now: float) -> "Dict[str, Any]":
    """Return the event for an alert."""
    entry = document.entry(alert, configuration, now)
    severity = max([SEVERITIES[weight] for weight in entry["weights"]], default=INFORMATIONAL)
    found: Dict[str, Any] = {
        "category_uid": BASE_EVENT,
        "class_uid": BASE_EVENT,
        "class_name": "Base Event",
        "activity_id": OTHER,
        "activity_name": entry["about"],
        "type_uid": BASE_EVENT * 100 + OTHER,
        "severity_id": severity,
        "severity": SEVERITY_NAMES[severity],
        "time": int(alert["time"] * 1000),
        "message": wording.text(alert, configuration, now),
        "metadata": {
            "version": OCSF_VERSION,
            "uid": entry["id"],
            "logged_time": int(now * 1000),
            "product": {"name": "ssh-login-notify", "vendor_name": "loginwatch", "version": VERSION},
        },
        "unmapped": entry,
    }
    if not is_own(alert):
        found.update(_authentication(entry))
    return found


def _authentication(entry: "Dict[str, Any]") -> "Dict[str, Any]":
    source = entry["source"]
    logon_type = REMOTE_INTERACTIVE if entry["type"] == INTERACTIVE else NETWORK
    endpoint = {"ip": ip(source["address"]), "port": source["port"], "hostname": source["name"]}
    found = {
        "category_uid": IDENTITY_AND_ACCESS,
        "category_name": "Identity & Access Management",
        "class_uid": AUTHENTICATION,
        "class_name": "Authentication",
        "activity_id": LOGON,
        "activity_name": "Logon",
        "type_uid": AUTHENTICATION * 100 + LOGON,
        "status_id": SUCCESS,
        "status": "Success",
        "user": {"name": entry["user"] or "unknown"},
        "service": {"name": entry["service"] or "sshd"},
        "dst_endpoint": {"hostname": entry["host"]["hostname"], "name": entry["host"]["name"]},
        "src_endpoint": {name: value for name, value in endpoint.items() if value},
        "is_remote": bool(endpoint["ip"]),
        "is_mfa": len(entry["methods"]) > 1,
        "logon_type_id": logon_type,
        "logon_type": LOGON_NAMES[logon_type],
    }
    if entry["methods"]:
        # The schema has no numbers for sshd's methods.
        found["auth_protocol_id"] = OTHER
        found["auth_protocol"] = ", ".join(method["method"] for method in entry["methods"])
    if not found["src_endpoint"]:
        del found["src_endpoint"]  # the schema requires one of its attributes
    return found
