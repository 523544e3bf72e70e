"""The finished alert: what is known of one login, in the form in which it waits in the spool (JSON).

Everything in it that came from outside has passed text.printable, so whoever shows it has only escaping left to do.
What depends on the configuration (the server's label, the people's names) is added when it is sent.
"""

import json
import os
import time

from . import authinfo
from .capture import AUTHENTICATION, Capture
from .text import LOGFMT_ENDS, LONGEST_PHRASE, plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Tuple

    Alert = Dict[str, Any]

VERSION = 1
# The PAM service of the test that goes the whole way (the module test_alert, `path: pam`), and what stands in the place
# of a service in alerts that tell of the notifier itself.
TEST_SERVICE = "ssh-login-notify-test"
HEARTBEAT_SERVICE = "ssh-login-notify-heartbeat"
WATCH_SERVICE = "ssh-login-notify-watch"
OWN_SERVICES = (TEST_SERVICE, HEARTBEAT_SERVICE, WATCH_SERVICE)
# The events of the log.
LOGIN, FOLLOWUP = "login", "followup"
# In the place of a login's methods, where the hook was not given them.
WITHHELD = {"method": "too-long-to-show"}
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
    service = printable(capture.get(b"PAM_SERVICE"))
    return {
        "version": VERSION,
        "id": capture.name,
        "time": capture.time,
        "host": printable(os.uname().nodename),
        "service": service,
        # The user of a test is made up, so it stands nowhere.
        "user": _event(service) if service in OWN_SERVICES else printable(capture.get(b"PAM_USER")),
        "address": address,
        "port": port,
        # With `UseDNS yes` sshd gives the name that the peer's DNS claims: shown beside the address, never instead.
        "name": "" if name in (address, "UNKNOWN") else name,
        "type": kind,
        "methods": [WITHHELD] if capture.is_withheld else authinfo.parse(capture.get(AUTHENTICATION)),
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
    what = _event(service)
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
    """Return the alert as one structured line for the system's own log: the event, then logfmt.

    The event is `login`; `followup`, for what a connection that was reported has opened since; or what the notifier
    does itself: `test`, `heartbeat`, `watch`. Those have no user and no address. What is not known is left out.
    """
    pairs = [("type", alert["type"])]
    if not is_own(alert):
        pairs = [
            ("user", alert["user"]),
            ("from", alert["address"]),
            ("port", alert["port"]),
            ("name", alert["name"]),
            *pairs,
            ("auth", ",".join(method["method"] for method in alert["methods"])),
            ("key", ",".join(method["fingerprint"] for method in alert["methods"] if "fingerprint" in method)),
        ]
    pairs += [("service", alert["service"]), ("id", alert["id"])]
    pairs += [("follows", alert["follows"]), ("was", alert["was"]), ("note", "; ".join(alert["notes"]))]
    if not is_own(alert):
        # The last, since they are long, and logs cut lines.
        pairs += [pair for method in alert["methods"] for pair in _said(method)]
    shown = [f"{name}={_logged(value)}" for name, value in pairs if value != ""]
    return " ".join([FOLLOWUP if alert["follows"] else _event(alert["service"]), *shown])


def _logged(value: "str | int") -> str:
    return plain_or_quoted(str(value), LOGFMT_ENDS, LONGEST_PHRASE)


def _said(method: "Dict[str, Any]") -> "Iterator[Tuple[str, Any]]":
    """Yield what else is known of a method. Where several have the same, each stands for itself, in their order."""
    certificate = method.get("certificate", {})
    for name in ("serial", "ca", "key_id"):
        yield name, certificate.get(name, "")
    for name in ("signature_count", "client_user", "client_host", "detail"):
        yield name, method.get(name, "")


def _event(service: str) -> str:
    return service.rpartition("-")[2] if service in OWN_SERVICES else LOGIN


def _peer(connection: bytes) -> "Tuple[str, int]":
    """Return the client's address and port from SSH_CONNECTION (ssh(1)), empty and 0 where it does not hold them."""
    words = connection.split(b" ")
    if len(words) != 4 or not words[1].isdigit() or len(words[1]) > 5:
        return "", 0
    return printable(words[0], 80), int(words[1])
