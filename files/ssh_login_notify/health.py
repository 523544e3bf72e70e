# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The problems of this host, each with its remedy. `status` shows them, and the self-check reports them to the channel.

The examination changes nothing and opens no network connection. The most urgent problem comes first.
"""

import os
import time

from . import (
    ballast,
    channel_health,
    completeness,
    config,
    labels,
    login_rules,
    overflow,
    pam_files,
    pam_stack,
    paths,
    sshds,
    suppressed,
    trust,
    units,
)
from .channel_health import ChannelHealth
from .config import Configuration, ConfigurationError
from .exit_codes import CRITICAL, WARNING
from .installation import cannot_run, changed_files
from .observer import ORPHAN_SECONDS
from .open_connections import OpenConnections
from .privileges import PrivilegeError, find_user
from .problem import Problem, alerts_were, counted
from .spool import FOLLOWER_LOCK, Spool, is_locked, is_older
from .state import RECENT, State
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

RUN_ROLE = "run the role again"
# A disk with less free space than this counts as full.
FULL_BYTES = 1 << 14
# A service ends with these codes if systemd could not set up its unit's settings ("Process Exit Codes" in
# systemd.exec(5)). A missing program, 203, is a problem of its own.
UNSTARTED = frozenset(range(200, 246)) - {203}
# The most names that a sentence lists.
MOST_NAMES = 3
# systemd, or the finisher of a login, starts a follower within a second when it is needed.
FOLLOWED_SECONDS = 2.0


class Health:
    """The host as it is now.

    configuration: None if it can't be used. state: what the sender last did with the spool's own queue. captured:
    names of the captures, None if the spool can't be read. channels: where alerts go. queues: the queues of the
    channels, preceded by the spool's own queue if no channel uses it. overflowing: names of the alerts that wait
    outside the spool. sshds: those that accept logins. problems: what is wrong. unknown: keys of problems that can't be
    checked now.
    """

    def __init__(self, configuration: "Optional[Configuration]", state: State) -> None:
        self.configuration = configuration
        self.state = state
        self.captured: Optional[List[str]] = None
        self.queues: List[ChannelHealth] = []
        self.channels: List[ChannelHealth] = []
        self.overflowing: List[str] = []
        self.sshds: List[sshds.Sshd] = []
        self.problems: List[Problem] = []
        self.unknown: Set[str] = set()

    @property
    def severity(self) -> int:
        """Return the severity of the worst problem, or 0 if there is none."""
        return max([problem.severity for problem in self.problems], default=0)

    @property
    def oldest_waiting_seconds(self) -> "Optional[float]":
        """Return the age of the oldest waiting alert, or None if none waits."""
        return channel_health.age([name for queue in self.queues for name in queue.waiting])

    @property
    def last_ping(self) -> "Optional[Dict[str, Any]]":
        """Return the last ping of the dead man's switch, or None if there was none."""
        found = channel_health.pings(self.channels)
        return found[-1] if found else None

    def accepts(self, what: str) -> bool:
        """Return whether the configuration accepts this problem, so that it is not reported."""
        return self.configuration is not None and what in self.configuration.accept


def examine(spool: Spool) -> Health:
    """Examine the host, and return everything that was found."""
    configuration, problems = _load_configuration()
    health = Health(configuration, State(spool))
    health.overflowing = overflow.names()
    problems += _of_pam(health)
    problems += _of_sshds(health)
    problems += _of_directories(health)
    problems += _of_installation()
    problems += _of_user()
    problems += _of_scheduler()
    problems += _of_units(health)
    problems += _of_journal(health)
    problems += _of_labels(spool)
    problems += _of_geo_database(configuration)
    problems += _of_metrics(configuration)
    try:
        health.captured = spool.names("incoming")
        own, health.channels = channel_health.of_host(configuration, spool, health.overflowing)
        health.queues = list(dict.fromkeys([own, *health.channels]))
        problems += _of_spool(spool, health.captured, health.overflowing)
        problems += completeness.problems(spool, health.accepts("unproven_logins"))
    except OSError as error:
        problems.append(Problem(CRITICAL, "spool", f"the spool can't be used ({_why(error)}): {RUN_ROLE}"))
    problems += _of_open_connections(spool)
    for queue in health.queues:
        problems += queue.problems()
    problems += _of_deliveries(health)
    health.problems = problems
    return health


