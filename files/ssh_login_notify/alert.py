"""The finished alert: what is known of one login, in the form in which it waits in the spool (JSON).

Everything in it that came from outside has passed text.printable, so whoever shows it has only escaping left to do.
What depends on the configuration (the server's label, the people's names) is added when it is sent.
"""

import json
import os
import time

from . import authinfo
from .capture import Capture
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    Alert = Dict[str, Any]

VERSION = 1
# The PAM service of the test that goes the whole way (the module test_alert, `path: pam`), and what stands in the place
# of a service in alerts that tell of the notifier itself.
TEST_SERVICE = "ssh-login-notify-test"
HEARTBEAT_SERVICE = "ssh-login-notify-heartbeat"
WATCH_SERVICE = "ssh-login-notify-watch"
OWN_SERVICES = (TEST_SERVICE, HEARTBEAT_SERVICE, WATCH_SERVICE)
FIELDS: "Dict[str, Any]" = {
    "version": int,
    "id": str,
    "time": (int, float),
    "host": str,
    "service": str,
    "user": str,
    "address": str,
    "port": int,
    "name": str,
    "type": str,
    "methods": list,
    "notes": list,
    "follows": str,  # the id of the connection's first alert; empty for that one
    "was": str,  # the type that was reported of it before
}
# What an earlier version did not write; its alerts may wait in the spool when this one comes.
ADDED: "Dict[str, Any]" = {"follows": "", "was": ""}


def build(capture: Capture, kind: str) -> "Alert":
    """Return the alert for a login of a kind (see kind.py)."""
    address, port = _peer(capture.get(b"SSH_CONNECTION"))
    name = printable(capture.get(b"PAM_RHOST"))
    return {
        "version": VERSION,
        "id": capture.name,
        "time": capture.time,
        "host": printable(os.uname().nodename),
        "service": printable(capture.get(b"PAM_SERVICE")),
        "user": printable(capture.get(b"PAM_USER")),
        "address": address,
        "port": port,
        # With `UseDNS yes` sshd gives the name that the peer's DNS claims: shown beside the address, never instead.
        "name": "" if name in (address, "UNKNOWN") else name,
        "type": kind,
        "methods": authinfo.parse(capture.get(b"SSH_AUTH_INFO_0")),
        "notes": capture.notes,
        "follows": "",
        "was": "",
    }


def following(reported: "Alert", kind: str) -> "Alert":
    """Return the alert of a connection that was reported, and has shown something more serious since."""
    now = time.time()
    return dict(
        reported,
        id=f"{now:017.6f}-{os.getpid()}",
        time=now,
        type=kind,
        follows=reported["follows"] or reported["id"],
        was=reported["type"],
    )


def own(service: str, notes: "List[str]") -> "Alert":
    """Return an alert about the notifier itself, which is nobody's login.

    service: one of OWN_SERVICES. notes: sentences, what is wrong or was.
    """
    now = time.time()
    what = service.rpartition("-")[2]
    return {
        "version": VERSION,
        "id": f"{now:017.6f}-{os.getpid()}",
        "time": now,
        "host": printable(os.uname().nodename),
        "service": service,
        "user": what,
        "address": "",
        "port": 0,
        "name": "this host",
        "type": what,
        "methods": [],
        "notes": notes,
        "follows": "",
        "was": "",
    }


def is_own(alert: "Alert") -> bool:
    """Tell whether an alert is about the notifier itself."""
    return alert["service"] in OWN_SERVICES


def to_json(alert: "Alert") -> bytes:
    """Return the alert as it waits in the spool."""
    return json.dumps(alert, sort_keys=True).encode("ascii") + b"\n"


def from_json(raw: bytes) -> "Alert":
    """Return an alert from the spool; raise ValueError, in words for a person, for anything else."""
    try:
        alert = json.loads(raw.decode("utf-8"))
    except ValueError:
        raise ValueError("not JSON: not written by this program, or damaged") from None
    return checked(alert)


def checked(alert: "Any") -> "Alert":
    """Return an alert with all that belongs to it; raise ValueError, in words for a person, for anything else."""
    if not isinstance(alert, dict) or alert.get("version") != VERSION:
        raise ValueError(f"not an alert of this version ({VERSION})")
    complete: Alert = dict(ADDED, **alert)
    wrong = [name for name in sorted(FIELDS) if not isinstance(complete.get(name), FIELDS[name])]
    if wrong:
        raise ValueError("damaged: " + ", ".join(wrong))
    return complete


def log_line(alert: "Alert") -> str:
    """Return the login as one structured line (logfmt) for the system's own log.

    What is seen of a connection later is no login, and begins with another word.
    """
    pairs = [
        ("user", alert["user"]),
        ("from", alert["address"]),
        ("port", alert["port"]),
        ("name", alert["name"]),
        ("type", alert["type"]),
        ("auth", ",".join(method["method"] for method in alert["methods"])),
        ("key", ",".join(method["fingerprint"] for method in alert["methods"] if "fingerprint" in method)),
        ("service", alert["service"]),
        ("id", alert["id"]),
        ("follows", alert["follows"]),
        ("was", alert["was"]),
        ("note", "; ".join(alert["notes"])),
    ]
    event = "followup " if alert["follows"] else "login "
    return event + " ".join(f"{name}={_quoted(value)}" for name, value in pairs if value != "")


def _quoted(value: "str | int") -> str:
    text = str(value)
    plain = text and not any(character in text for character in ' "=\\')
    return text if plain else '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _peer(connection: bytes) -> "Tuple[str, int]":
    """Return the client's address and port from SSH_CONNECTION (ssh(1)), empty and 0 where it does not hold them."""
    words = connection.split(b" ")
    if len(words) != 4 or not words[1].isdigit() or len(words[1]) > 5:
        return "", 0
    return printable(words[0], 80), int(words[1])
