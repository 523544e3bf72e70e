# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is broken, people log in as without the notifier. After the repair, it reports every captured login."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import pytest

from tests.lab.faults import FAULTS, Fault, Shell, Written, broken, line_taken_out, prepared
from tests.lab.faults.fault import SPOOL
from tests.lab.logins import Login, Person
from tests.lab.receiver.client import Alert, Receiver

testinfra_hosts = ["ansible://debian13-faults", "ansible://plain"]

STATUS = 3  # no client and no shell ends with this status by itself
WAYS: dict[str, Callable[[Person, Fault], Login]] = {
    "ssh": lambda person, fault: person.command(f"{fault.shows} && exit {STATUS}", STATUS),
    "scp": lambda person, _fault: person.scp(),
    "sftp": lambda person, _fault: person.sftp(),
    "rsync": lambda person, _fault: person.rsync(),
    "ssh -N": lambda person, _fault: person.tunnel(seconds=0),
    # On a terminal sshd shows the messages of PAM.
    "terminal": lambda person, _fault: person.interactive(),
}
# How much longer logins can take than without the notifier: less than a hanging hook would hold each of them. A single
# login can be slow for other reasons, so the median counts. No login is held as long as by two runs of such a hook.
BLOCKED_SECONDS = 1.5
LONGEST_BLOCKED_SECONDS = 3.5
ALERT_SECONDS = 20.0


@dataclass
class Outcome:
    """The logins on one server during one fault."""

    logins: dict[str, Login] = field(default_factory=dict)
    without: dict[str, Login] = field(default_factory=dict)  # also during the fault, but without the PAM line
    mended: Login | None = None  # the login after the repair
    written: dict[str, Login] = field(default_factory=dict)  # those of `logins` that must be reported

    @property
    def ratio(self) -> str:
        """The duration of a login with the PAM line, relative to one without. Shown only: the logins are too few."""
        if len(self.logins) < len(WAYS) or len(self.without) < len(WAYS):
            return "-"
        return f"{seconds(self.logins) / seconds(self.without):.2f}"


def seconds(logins: dict[str, Login]) -> float:
    """Return the total duration."""
    return sum(login.seconds for login in logins.values())


def shown(login: Login) -> str:
    """Return the client's output, without the line about the last login."""
    return re.sub(r"Last login:[^\n]*\n", "", login.output)


def assert_undisturbed(outcome: Outcome) -> None:
    """Assert that the logins went as they do without the notifier."""
    for way, login in outcome.logins.items():
        assert shown(login) == shown(outcome.without[way]), way
        assert login.errors == outcome.without[way].errors, way
    longer = [login.seconds - outcome.without[way].seconds for way, login in outcome.logins.items()]
    assert median(longer) < BLOCKED_SECONDS
    assert max(longer) < LONGEST_BLOCKED_SECONDS


def in_the_channel(receiver: Receiver, after: int = 0) -> list[Alert]:
    """Return the logins that the channel reports after this message, in single messages and in digests."""
    return [alert for message in receiver.messages(after) for alert in message.alerts]


def in_the_log(shell: Shell) -> list[Alert]:
    """Return the logins in the system's log, once no observer is running: it watches a tunnel for some seconds."""
    wait = f"import fcntl; fcntl.lockf(open('{SPOOL}/observer.lock', 'r+'), fcntl.LOCK_EX)"
    shell(f'timeout 60 python3 -c "{wait}"')
    lines = shell("journalctl --quiet --output=cat --identifier=ssh-login-notify")
    found = re.findall(r"^login .* from=(\S+) port=(\d+) .* id=([\d.]+)-", lines, re.MULTILINE)
    return [Alert(f"{address} port {port}", "", float(begun)) for address, port, begun in found]


def count(login: Login, alerts: list[Alert], clock: int = 0) -> int:
    """Return how many alerts report this login, by the client's port and, because ports are reused, by the time.

    clock: by how many seconds the server's clock was wrong
    """
    ended = login.started + login.seconds
    return sum(alert.source == login.source and login.started <= alert.time - clock <= ended for alert in alerts)


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(request) -> Fault:
    return request.param


@pytest.fixture(scope="module")
def shell(host) -> Shell:
    """Run a script as root on the server."""
    return lambda script: host.check_output("sh -euc %s", script)


@pytest.fixture(scope="module")
def outcomes(host) -> dict[str, Outcome]:
    """The outcomes on this server, by fault."""
    return {}


@pytest.fixture(scope="module")
def in_the_end(outcomes, receiver) -> list[Alert]:
    """The alerts in the channel once nothing more arrives, long after the repairs."""
    receiver.settle()
    return in_the_channel(receiver)


def log_in_every_way(person: Person, fault: Fault, logins: dict[str, Login]) -> None:
    """Log in and record it. Raises LoginError if a client is rejected, or ends with a wrong status."""
    for way, log_in in WAYS.items():
        logins[way] = log_in(person, fault)


def missing(logins: dict[str, Login], receiver: Receiver, after: int, clock: int = 0) -> list[str]:
    """Return the logins that the channel does not report in time, or none as soon as all are reported."""
    deadline = time.monotonic() + ALERT_SECONDS
    while True:
        alerts = in_the_channel(receiver, after)
        left = [way for way, login in logins.items() if not count(login, alerts, clock)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def test_no_login_is_harmed(fault, shell, ada, receiver, outcomes):
    outcome = outcomes[fault.name] = Outcome()
    last = receiver.last()
    with prepared(fault, shell):
        with broken(fault, shell):
            log_in_every_way(ada, fault, outcome.logins)
            with line_taken_out(shell):
                log_in_every_way(ada, fault, outcome.without)
        assert_undisturbed(outcome)
        # As an operator does after a repair. What could not be sent is checked below.
        shell("ssh-login-notify flush || true")
        outcome.mended = ada.command()
        assert not missing({"mended": outcome.mended}, receiver, last), "it does not report after the repair"
        outcome.written = dict(outcome.logins)
        if fault.written is not Written.ALL:
            log = in_the_log(shell)
            outcome.written = {way: login for way, login in outcome.logins.items() if count(login, log, fault.clock)}
        not_told = missing(outcome.written, receiver, last, fault.clock)
    if fault.written is Written.NONE:
        assert not outcome.written, "something ran, because the system's log has the login"
    assert not not_told, "these were captured and not reported"


def test_each_login_is_reported_once(fault, host, outcomes, in_the_end, rows):
    """Exactly the captured logins are reported."""
    outcome = outcomes[fault.name]
    told = {way: count(login, in_the_end, fault.clock) for way, login in outcome.logins.items()}
    later = sum(times > 0 for times in told.values())
    reason = {Written.ALL: "", Written.SOME: " (the others were killed)", Written.NONE: " (nothing ran)"}[fault.written]
    rows.append(
        {
            "fault": fault.name,
            "server": host.check_output("hostname"),
            "logins ok": f"{len(outcome.logins)} of {len(WAYS)}",
            "time ratio": outcome.ratio,
            "alerts later": f"{later} of {len(told)}{reason}",
            "duplicates": str(sum(times - 1 for times in told.values() if times)),
        }
    )
    assert told == {way: int(way in outcome.written) for way in outcome.logins}
    assert outcome.mended
    assert count(outcome.mended, in_the_end) == 1
    without = [count(login, in_the_end, fault.clock) for login in outcome.without.values()]
    assert not any(without), "the PAM line was not removed"
