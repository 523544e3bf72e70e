# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a key was sent by EC2 Instance Connect, and by whom. For root, who can read the journal.

To sshd such a key is one like any other: neither its log nor SSH_AUTH_INFO_0 tells where it comes from. What tells is
the program that gives it to sshd (AuthorizedKeysCommand, eic_run_authorized_keys of aws-ec2-instance-connect-config).
For each key that AWS has signed, for this instance and for one minute, it logs

    Providing ssh key from EC2 Instance Connect with fingerprint: SHA256:…, request-id: …, for IAM principal: arn:aws:…

It runs as a user of its own. The journal has a sender's uid from the kernel (systemd.journal-fields(7), _UID), so
nobody else can write such an entry. In a log file anybody can, so it is not read.
"""

import json
import pwd
import re
import time

from . import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# AuthorizedKeysCommandUser, as the package sets it up.
USER = "ec2-instance-connect"
PROVIDING = re.compile(
    r"Providing ssh key from EC2 Instance Connect with fingerprint: (?P<key>SHA256:[A-Za-z0-9+/]{43})"
    r"(?:, request-id: [0-9A-Za-z-]{1,64})?(?:, for IAM principal: (?P<principal>arn:[!-~]{1,250}))?\Z"
)
# A key is valid for 60 seconds, and login follows at once. A login has LoginGraceTime, which is two minutes.
BEFORE_SECONDS = 180
AFTER_SECONDS = 1
READ_SECONDS = 0.4
MOST_BYTES = 1 << 18


def is_here() -> bool:
    """Tell whether this host has EC2 Instance Connect, as its packages set it up."""
    try:
        return pwd.getpwnam(USER).pw_uid != 0
    except KeyError:
        return False


def principal(fingerprint: str, at: float) -> "Optional[str]":
    """Return who has sent the key of a login, "" if that is in CloudTrail only; None if it was no such key.

    at: the time of the login, in seconds since the epoch. Raise OSError, KeyError where nothing tells it.
    """
    if not failures.Journal.is_here():
        return None
    words = [
        failures.journalctl(), "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,_UID,_TRANSPORT",
        f"--since=@{int(at) - BEFORE_SECONDS}", f"--until=@{int(at) + AFTER_SECONDS}", "--reverse",
        f"_UID={pwd.getpwnam(USER).pw_uid}", "_TRANSPORT=syslog",
    ]  # fmt: skip
    for raw in failures.output(words, MOST_BYTES, time.monotonic() + READ_SECONDS):
        found = PROVIDING.match(_message(raw, words[-2]))
        if found and found.group("key") == fingerprint:
            return found.group("principal") or ""
    return None


def _message(raw: bytes, sender: str) -> str:
    try:
        entry = json.loads(raw.decode("utf-8"))
        is_theirs = f"_UID={entry['_UID']}" == sender and entry["_TRANSPORT"] == "syslog"
        return str(entry["MESSAGE"]) if is_theirs else ""
    except (ValueError, LookupError, TypeError):
        return ""
