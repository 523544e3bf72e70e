# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished alert: the facts about one login, in the form in which it waits in the spool (JSON).

Everything from outside has passed text.printable, so code that shows an alert only has to escape it. Whatever depends
on the configuration (the server's label, the people's names) is added when the alert is sent.
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
# Also the beginning or the end of a mute (mutes.py), or the daily summary (summary.py).
MUTE, SUMMARY = "mute", "summary"
# A field of a self-check that found a problem, never of a login: who was logged in then, in words (logged_in.py).
LOGGED_IN = "logged_in"
# Also logins that sshd accepted and the notifier never saw (proof.py).
MISSED = "missed"
# A connection that was seen open at most this long before it was found closed counts as watched until its end.
WATCHED_SECONDS = 15.0
# The event in the log for a session that a reported connection opened later.
FOLLOWUP = "followup"
# The PAM service of an end-to-end test (the module test_alert, `path: pam`).
TEST_SERVICE = "ssh-login-notify-test"
# Stands for a login's methods if the hook did not get them.
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
    "follows": str,  # the id of the connection's first alert; empty for the first alert itself
    "was": str,  # the type that was reported earlier for the same connection
    "terminal": str,  # PAM_TTY and PAM_RUSER, for services other than sshd: where, and who requested it
    "requester": str,
}
# Earlier versions did not write these fields. Their alerts can be in the spool during an upgrade.
ADDED: "Dict[str, Any]" = {"about": LOGIN, "follows": "", "was": "", "terminal": "", "requester": ""}
# Only for the end of a connection, in seconds since the epoch: the time of the login, and when the connection was last
# seen open. The alert's `time` is when it was found closed.
OF_A_LOGOUT: "Dict[str, Any]" = {"began": (int, float), "seen": (int, float)}
# In earlier versions, the service said what an alert is about.
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
        # The user of a test does not exist, so no message shows it.
        "user": printable(capture.get(b"PAM_USER")) if about == LOGIN else "",
        "address": printable(address, 80),
        "port": port,
        # With `UseDNS yes` sshd passes the name that the client's DNS claims. It is shown beside the address, never
        # instead of it.
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
    """Return the alert for a connection that was reported, and has since shown a more serious type."""
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
    """Return the alert for a connection that was reported, and has just been found closed.

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
        # The clock may have been changed in between.
        seen=min(max(seen, began), now),
    )


def seconds_open(logout: "Alert") -> "Tuple[int, int]":
    """Return how long a connection was open, at least and at most. They differ if nothing watched it for a while."""
    least, most = (max(0, int(logout[name] - logout["began"])) for name in ("seen", "time"))
    return (least, most) if logout["time"] - logout["seen"] > WATCHED_SECONDS else (most, most)


def own(about: str, notes: "List[str]") -> "Alert":
    """Return an alert about the notifier itself, not about a login.

    about: TEST, HEARTBEAT, SELF_CHECK, MUTE, SUMMARY or MISSED. notes: its sentences, such as what is wrong or muted
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


def missed(count: int, notes: "List[str]") -> "Alert":
    """Return an alert about logins that were not reported. notes: sentences about the first of them"""
    return dict(own(MISSED, notes), count=count)


def missed_count(alert: "Alert") -> int:
    """Return how many logins were not reported."""
    count = alert.get("count")
    return count if isinstance(count, int) else len(alert["notes"])


def is_own(alert: "Alert") -> bool:
    """Return whether an alert is about the notifier itself."""
    return alert["about"] not in (LOGIN, REPEATS, LOGOUT)


def subject(alert: "Alert") -> str:
    """Return the user of a login, empty if unknown. For an alert about the notifier itself, return `about`."""
    return str(alert["about"] if is_own(alert) else alert["user"])


def to_json(alert: "Alert") -> bytes:
    """Return the alert in the form that waits in the spool."""
    return json.dumps(alert, sort_keys=True).encode("ascii") + b"\n"


def from_json(raw: bytes) -> "Alert":
    """Return an alert from the spool. Raise ValueError, with a reason for people, if it is not one."""
    try:
        alert = json.loads(raw.decode("utf-8"))
    except ValueError:
        raise ValueError("not JSON: not written by this program, or damaged") from None
    return checked(alert)


def checked(alert: "Any") -> "Alert":
    """Return an alert with all its fields. Raise ValueError, with a reason for people, if it is not one."""
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

    The event is `login`; `followup` for a session that a reported connection opened later; `logout` for the end of a
    connection; or `test`, which has no user and no address. Unknown values are left out.
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
        # Last, because they are long, and logs truncate lines.
        pairs += [pair for method in alert["methods"] for pair in _said(method)]
    shown = [f"{name}={_logged(value)}" for name, value in pairs if value != ""]
    event = FOLLOWUP if alert["follows"] and alert["about"] != LOGOUT else alert["about"]
    return " ".join([event, *shown])


def _logged(value: "str | int") -> str:
    return plain_or_quoted(str(value), LOGFMT_ENDS, LONGEST_PHRASE)


def _said(method: "Dict[str, Any]") -> "Iterator[Tuple[str, Any]]":
    """Yield the other facts about a method. If several methods have the same fact, each is listed, in their order."""
    certificate = method.get("certificate", {})
    for name in ("serial", "ca", "key_id"):
        yield name, certificate.get(name, "")
    for name in ("signature_count", "principal", "client_user", "client_host", "detail"):
        yield name, method.get(name, "")
