# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished alert: what is known of one login, in the form in which it waits in the spool (JSON).

Everything in it that came from outside has passed text.printable, so whoever shows it only has to escape it. What
depends on the configuration (the server's label, the people's names) is added when it is sent.
"""

import json
import os
import time

from . import authinfo, peer
from .capture import AUTHENTICATION, Capture
from .text import LOGFMT_ENDS, LONGEST_PHRASE, plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Tuple

    Alert = Dict[str, Any]

VERSION = 1
# What an alert can be about: a login, repeats of one (repeats.py), the end of its connection, or the notifier itself.
LOGIN, REPEATS, LOGOUT = "login", "repeats", "logout"
TEST, HEARTBEAT, SELF_CHECK = "test", "heartbeat", "self-check"
# Or the beginning or the end of a mute (mutes.py), or the daily summary (summary.py).
MUTE, SUMMARY = "mute", "summary"
# A connection that was seen open so shortly before it was found closed was watched until its end.
WATCHED_SECONDS = 15.0
# The event in the log of what a connection has opened since it was reported.
FOLLOWUP = "followup"
# The PAM service of a test that goes all the way (the module test_alert, `path: pam`).
TEST_SERVICE = "ssh-login-notify-test"
# Instead of a login's methods, where the hook was not given them.
WITHHELD = {"method": "too-long-to-show"}
FIELDS: "Dict[str, Any]" = {
    "version": int,
    "id": str,
    "about": str,
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
    "terminal": str,  # PAM_TTY and PAM_RUSER, of other services than sshd: where, and who asked for it
    "requester": str,
}
# Earlier versions did not write these fields; their alerts may wait in the spool during an upgrade.
ADDED: "Dict[str, Any]" = {"about": LOGIN, "follows": "", "was": "", "terminal": "", "requester": ""}
# Only of the end of a connection, in seconds since the epoch: the login's time, and when the connection was last seen
# open. The alert's `time` is when it was found closed.
OF_A_LOGOUT: "Dict[str, Any]" = {"began": (int, float), "seen": (int, float)}
# They said by the service what an alert is about.
ABOUT_BY_SERVICE = {
    TEST_SERVICE: TEST,
    "ssh-login-notify-heartbeat": HEARTBEAT,
    "ssh-login-notify-watch": SELF_CHECK,
}


def build(capture: Capture, login_type: str) -> "Alert":
    """Return the alert for a login of this type (login_types.py)."""
    address, port, name = peer.of(capture.get(b"SSH_CONNECTION"), capture.get(b"PAM_RHOST"))
    service = printable(capture.get(b"PAM_SERVICE"))
    about = TEST if service == TEST_SERVICE else LOGIN
    return {
        "version": VERSION,
        "id": capture.name,
        "about": about,
        "time": capture.time,
        "host": printable(os.uname().nodename),
        "service": service,
        # A test's user is made up, so no message shows it.
        "user": printable(capture.get(b"PAM_USER")) if about == LOGIN else "",
        "address": printable(address, 80),
        "port": port,
        # With `UseDNS yes` sshd gives the name that the peer's DNS claims: shown beside the address, never instead.
        "name": printable(name),
        "type": login_type,
        "methods": [WITHHELD] if capture.is_withheld else authinfo.parse(capture.get(AUTHENTICATION)),
        "notes": capture.notes,
        "follows": "",
        "was": "",
        "terminal": "" if capture.is_sshds else printable(capture.get(b"PAM_TTY")),
        "requester": "" if capture.is_sshds else printable(capture.get(b"PAM_RUSER")),
    }


def following(reported: "Alert", login_type: str) -> "Alert":
    """Return the alert of a connection that was reported, and has shown a more serious type since."""
    now = time.time()
    return dict(
        reported,
        id=f"{now:017.6f}-{os.getpid()}",
        time=now,
        type=login_type,
        follows=reported["follows"] or reported["id"],
        was=reported["type"],
    )


def ended(reported: "Alert", seen: float) -> "Alert":
    """Return the alert of a connection that was reported, and that has just been found closed.

    seen: when it was last seen open, in seconds since the epoch
    """
    now = time.time()
    first = reported["follows"] or reported["id"]
    began = float(first.partition("-")[0])
    return dict(
        reported,
        id=f"{now:017.6f}-{os.getpid()}",
        about=LOGOUT,
        time=now,
        follows=first,
        was="",
        notes=[],
        began=began,
        # The clock may have been set meanwhile.
        seen=min(max(seen, began), now),
    )


def seconds_open(logout: "Alert") -> "Tuple[int, int]":
    """Return how long a connection was open, at least and at most. The two differ if nothing watched it for a while."""
    least, most = (max(0, int(logout[name] - logout["began"])) for name in ("seen", "time"))
    return (least, most) if logout["time"] - logout["seen"] > WATCHED_SECONDS else (most, most)


def own(about: str, notes: "List[str]") -> "Alert":
    """Return an alert about the notifier itself, not about a login.

    about: TEST, HEARTBEAT, SELF_CHECK, MUTE or SUMMARY. notes: sentences that say what is wrong, or what was silent
    """
    now = time.time()
    return {
        "version": VERSION,
        "id": f"{now:017.6f}-{os.getpid()}",
        "about": about,
        "time": now,
        "host": printable(os.uname().nodename),
        "service": "",
        "user": "",
        "address": "",
        "port": 0,
        "name": "this host",
        "type": about,
        "methods": [],
        "notes": notes,
        "follows": "",
        "was": "",
        "terminal": "",
        "requester": "",
    }


def is_own(alert: "Alert") -> bool:
    """Tell whether an alert is about the notifier itself."""
    return alert["about"] not in (LOGIN, REPEATS, LOGOUT)


def subject(alert: "Alert") -> str:
    """Return whom an alert is about: the login's user, empty if unknown; or what it is about, if not a login."""
    return str(alert["about"] if is_own(alert) else alert["user"])


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
    """Return an alert with all its fields; raise ValueError, in words for a person, for anything else."""
    if not isinstance(alert, dict) or alert.get("version") != VERSION:
        raise ValueError(f"not an alert of this version ({VERSION})")
    complete: Alert = dict(ADDED, about=ABOUT_BY_SERVICE.get(str(alert.get("service")), ADDED["about"]))
    complete.update(alert)
    fields = dict(FIELDS, **OF_A_LOGOUT) if complete["about"] == LOGOUT else FIELDS
    wrong = [name for name in sorted(fields) if not isinstance(complete.get(name), fields[name])]
    if wrong:
        raise ValueError("damaged: " + ", ".join(wrong))
    return complete


