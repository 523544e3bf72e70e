# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Suspects: logins in the log that the notifier does not know. Was one missed, and why, or is there a doubt?

A doubt is counted, but raises no alarm. So a user must not be able to cause a doubt, unless the doubt also makes the
audit report that completeness is not proven (UNPROVEN).
"""

import errno
import os
import time

from . import paths, sshd_lines
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

    from .sshd_history import Entry as LogEntry
    from .sshd_sessions import Run

# How long after a login the lines of its process count as evidence.
EVIDENCE_SECONDS = 60.0
# Lines of two processes can be in the wrong order, or a second apart.
ORDER_SECONDS = 5.0
# Before and after a change of the installed files, because a run of the role takes some minutes.
UPGRADE_SECONDS = (600.0, 120.0)
# The longest time from a login whose record was lost in a power failure to the boot after it.
RESTART_SECONDS = 120.0
# The longest message of sshd (log.c, MSGBUFSIZ).
LONGEST_LINE = 1024
# The self-check runs at least every five minutes, so a fault can exist that long before it is found.
LOOK_SECONDS = 360.0
# If the self-check did not run for longer than this, no part of the notifier ran.
SILENT_SECONDS = 900.0
# The reasons why a login does not count as missed.
DOUBTS = {
    "ended": "ended between authentication and session",
    "before": "before the notifier kept a ledger",
    "upgrade": "while the notifier was being installed or upgraded",
    "clock": "known, but at another time: the clock was set",
    "restart": "less than two minutes before a boot",
    "elsewhere": "of an sshd in a container, or of another host",
    "accepted": "through an sshd that `unreported_sshd` in ssh_login_notify_accept leaves unreported",
    "unproven": "from a process that journald could not identify",
    "full": "on a day with more logins than the ledger takes",
}
# The errors of execve(2), without EPERM: root gets it only from a security module, and Python fails with 1 as well.
OF_EXECVE = (
    errno.E2BIG, errno.EACCES, errno.EAGAIN, errno.EFAULT, errno.EINVAL, errno.EIO, errno.EISDIR, errno.ELIBBAD,
    errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE, errno.ENOENT, errno.ENOEXEC, errno.ENOMEM,
    errno.ENOTDIR, errno.ETXTBSY,
)  # fmt: skip
# The doubts with which it is unproven that all logins were reported.
UNPROVEN = ("unproven", "full")


class Context:
    """Facts that can explain why a login is unknown. Times are in seconds since the epoch.

    began: since when a ledger is kept. installs: when the installed files changed. looks: the findings of the
    self-check, each [from, to, sentences]. services: the PAM services that have the PAM line. boots: when the host
    booted. hosts: the names of this host, in lower case and without a domain; empty to accept any name.
    accepts_unreported: the configuration accepts that logins through some sshd are not reported.
    """

    def __init__(
        self,
        began: float,
        installs: "Iterable[float]" = (),
        looks: "Iterable[List[Any]]" = (),
        services: "Iterable[str]" = ("sshd",),
        boots: "Iterable[float]" = (),
        hosts: "Iterable[str]" = (),
        accepts_unreported: bool = False,
    ) -> None:
        self.began = began
        self.installs = sorted(installs)
        self.looks = list(looks)
        self.services = list(services)
        self.boots = set(boots)
        # The same, as the journal shows it, by its id of each boot.
        self.seen_boots: Dict[str, float] = {}
        self.hosts = set(hosts)
        self.accepts_unreported = accepts_unreported


class Suspect:
    """A login in the log that matches no known login, with the evidence in later lines of its process.

    run: of its sshd, None if that has no other login. number: the place among the logins of the log
    """

    def __init__(self, entry: "LogEntry", run: "Optional[Run]", number: int) -> None:
        self.entry = entry
        self.run = run
        self.number = number
        self.evidence: Dict[str, str] = {}
        self.take(entry)

    def take(self, entry: "LogEntry") -> None:
        """Add the evidence in a line of its process."""
        found = sshd_lines.evidence(entry.message, paths.PROGRAM)
        if found and -ORDER_SECONDS <= entry.at - self.entry.at <= EVIDENCE_SECONDS:
            self.evidence.setdefault(*found)

    @property
    def is_root(self) -> bool:
        """Return whether it is a login of root."""
        login = sshd_lines.accepted(self.entry.message)
        return login is not None and login.user == "root"

    @property
    def is_silent(self) -> bool:
        """Return whether only the run of its sshd can tell what became of it."""
        return not self.evidence and self.run is not None and not self.run.has_pam


class Missed:
    """A login that sshd accepted and the notifier did not see.

    at: when. line: the line in the log. unit: systemd's unit, "" if unknown. reason: the likely reason, for operators.
    number: as the suspect's.
    """

    def __init__(self, suspect: Suspect, reason: str) -> None:
        entry = suspect.entry
        self.at = entry.at
        self.line = printable(entry.text, LONGEST_LINE)
        self.unit = printable(entry.unit)
        self.reason = printable(reason, LONGEST_LINE)
        self.number = suspect.number

    def as_json(self) -> "Dict[str, Any]":
        """Return it as a dictionary for JSON."""
        return {"time": self.at, "line": self.line, "unit": self.unit, "reason": self.reason}


def short(host: str) -> str:
    """Return a host's name to compare: in lower case, and without a domain, which some syslog daemons write.

    An address stays whole.
    """
    return host if host.replace(".", "").isdigit() else host.partition(".")[0].lower()


def doubt_at_once(entry: "LogEntry", context: Context) -> str:
    """Return the doubt about a login that its own line shows, "" for none."""
    if entry.at < context.began:
        return "before"
    before, after = UPGRADE_SECONDS
    if any(-before <= entry.at - changed <= after for changed in context.installs):
        return "upgrade"
    return "elsewhere" if entry.is_contained else "" if entry.is_proven else "unproven"


def doubt(suspect: Suspect, context: Context) -> str:
    """Return the doubt about a suspect, "" if it was missed. Call this when all lines of its process are read."""
    entry, evidence = suspect.entry, suspect.evidence
    if entry.host and context.hosts and short(entry.host) not in context.hosts:
        return "elsewhere"
    if sshd_lines.NOT_RUN in evidence:
        return ""
    if sshd_lines.SESSION in evidence:
        is_listed = evidence[sshd_lines.SESSION] in context.services
        return "accepted" if context.accepts_unreported and not is_listed else ""
    # A session of root runs in the process that logged `Accepted`, and its client can make that process fail.
    if sshd_lines.ENDED in evidence or (sshd_lines.FATAL in evidence and not suspect.is_root):
        return "ended"
    if suspect.run and suspect.run.has_pam:
        return "ended"  # the client reset the connection (sshd_lines.py)
    later = [boot for boot_id, boot in context.seen_boots.items() if boot_id != entry.boot]
    is_last = any(0 <= boot - entry.at <= RESTART_SECONDS for boot in [*context.boots, *later])
    if is_last and not evidence:
        return "restart"
    return "accepted" if context.accepts_unreported else ""


def reason(suspect: Suspect, context: Context) -> str:
    """Return why the notifier did not see a login, as far as that can be found out afterwards."""
    evidence = suspect.evidence
    if sshd_lines.NOT_RUN in evidence:
        return _failure(int(evidence[sshd_lines.NOT_RUN]))
    found = _found_then(suspect.entry.at, context)
    if sshd_lines.SESSION not in evidence:
        why = "it runs with `UsePAM no`, or was built without PAM, or the client was gone"
        return f"sshd opened no PAM session: {why}{found}"
    service = evidence[sshd_lines.SESSION]
    if service not in context.services:
        return f"sshd used the PAM service {service}, which is not in ssh_login_notify_pam_services" + found
    return f"sshd opened the PAM session, but PAM did not run {paths.PROGRAM}: its line was missing then" + found


def _failure(code: int) -> str:
    """Return why pam_exec failed. code: the exit code in its line, or the signal (`-9`)

    If execve fails, the child of pam_exec exits with the errno (pam_exec.c). Any other code is that of the program, of
    Python or of the dynamic linker.
    """
    if code < 0:
        return f"{paths.PROGRAM} or its Python was killed by signal {-code}"
    if code not in OF_EXECVE:
        denied = ", or a security module such as fapolicyd forbade it" if code == errno.EPERM else ""
        return f"{paths.PROGRAM} or its Python failed with exit code {code}{denied}"
    known = {
        errno.ENOENT: "the program or its Python was missing, or Python could not open the program",
        errno.E2BIG: "its environment was too long",
        errno.ENOEXEC: "its first line names no interpreter",
        errno.EACCES: "the program or its Python was not executable, or SELinux forbade it",
    }
    return f"PAM could not run {paths.PROGRAM}: {known.get(code) or os.strerror(code)}"


def _found_then(at: float, context: Context) -> str:
    """Return what the self-check found at a time, or that it did not run; "" if it found nothing."""
    last = 0.0
    for begin, end, sentences in context.looks:
        if begin <= at + LOOK_SECONDS and at <= end and sentences:
            return "; the self-check found then: " + "; ".join(sentences)
        if last and last < at < begin and begin - last > SILENT_SECONDS:
            return "; the self-check did not run between {} and {}".format(*map(shown, (last, begin)))
        last = end
    return ""


def shown(at: float) -> str:
    """Return a time in readable form, in the host's time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))
