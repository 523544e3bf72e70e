"""What is wrong on this host, each with its mend: what `status` shows and the watch tells the channel.

Looking changes nothing and opens no connection. The order is that in which an operator should see to it.
"""

import os
import time

from . import ballast, config, labels, overflow, pam_stack, slack, trust, units
from .config import Configuration, ConfigurationError
from .finisher import FOLLOW_UNIT, PROGRAM, is_started_by
from .installation import cannot_run, changed_files, installed_at
from .observer import ABANDONED
from .open_connections import OpenConnections
from .privileges import PrivilegeError, find_user
from .spool import FOLLOWER_LOCK, SKEW, Spool, is_locked, is_older, written_at
from .state import State
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

WARNING, CRITICAL = 1, 2  # as monitoring plugins have them
AGAIN = "run the role again"
UNITS = (
    "ssh-login-notify.path",
    "ssh-login-notify-follow.path",
    "ssh-login-notify-path.timer",
    "ssh-login-notify.timer",
)
PAM_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d")  # in the order in which PAM looks (pam.d(5))
WAITS_TOO_LONG = 900.0  # seconds
# What a disk has left that is called full.
FULL_BYTES = 1 << 14
SHOWN = 3  # names in a sentence
# A follower that is needed is there within a second: systemd starts it, or the finisher of the login.
FOLLOWED_SECONDS = 2.0


class Problem:
    """One thing that is wrong.

    severity: WARNING or CRITICAL. key: names it for good, whatever numbers the sentence holds. sentence: what is wrong,
    a colon, the mend. about_delivery: the channel can't be told of it, or knows.
    """

    def __init__(self, severity: int, key: str, sentence: str, about_delivery: bool = False) -> None:
        self.severity = severity
        self.key = key
        self.sentence = sentence
        self.about_delivery = about_delivery