def _load_configuration() -> "Tuple[Optional[Configuration], List[Problem]]":
    try:
        configuration = config.load()
    except ConfigurationError as error:
        return None, [Problem(CRITICAL, "configuration", str(error))]
    if not configuration.exposed:
        return configuration, []
    mend = "chmod 0600, and put a new webhook into Vault if others use this host"
    return configuration, [Problem(CRITICAL, "exposed", f"users other than root can read {config.PATH}: {mend}")]


def _of_pam(health: Health) -> "Iterator[Problem]":
    for service in health.configuration.pam_services if health.configuration else config.DEFAULTS["pam_services"]:
        path = os.path.join(paths.PAM_DIRECTORIES[0], service)
        try:
            fault = pam_stack.fault(pam_files.read(path), paths.PROGRAM, pam_files.find)
        except (OSError, pam_stack.PamStackError) as error:
            yield Problem(CRITICAL, "pam " + service, f"the PAM file {path} can't be read ({_why(error)}): repair it")
            continue
        if fault:
            yield Problem(CRITICAL, "pam " + service, f"the PAM line in {path} {fault}: {RUN_ROLE}")
        if not health.accepts("user_environment"):
            yield from _of_user_environment(service, path)


def _of_user_environment(service: str, path: str) -> "Iterator[Problem]":
    """Yield a problem for each PAM rule that lets users set the program's environment (pam_env(8), user_readenv)."""
    for reader in pam_stack.user_environment_readers(path, pam_files.read(path), pam_files.find):
        if reader["part"] == "auth":
            where = "{file} line {line}".format(**reader)
            what = f"{where} reads ~/.pam_environment in the auth part, so that users can load code into the program"
            yield Problem(CRITICAL, "environment " + service, what + ": remove user_readenv=1")


def _of_sshds(health: Health) -> "Iterator[Problem]":
    health.sshds = sshds.found()
    if health.accepts("unreported_sshd"):
        return
    services = health.configuration.pam_services if health.configuration else config.DEFAULTS["pam_services"]
    for fault in sshds.faults(health.sshds, services):
        yield Problem(CRITICAL, "sshd " + fault.key, f"{printable(fault.what)}: {printable(fault.mend)}")


def _of_directories(health: Health) -> "Iterator[Problem]":
    writable = [] if health.accepts("writable_directories") else trust.open_directories()
    if writable:
        mend = "chown root:root and chmod go-w"
        yield Problem(CRITICAL, "directories", f"users other than root can write to {_listed(writable)}: {mend}")


def _of_installation() -> "Iterator[Problem]":
    hindrance = cannot_run()
    if hindrance:
        yield Problem(CRITICAL, "python", f"{printable(hindrance)}: repair that, and {RUN_ROLE}")
    try:
        changed = changed_files()
    except (OSError, ValueError) as error:
        yield Problem(CRITICAL, "files", f"the list of installed files can't be read ({_why(error)}): {RUN_ROLE}")
        return
    if changed:
        yield Problem(CRITICAL, "files", f"files differ from what the role installed ({_listed(changed)}): {RUN_ROLE}")


def _of_user() -> "Iterator[Problem]":
    try:
        find_user()
    except PrivilegeError as error:
        yield Problem(CRITICAL, "user", str(error))


def _of_scheduler() -> "Iterator[Problem]":
    """Yield a problem if this host does not have the scheduler for which the role set up the sender."""
    scheduler, is_systemd = units.Installed().scheduler, units.are_here()
    if scheduler == "systemd" and not is_systemd:
        what = "the role set up systemd to start the sender, but systemd does not run here or the units are missing"
        yield Problem(CRITICAL, "scheduler", f"{what}: {RUN_ROLE}")
    elif scheduler not in ("", "systemd") and os.path.isdir(paths.SYSTEMD):
        what = "systemd runs here, but the role set up the notifier for a host without systemd"
        yield Problem(WARNING, "scheduler", f"{what}: {RUN_ROLE}")


def _of_units(health: Health) -> "Iterator[Problem]":
    """Yield the problems that systemd reports about the units, if the role installed any."""
    found = units.found()
    if not found and units.are_here():  # systemd does not answer
        health.unknown.update((*paths.UNITS, *paths.SERVICES))
    for unit in found:
        name, fault = printable(unit.name), unit.fault()
        if unit.exit_code in UNSTARTED:
            what = f"systemd could not start {name} (exit code {unit.exit_code}, systemd.exec(5))"
            yield Problem(CRITICAL, unit.name, f"{what}: {RUN_ROLE}, which omits the settings that this host refuses")
        elif fault:
            mend = f"systemctl unmask {name}, and {RUN_ROLE}" if unit.load == "masked" else RUN_ROLE
            yield Problem(CRITICAL, unit.name, f"the systemd unit {name} {printable(fault)}: {mend}")


