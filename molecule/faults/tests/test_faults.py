# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is broken, people log in as if no notifier were there; mended, it tells of all that was written down."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.lab.faults import FAULTS, Fault, Shell, Written, broken, line_taken_out, prepared
from tests.lab.faults.fault import SPOOL
from tests.lab.logins import Login, Person
from tests.lab.receiver.client import Alert, Receiver

testinfra_hosts = ["ansible://debian13-faults", "ansible://plain"]

STATUS = 3  # which no client and no shell ends with by itself
WAYS: dict[str, Callable[[Person, Fault], Login]] = {
    "ssh": lambda person, fault: person.command(f"{fault.shows} && exit {STATUS}", STATUS),
    "scp": lambda person, _fault: person.scp(),
    "sftp": lambda person, _fault: person.sftp(),
    "rsync": lambda person, _fault: person.rsync(),
    "ssh -N": lambda person, _fault: person.tunnel(seconds=0),
    # Here sshd shows what PAM says.
    "terminal": lambda person, _fault: person.interactive(),
}
# How much longer than without the notifier a login may take: less than a hook that hangs would hold it.
BLOCKED_SECONDS = 1.5
ALERT_SECONDS = 20.0


@dataclass
class Outcome:
    """What became of the logins on one server, with one fault."""

    logins: dict[str, Login] = field(default_factory=dict)
    without: dict[str, Login] = field(default_factory=dict)  # with the fault, too, but without the PAM line
    mended: Login | None = None  # the login after the mend
    written: dict[str, Login] = field(default_factory=dict)  # those of `logins` that have to be reported

    @property
    def ratio(self) -> str:
        """The time of a login with the PAM line, where it is 1 without. Few logins: it is shown, and that is all."""
        if len(self.logins) < len(WAYS) or len(self.without) < len(WAYS):
            return "-"
        return f"{seconds(self.logins) / seconds(self.without):.2f}"


def seconds(logins: dict[str, Login]) -> float:
    """How long all of them took."""
    return sum(login.seconds for login in logins.values())


def shown(login: Login) -> str:
    """What the client showed, without the line that tells of the login before."""
    return re.sub(r"Last login:[^\n]*\n", "", login.output)


def assert_undisturbed(outcome: Outcome) -> None:
    """The logins went as without the notifier."""
    for way, login in outcome.logins.items():
        assert shown(login) == shown(outcome.without[way]), way
        assert login.errors == outcome.without[way].errors, way
        assert login.seconds < outcome.without[way].seconds + BLOCKED_SECONDS, way


def in_the_channel(receiver: Receiver, after: int = 0) -> list[Alert]:
    """The logins that the channel tells of, alone or as a line of a digest, from one message on."""
    return [alert for message in receiver.messages(after) for alert in message.alerts]


def in_the_log(shell: Shell) -> list[Alert]:
    """All logins that the system's log has, once no observer is at work: it looks at a tunnel for seconds."""
    wait = f"import fcntl; fcntl.lockf(open('{SPOOL}/observer.lock', 'r+'), fcntl.LOCK_EX)"
    shell(f'timeout 60 python3 -c "{wait}"')
    lines = shell("journalctl --quiet --output=cat --identifier=ssh-login-notify")
    found = re.findall(r"^login .* from=(\S+) port=(\d+) .* id=([\d.]+)-", lines, re.MULTILINE)
    return [Alert(f"{address} port {port}", "", float(begun)) for address, port, begun in found]


def count(login: Login, alerts: list[Alert], clock: int = 0) -> int:
    """How many of them tell of this login: by the client's port, and since that is used again, by the time.

    clock: by how many seconds the server's was wrong
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
    """By fault, on this server."""
    return {}


@pytest.fixture(scope="module")
def in_the_end(outcomes, receiver) -> list[Alert]:
    """What the channel tells of when nothing more comes, long after the mends."""
    receiver.settle()
    return in_the_channel(receiver)


def log_in_every_way(person: Person, fault: Fault, logins: dict[str, Login]) -> None:
    """Log in, and note it. Raises LoginError if a client is turned away, or ends otherwise than it should."""
    for way, log_in in WAYS.items():
        logins[way] = log_in(person, fault)


def missing(logins: dict[str, Login], receiver: Receiver, after: int, clock: int = 0) -> list[str]:
    """Those that the channel does not tell of, once the time is up; none, as soon as it tells of all."""
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
        # As an operator does who has mended it. What it could not send is asked for below.
        shell("ssh-login-notify flush || true")
        outcome.mended = ada.command()
        assert not missing({"mended": outcome.mended}, receiver, last), "mended, it does not report"
        outcome.written = dict(outcome.logins)
        if fault.written is not Written.ALL:
            log = in_the_log(shell)
            outcome.written = {way: login for way, login in outcome.logins.items() if count(login, log, fault.clock)}
        not_told = missing(outcome.written, receiver, last, fault.clock)
    if fault.written is Written.NONE:
        assert not outcome.written, "something ran, and the system's log tells of the login"
    assert not not_told, "these were written down and are not reported"


def test_each_login_is_reported_once(fault, host, outcomes, in_the_end, rows):
    """Those that were written down, and no others."""
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
    assert not any(without), "the PAM line was not taken out"