class Health:
    """The host as it is now.

    configuration: None when it can't be used. captured, waiting, overflowing, failed: names of what is in the spool;
    None when that can't be read. problems: all that is wrong.
    """

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.configuration: Optional[Configuration] = None
        self.state = State(spool)
        self.captured: Optional[List[str]] = None
        self.waiting: Optional[List[str]] = None
        self.overflowing: List[str] = overflow.names()
        self.failed: Optional[List[str]] = None
        self.problems: List[Problem] = [
            *self._of_configuration(),
            *self._of_pam(),
            *self._of_directories(),
            *_of_installation(),
            *_of_user(),
            *_of_units(),
            *self._of_labels(),
            *self._of_spool(),
            *self._of_open_connections(),
            *self._of_deliveries(),
        ]

    @property
    def severity(self) -> int:
        """Return the severity of the worst problem, 0 when there is none."""
        return max([problem.severity for problem in self.problems], default=0)

    @property
    def oldest_waiting_seconds(self) -> "Optional[float]":
        """Return for how long the oldest alert has waited, None when none does."""
        return _age([*(self.waiting or []), *self.overflowing])

    def _of_configuration(self) -> "Iterator[Problem]":
        try:
            self.configuration = config.load()
        except ConfigurationError as error:
            yield Problem(CRITICAL, "configuration", str(error))
            return
        if self.configuration.exposed:
            mend = "chmod 0600, and put a new webhook into Vault if others use this host"
            yield Problem(CRITICAL, "exposed", f"others than root may read {config.PATH}: {mend}")

    def _of_pam(self) -> "Iterator[Problem]":
        for service in self.configuration.pam_services if self.configuration else config.DEFAULTS["pam_services"]:
            path = os.path.join(PAM_DIRECTORIES[0], service)
            try:
                fault = pam_stack.fault(_text(path), PROGRAM, _included)
            except (OSError, pam_stack.PamStackError) as error:
                yield Problem(CRITICAL, "pam " + service, f"the PAM file {path} can't be read ({_why(error)}): mend it")
                continue
            if fault:
                yield Problem(CRITICAL, "pam " + service, f"the PAM line in {path} {fault}: {AGAIN}")
            if not self._accepts("user_environment"):
                yield from _of_user_environment(service, path)

    def _accepts(self, what: str) -> bool:
        return bool(self.configuration) and what in self.configuration.accept  # type: ignore[union-attr]

    def _of_directories(self) -> "Iterator[Problem]":
        writable = [] if self._accepts("writable_directories") else trust.open_directories()
        if writable:
            mend = "chown root:root and chmod go-w"
            yield Problem(CRITICAL, "directories", f"others than root can write {_listed(writable)}: {mend}")

    def _of_labels(self) -> "Iterator[Problem]":
        for key, fault in labels.faults(self.spool).items():
            yield Problem(CRITICAL, "selinux " + key, fault)

    def _of_spool(self) -> "Iterator[Problem]":
        try:
            self.captured, self.waiting, self.failed = map(self.spool.names, ("incoming", "outgoing", "failed"))
            foreign = self.spool.foreign()
        except OSError as error:
            yield Problem(CRITICAL, "spool", f"the spool can't be used ({_why(error)}): {AGAIN}")
            return
        if self.overflowing:
            what = f"{len(self.overflowing)} alerts wait in {overflow.ROOT}, for the spool took none"
            yield Problem(CRITICAL, "overflow", what + ": look at the spool's disk (df, df -i, mount)")
        if _is_full(self.spool.root):
            what = "the spool's disk is full, alerts are kept in what little is reserved for them"
            yield Problem(CRITICAL, "full", what + ": make room (df, df -i)")
        lost = ballast.lost(self.spool)
        if lost:
            what = f"{lost} alerts were lost, since neither the spool nor {overflow.ROOT} had room"
            yield Problem(CRITICAL, "lost", what + ": make room; the system's log (authpriv) has the logins")
        if self.failed:
            answer = _answer(self.spool, self.failed[-1])
            yield Problem(CRITICAL, "failed", f"{len(self.failed)} alerts were refused, the last with {answer}")
        if any(is_older(name, ABANDONED) for name in self.captured):
            what = "a capture has waited for longer than a minute for an observer"
            yield Problem(WARNING, "captured", what + ": `ssh-login-notify flush` finishes it", about_delivery=True)
        if foreign:
            what = f"the spool holds what is none of the notifier's ({_listed(foreign)})"
            yield Problem(WARNING, "foreign", what + ": see whose it is, and take it away")

    def _of_open_connections(self) -> "Iterator[Problem]":
        count = self._unfollowed()
        if count:
            what = f"no process looks at {count} open connections, so what they open later is not reported yet"
            mend = "cron starts one within 5 minutes, `ssh-login-notify flush` does at once"
            if is_started_by(FOLLOW_UNIT):
                mend = "systemd starts one within a minute; if not, look at ssh-login-notify-follow.service"
            yield Problem(WARNING, "follower", f"{what}: {mend}")

    def _unfollowed(self) -> int:
        """Return how many connections no process follows: not for a moment, as between two processes."""
        until = time.monotonic() + FOLLOWED_SECONDS
        records = OpenConnections(self.spool)
        try:
            while records.names() and not self._is_followed():
                if time.monotonic() > until:
                    return len(records.names())
                time.sleep(0.1)
        except OSError:
            pass  # a spool that can't be used is told of
        return 0

    def _is_followed(self) -> bool:
        lock = self.spool.path(FOLLOWER_LOCK)
        return os.path.exists(lock) and is_locked(lock)

    def _of_deliveries(self) -> "Iterator[Problem]":
        trouble = "the sender has not come to it"
        if self.state.trouble:
            trouble = "{what}: {mend}".format(**self.state.trouble)
        names = [*(self.waiting or []), *self.overflowing]
        stuck = [name for name in names if self.state.is_stuck(name)]
        if stuck:
            yield self._of_stuck(stuck)
        oldest = _age([name for name in names if name not in stuck])
        answer = self.state.last_answer
        if oldest is not None and answer and slack.is_closed(answer["status"] or 0, answer["answer"]):
            yield Problem(CRITICAL, "waiting", "alerts wait: " + trouble, about_delivery=True)
        elif (oldest or 0) > WAITS_TOO_LONG:
            what = f"alerts have waited for {(oldest or 0) / 60:.0f} minutes"
            yield Problem(CRITICAL, "waiting", f"{what}: {trouble}", about_delivery=True)
        elif oldest is not None and self.state.trouble:
            yield Problem(WARNING, "waiting", "alerts wait: " + trouble, about_delivery=True)
        if self.state.untold:
            what = f"{self.state.untold} alerts were dropped, as too many waited or no disk had room"
            where = "the system's log (authpriv) has them"
            yield Problem(CRITICAL, "dropped", f"{what}: {where}", about_delivery=True)
        hours = self.configuration.longest_silence if self.configuration else 0
        since = self._last_sign()
        if hours and time.time() - since > hours * 3600:
            what = f"nothing was delivered for {(time.time() - since) / 3600:.0f} hours, and {hours} are the limit"
            mend = "run `ssh-login-notify heartbeat`, and see what becomes of it"
            yield Problem(CRITICAL, "silence", f"{what}: {mend}", about_delivery=True)
        switch = self.configuration.heartbeat_ping_url if self.configuration else ""
        if switch and self.state.last_ping and not self.state.last_ping["well"]:
            what = "the dead man's switch was not reached ({answer})".format(**self.state.last_ping)
            yield Problem(WARNING, "ping", what + ": see ssh_login_notify_heartbeat_ping_url, DNS, firewall, proxy")

    def _of_stuck(self, names: "List[str]") -> Problem:
        """Tell of alerts that others overtake. Without what was answered: that may be what does not pass."""
        tried = [self.state.tried[name] for name in names]
        last = max(tried, key=lambda entry: float(entry["at"]))
        what = f"{len(names)} alerts are stuck, the last try ended with " + str(last["status"] or "no answer")
        host = self.configuration.webhook_host if self.configuration else "the webhook's host"
        mend = f"look for a proxy or a filter on the way to {host}, which does not let their contents pass"
        if any(entry["lost"] for entry in tried):
            mend = f"they may stand in the channel: look for a proxy or a filter on the way to {host}, answers are lost"
        if any(entry["unsure"] for entry in tried):
            mend = f"they may stand in the channel: {host} does not answer as Slack does, look for what does instead"
        return Problem(CRITICAL, "stuck", f"{what}: {mend}; then `ssh-login-notify flush`")

    def _last_sign(self) -> float:
        """Return when something last left this host for sure; none of it can be of the future."""
        signs = [entry["delivered_at"] for entry in self.state.recent]
        if self.state.last_ping and self.state.last_ping["well"]:
            signs.append(self.state.last_ping["at"])
        return max([sign for sign in signs if sign <= time.time() + SKEW], default=installed_at())