def _of_journal(health: Health) -> "Iterator[Problem]":
    """Yield a problem if journald has dropped lines of sshd. The audit needs them: they may be those of logins."""
    try:
        dropped = suppressed.lately()
    except OSError:  # a problem of journald, which the audit reports
        dropped = None
        health.unknown.add("journal")
    if dropped:
        what = f"journald has dropped {counted(dropped.count, 'message')} of {printable(dropped.unit)} in the last hour"
        mend = "find out what made so many, and see RateLimitBurst= in journald.conf(5)"
        yield Problem(WARNING, "journal", f"{what}: {mend}")


def _of_labels(spool: Spool) -> "Iterator[Problem]":
    for key, fault in labels.faults(spool).items():
        yield Problem(CRITICAL, "selinux " + key, fault)


def _of_geo_database(configuration: "Optional[Configuration]") -> "Iterator[Problem]":
    if configuration and configuration.geo_database:
        from .geo_database import GeoDatabase  # most hosts do not use it

        database = GeoDatabase(configuration.geo_database, configuration.language)
        for sentence in database.problems:
            yield Problem(WARNING, "geo database", sentence)
        database.close()


def _of_metrics(configuration: "Optional[Configuration]") -> "Iterator[Problem]":
    if configuration and configuration.metrics_file:
        from . import metrics  # most hosts do not use it

        sentence = metrics.fault(configuration.metrics_file)
        if sentence:
            yield Problem(WARNING, "metrics", sentence)


def _of_spool(spool: Spool, captured: "List[str]", overflowing: "List[str]") -> "Iterator[Problem]":
    """Yield the problems of the spool. Raise OSError if it can't be read."""
    unexpected = spool.unexpected()
    if overflowing:
        what = counted(len(overflowing), "alert waits", "alerts wait")
        what += f" in {paths.OVERFLOW}, because the spool accepts none"
        yield Problem(CRITICAL, "overflow", what + ": check the spool's disk (df, df -i, mount)")
    if _is_full(spool.root):
        what = "the spool's disk is full, and alerts use the space that is reserved for them"
        yield Problem(CRITICAL, "full", what + ": free some space (df, df -i)")
    lost = ballast.lost(spool)
    if lost:
        what = f"{alerts_were(lost)} lost, because neither the spool nor {paths.OVERFLOW} had space"
        yield Problem(CRITICAL, "lost", what + ": free some space; the logins are in the system's log (authpriv)")
    if any(is_older(name, ORPHAN_SECONDS) for name in captured):
        what = "a capture is older than a minute, and no observer has processed it"
        yield Problem(WARNING, "captured", what + ": run `ssh-login-notify flush`", about_delivery=True)
    if unexpected:
        what = f"the spool contains unexpected files ({_listed(unexpected)})"
        yield Problem(WARNING, "foreign", what + ": find out who put them there, and move them away")


def _is_full(path: str) -> bool:
    """Return whether a disk has no space left, even for root. Some file systems report no number of inodes."""
    disk = os.statvfs(path)
    return disk.f_bfree * disk.f_frsize < FULL_BYTES or (disk.f_files > 0 and disk.f_ffree == 0)


def _of_open_connections(spool: Spool) -> "Iterator[Problem]":
    count = _unfollowed(spool)
    if count:
        connections = counted(count, "open connection")
        what = f"no process watches {connections}, so later sessions there are not reported yet"
        mend = "cron starts one within 5 minutes, `ssh-login-notify flush` at once"
        if units.systemd_starts_the_sender():
            mend = "systemd starts one within a minute; if it does not, check ssh-login-notify-follow.service"
        yield Problem(WARNING, "follower", f"{what}: {mend}")


def _unfollowed(spool: Spool) -> int:
    """Return how many open connections no process watches, after waiting FOLLOWED_SECONDS for a follower to start."""
    until = time.monotonic() + FOLLOWED_SECONDS
    records = OpenConnections(spool)
    try:
        while records.names() and not _is_followed(spool):
            if time.monotonic() > until:
                return len(records.names())
            time.sleep(0.1)
    except OSError:
        pass  # examine() reports a spool that can't be used
    return 0


