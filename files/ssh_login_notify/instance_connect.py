# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out whether a key was sent through EC2 Instance Connect, and by whom. For root, who can read the journal.

To sshd, such a key is a key like any other: neither its log nor SSH_AUTH_INFO_0 contains its origin. The origin is
logged by the program that passes the key to sshd (AuthorizedKeysCommand, eic_run_authorized_keys of
aws-ec2-instance-connect-config). For each key that AWS has signed, which is for this instance and one minute, it logs

    Providing ssh key from EC2 Instance Connect with fingerprint: SHA256:…, request-id: …, for IAM principal: arn:aws:…

The program runs as a user of its own. The journal gets the uid of each writer from the kernel
(systemd.journal-fields(7), _UID), so no other user can write such an entry. Anybody can forge a line of a log file, so
log files are not read.
"""

import json
import pwd
import re
import time

from . import sshd_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# The AuthorizedKeysCommandUser that the package sets up.
USER = "ec2-instance-connect"
PROVIDING = re.compile(
    r"Providing ssh key from EC2 Instance Connect with fingerprint: (?P<key>SHA256:[A-Za-z0-9+/]{43})"
    r"(?:, request-id: [0-9A-Za-z-]{1,64})?(?:, for IAM principal: (?P<principal>arn:[!-~]{1,250}))?\Z"
)
# A key is valid for 60 seconds. The login begins within that time, and can take LoginGraceTime, which is two minutes.
BEFORE_SECONDS = 180
AFTER_SECONDS = 1
READ_SECONDS = 0.4
MOST_BYTES = 1 << 18


def is_here() -> bool:
    """Return whether the packages of EC2 Instance Connect have created their user on this host."""
    try:
        return pwd.getpwnam(USER).pw_uid != 0
    except KeyError:
        return False


def principal(fingerprint: str, at: float) -> "Optional[str]":
    """Return the IAM principal that sent the key of a login, "" if only CloudTrail has it, or None for any other key.

    Without a journal, return None. at: the time of the login, in seconds since the epoch. Raise OSError if the journal
    can't be read, KeyError if there is no USER.
    """
    if not sshd_log.Journal.is_here():
        return None
    sender = f"_UID={pwd.getpwnam(USER).pw_uid}"
    words = [
        f"--since=@{int(at) - BEFORE_SECONDS}", f"--until=@{int(at) + AFTER_SECONDS}", "--reverse", sender,
        "_TRANSPORT=syslog",
    ]  # fmt: skip
    for raw in sshd_log.entries(words, "MESSAGE,_UID,_TRANSPORT", MOST_BYTES, time.monotonic() + READ_SECONDS):
        found = PROVIDING.match(_message(raw, sender))
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