def log_line(alert: "Alert") -> str:
    """Return the alert as one structured line for the system's own log: the event, then logfmt.

    The event is `login`; `followup`, for what a connection that was reported has opened since; `logout`, for its end;
    or `test`, which has no user and no address. What is not known is left out.
    """
    pairs = [("type", alert["type"])]
    if not is_own(alert):
        pairs = [
            ("user", alert["user"]),
            ("from", alert["address"]),
            ("port", alert["port"] or ""),
            ("name", alert["name"]),
            *pairs,
            ("auth", ",".join(method["method"] for method in alert["methods"])),
            ("key", ",".join(method["fingerprint"] for method in alert["methods"] if "fingerprint" in method)),
        ]
    pairs += [("service", alert["service"]), ("terminal", alert["terminal"]), ("by", alert["requester"])]
    pairs += [("id", alert["id"])]
    if alert["about"] == LOGOUT:
        pairs += [("seconds", "-".join(map(str, sorted(set(seconds_open(alert))))))]
    pairs += [("follows", alert["follows"]), ("was", alert["was"]), ("note", "; ".join(alert["notes"]))]
    if not is_own(alert):
        # Last, because they are long, and logs cut lines.
        pairs += [pair for method in alert["methods"] for pair in _said(method)]
    shown = [f"{name}={_logged(value)}" for name, value in pairs if value != ""]
    event = FOLLOWUP if alert["follows"] and alert["about"] != LOGOUT else alert["about"]
    return " ".join([event, *shown])


def _logged(value: "str | int") -> str:
    return plain_or_quoted(str(value), LOGFMT_ENDS, LONGEST_PHRASE)


def _said(method: "Dict[str, Any]") -> "Iterator[Tuple[str, Any]]":
    """Yield what else is known of a method. Several methods with the same fact each have it, in their order."""
    certificate = method.get("certificate", {})
    for name in ("serial", "ca", "key_id"):
        yield name, certificate.get(name, "")
    for name in ("signature_count", "principal", "client_user", "client_host", "detail"):
        yield name, method.get(name, "")
