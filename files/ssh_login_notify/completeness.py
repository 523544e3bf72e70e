# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the proof of completeness (proof.py) is reported: as a problem in `status`, and in the daily summary.

A missed login has a message of its own, so the problem only keeps it visible for a day. A proof that is not
renewed is a problem of its own, because nothing verifies it any more.
"""

import time

from . import proof, suspects, units
from .exit_codes import WARNING
from .installation import installed_at
from .problem import Problem, counted
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator

    from .spool import Spool

# If the proof was older than this when the self-check last ran, it is a problem.
STANDSTILL_SECONDS = 86400.0
# How long a missed login is a problem after it was found.
IN_SIGHT_SECONDS = 86400.0
# A host that was started more recently may have had no self-check yet.
AWAKE_SECONDS = 3600.0
LONGEST_REASON = 300
# The key of the problem that no self-check has run.
SELF_CHECK = "self-check"


def problems(spool: "Spool", is_accepted: bool) -> "Iterator[Problem]":
    """Yield what is wrong, each with what to do.

    is_accepted: whether the configuration accepts that sshd's log does not show every login
    """
    now = time.time()
    found = proof.as_json(spool)
    if found and now - found["last_found"] < IN_SIGHT_SECONDS:
        days = int(max(now - found["last_missed"], 0) // 86400) + 1
        what = f"sshd accepted a login at {suspects.shown(found['last_missed'])} that was not reported"
        mend = f"run `ssh-login-notify audit --since {days}d`, which shows its line in sshd's log and the likely reason"
        # The channel has already had its own message about it.
        yield Problem(WARNING, "missed", f"{what}: {mend}", about_delivery=True)
    looked = found.get("looked") or installed_at()
    if found and looked - found["proven"] > STANDSTILL_SECONDS and not is_accepted:
        yield Problem(WARNING, "completeness", _stands_still(found))
    elif looked and now - looked > STANDSTILL_SECONDS and _has_self_checks():
        what = f"the self-check has not run since {suspects.shown(looked)}, so nothing notices missed logins"
        mend = "run `ssh-login-notify send`, and look at `journalctl -t ssh-login-notify`"
        # A self-check that finds this is running again: the host was off, or suspended.
        yield Problem(WARNING, SELF_CHECK, f"{what}: {mend}", about_delivery=True)


def _stands_still(found: "Dict[str, Any]") -> str:
    what = f"since {suspects.shown(found['proven'])} nobody can tell whether every login was reported"
    if not found["gaps"]:
        return f"{what}, because sshd's log grows faster than it is compared: run `ssh-login-notify audit --since 7d`"
    mend = "have journald or a syslog daemon keep sshd's log, or set ssh_login_notify_accept: [unproven_logins]"
    # The headline would end at a colon with a space.
    reason = printable(found["gaps"][0], LONGEST_REASON).replace(": ", ":")
    return f"{what} ({reason}): {mend}"


def _has_self_checks() -> bool:
    """Return whether a self-check should have run. Without systemd and cron, only a login starts one."""
    return units.Installed().scheduler != "none" and time.monotonic() > AWAKE_SECONDS


class Day:
    """The comparisons since the last daily summary."""

    def __init__(self, spool: "Spool") -> None:
        self._proof = proof.Proof(spool)
        kept = self._proof.kept
        self._now = dict(proof.counts(kept), until=kept["until"])
        self._before = kept["told"] or dict(dict.fromkeys(self._now, 0), until=kept["began"])

    def sentence(self) -> str:
        """Return how many logins sshd accepted and how many are accounted for, as a sentence; "" if there were none."""
        numbers = {name: number - self._before.get(name, number) for name, number in self._now.items()}
        if numbers["accepted"] <= 0:
            return ""
        since = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(self._before["until"]))
        parts = [f"sshd accepted {counted(numbers['accepted'], 'login')} since {since}"]
        parts += [f"{numbers['known']} accounted for", *proof.exceptions(numbers)]
        parts += ["but this is not proven"] if self._is_unproven() else []
        return ", ".join(parts)

    def _is_unproven(self) -> bool:
        """Return whether there was a gap. A gap moves complete_since, but so does a missed login."""
        kept = self._proof.kept
        return bool(kept["gaps"]) or self._before["until"] < kept["complete_since"] != kept["last_missed"]

    def close(self) -> None:
        """Begin the next day. Raise OSError if the spool can't be written."""
        if not self._proof.is_new:
            self._proof.kept["told"] = self._now
            self._proof.keep()