def _is_followed(spool: Spool) -> bool:
    lock = spool.path(FOLLOWER_LOCK)
    return os.path.exists(lock) and is_locked(lock)


def _of_deliveries(health: Health) -> "Iterator[Problem]":
    """Yield the problems that no single channel shows."""
    configuration = health.configuration
    hours = configuration.longest_silence if configuration else 0
    since = channel_health.last_sign(health.channels)
    if hours and time.time() - since > hours * 3600:
        what = f"nothing was delivered for {(time.time() - since) / 3600:.0f} hours, and the limit is {hours}"
        mend = "run `ssh-login-notify heartbeat`, then `ssh-login-notify status`"
        yield Problem(CRITICAL, "silence", f"{what}: {mend}", about_delivery=True)
    switch = configuration.heartbeat_ping_url if configuration else ""
    last_ping = health.last_ping
    if switch and last_ping and not last_ping["well"]:
        what = "the dead man's switch was not reached ({answer})".format(**last_ping)
        yield Problem(WARNING, "ping", what + ": check ssh_login_notify_heartbeat_ping_url, DNS, firewall, proxy")


def _why(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or str(error))


def _listed(names: "List[str]") -> str:
    shown = ", ".join(plain_or_quoted(printable(name)) for name in names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def as_json(health: Health) -> "Dict[str, Any]":
    """Return everything in the form for JSON. Of secret URLs, it contains only the host names."""
    configuration, channels = health.configuration, health.channels
    recent = [dict(entry, channel=channel.name) for channel in channels for entry in channel.state.recent]
    recent.sort(key=lambda entry: float(entry["delivered_at"]))
    answers = [channel.state.last_answer for channel in channels if channel.state.last_answer]
    are_readable = bool(health.queues)
    return {
        "configuration": dict({"path": config.PATH}, **(_shown(configuration) if configuration else {})),
        "sshds": [printable(sshd.title) for sshd in health.sshds],
        "captured": None if health.captured is None else len(health.captured),
        "waiting": sum(len(queue.waiting) for queue in health.queues) if are_readable else None,
        "oldest_waiting_seconds": health.oldest_waiting_seconds,
        "failed": sum(len(queue.failed) for queue in health.queues) if are_readable else None,
        "dropped": sum(queue.state.dropped for queue in health.queues),
        "last_delivery": recent[-1] if recent else None,
        "recent_deliveries": recent[-RECENT:],
        "recent_ignored": health.state.ignored,
        "recent_folded": health.state.folded,
        "last_answer": max(answers, key=lambda answer: float(answer["at"]), default=None),
        "last_ping": health.last_ping,
        "channels": {channel.name: channel.as_json() for channel in channels},
        "ended_rules": login_rules.ended(configuration.ignore, time.time()) if configuration else [],
        "sandbox_without": units.Installed().sandbox_without,
        "problems": [problem.sentence for problem in health.problems],
    }


def _shown(configuration: Configuration) -> "Dict[str, Any]":
    return {
        "webhook_host": configuration.webhook_host,
        "host_label": configuration.host_label or os.uname().nodename,
        "proxy": configuration.proxy_shown,
        "ca_file": configuration.ca_file,
        "people": len(configuration.people),
        "ignore": len(configuration.ignore),
    }


def as_line(health: Health, word: str) -> str:
    """Return one line for people, in the form of monitoring plugins: the state, the problems, and the numbers."""
    found = as_json(health)
    parts = found["problems"] or ["nothing is wrong"]
    label = printable(found["configuration"].get("host_label", os.uname().nodename))
    parts.append("captured {captured}, waiting {waiting}, failed {failed}".format(**found))
    if len(found["sshds"]) > 1:
        parts.append("{} sshds: {}".format(len(found["sshds"]), ", ".join(map(plain_or_quoted, found["sshds"]))))
    if found["sandbox_without"]:
        parts.append("this host refuses a part of the units' sandbox ({})".format(", ".join(found["sandbox_without"])))
    parts += found["ended_rules"]
    if len(found["channels"]) > 1:
        parts.append("{} channels: {}".format(len(found["channels"]), ", ".join(found["channels"])))
    last = found["last_delivery"]
    if last:
        when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(last["delivered_at"]))
        parts.append("last delivery {}: {} from {}".format(when, plain_or_quoted(last["user"]), last["from"]))
    return f"{word.upper()}: {label}: " + "; ".join(parts)