def _of_user_environment(service: str, path: str) -> "Iterator[Problem]":
    """Tell of what lets users set the program's environment before it runs (pam_env(8), user_readenv)."""
    for reader in pam_stack.user_environment_readers(path, _text(path), _included):
        if reader["part"] == "auth":
            where = "{file} line {line}".format(**reader)
            what = f"{where} reads ~/.pam_environment in the auth part, so that users can load code into the program"
            yield Problem(CRITICAL, "environment " + service, what + ": remove user_readenv=1")


def _of_installation() -> "Iterator[Problem]":
    hindrance = cannot_run()
    if hindrance:
        yield Problem(CRITICAL, "python", f"{printable(hindrance)}: repair that, and {AGAIN}")
    try:
        changed = changed_files()
    except (OSError, ValueError) as error:
        yield Problem(CRITICAL, "files", f"the list of what was installed can't be read ({_why(error)}): {AGAIN}")
        return
    if changed:
        yield Problem(CRITICAL, "files", f"not as the role installed it, {_listed(changed)}: {AGAIN}")


def _is_full(path: str) -> bool:
    """Tell whether a disk has no room, even for root; some file systems count no inodes."""
    disk = os.statvfs(path)
    return disk.f_bfree * disk.f_frsize < FULL_BYTES or (disk.f_files > 0 and disk.f_ffree == 0)


def _of_user() -> "Iterator[Problem]":
    try:
        find_user()
    except PrivilegeError as error:
        yield Problem(CRITICAL, "user", str(error))


def _of_units() -> "Iterator[Problem]":
    """Ask systemd, where the role has set up its units."""
    states = (units.ask("is-active", *UNITS) or "").split()
    for unit, state in zip(UNITS, states):
        if state != "active":
            yield Problem(CRITICAL, unit, f"systemd's unit {unit} is {printable(state)}: {AGAIN}")


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return pam_stack.decode(file.read(1 << 20))


def _included(name: str) -> "Optional[Tuple[str, str]]":
    """Return path and text of a file that a PAM stack includes, None where there is none."""
    for directory in PAM_DIRECTORIES:
        path = os.path.join(directory, name)
        try:
            return path, _text(path)
        except (OSError, pam_stack.PamStackError):
            continue
    return None


def _answer(spool: Spool, name: str) -> str:
    try:
        return printable(spool.read("failed", name + ".answer").strip())
    except OSError:
        return "an answer that is gone"


def _age(names: "List[str]") -> "Optional[float]":
    return round(max(time.time() - written_at(min(names)), 0), 1) if names else None


def _why(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or str(error))


def _listed(names: "List[str]") -> str:
    shown = ", ".join(plain_or_quoted(printable(name)) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def as_json(health: Health) -> "Dict[str, Any]":
    """Return all of it for machines; of the secrets, only their hosts."""
    state, configuration = health.state, health.configuration
    return {
        "configuration": dict({"path": config.PATH}, **(_shown(configuration) if configuration else {})),
        "captured": _count(health.captured),
        "waiting": None if health.waiting is None else len(health.waiting) + len(health.overflowing),
        "oldest_waiting_seconds": health.oldest_waiting_seconds,
        "failed": _count(health.failed),
        "dropped": state.dropped,
        "last_delivery": state.recent[-1] if state.recent else None,
        "recent_deliveries": state.recent,
        "last_answer": state.last_answer,
        "last_ping": state.last_ping,
        "problems": [problem.sentence for problem in health.problems],
    }


def _count(names: "Optional[List[str]]") -> "Optional[int]":
    return None if names is None else len(names)


def _shown(configuration: Configuration) -> "Dict[str, Any]":
    return {
        "webhook_host": configuration.webhook_host,
        "host_label": configuration.host_label or os.uname().nodename,
        "proxy": configuration.proxy,
        "ca_file": configuration.ca_file,
        "people": len(configuration.people),
        "ignore": len(configuration.ignore),
    }


def as_line(health: Health, word: str) -> str:
    """Return one line for a person, as monitoring plugins do: the state's word, what is wrong, and the figures."""
    found = as_json(health)
    parts = found["problems"] or ["nothing is wrong"]
    label = printable(found["configuration"].get("host_label", os.uname().nodename))
    parts.append("captured {captured}, waiting {waiting}, failed {failed}".format(**found))
    last = found["last_delivery"]
    if last:
        when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(last["delivered_at"]))
        parts.append("last delivery {}: {} from {}".format(when, plain_or_quoted(last["user"]), last["from"]))
    return f"{word.upper()}: {label}: " + "; ".join(parts)
