# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is broken, people log in as if no notifier were there; mended, it tells of all that was written down."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from faults import FAULTS, Fault, Shell, Written, broken, line_taken_out, prepared
from logins import Login, Person
from receiver.client import Message, Receiver

testinfra_hosts = ["ansible://debian13-faults", "ansible://plain"]

STATUS = 3  # which no client and no shell ends with by itself
WAYS: dict[str, Callable[[Person, Fault], Login]] = {
    "ssh": lambda person, fault: person.command(f"{fault.shows} && exit {STATUS}", STATUS),
    "scp": lambda person, _fault: person.scp(),
    "sftp": lambda person, _fault: person.sftp(),
    "rsync": lambda person, _fault: person.rsync(),
    "ssh -N": lambda person, _fault: person.tunnel(seconds=0),
}
# How much longer than without the notifier a login may take: less than a hook that hangs would hold it.
BLOCKED_SECONDS = 2.0
ALERT_SECONDS = 20.0


@dataclass
class Outcome:
    """What became of the logins on one server, with one fault."""

    logins: dict[str, Login] = field(default_factory=dict)
    without: dict[str, Login] = field(default_factory=dict)  # with the fault, too, but without the PAM line
    mended: Login | None = None  # the login after the mend
    written: set[str] = field(default_factory=set)  # the sources of those logins that have to be reported

    @property
    def ratio(self) -> str:
        """The time of a login with the PAM line, where it is 1 without. Few logins: it is shown, and that is all."""
        if len(self.logins) < len(WAYS) or len(self.without) < len(WAYS):
            return "-"
        return f"{seconds(self.logins) / seconds(self.without):.2f}"


def seconds(logins: dict[str, Login]) -> float:
    """How long all of them took."""
    return sum(login.seconds for login in logins.values())


def sources(messages: list[Message]) -> Counter[str]:
    """How often the channel tells of each login, alone or as a line of a digest, by the client's address and port."""
    found: Counter[str] = Counter()
    for message in messages:
        found.update(line.split(" · ")[1].removeprefix("from ") for line in message.lines)
        if not message.lines and "From" in message.fields:
            found[message.fields["From"]] += 1
    return found


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
def in_the_end(outcomes, receiver) -> Counter[str]:
    """What the channel tells of when nothing more comes, long after the mends."""
    receiver.settle()
    return sources(receiver.messages())


def log_in_every_way(person: Person, fault: Fault, logins: dict[str, Login]) -> None:
    """Log in, and note it. Raises LoginError if a client is turned away, or ends otherwise than it should."""
    for way, log_in in WAYS.items():
        logins[way] = log_in(person, fault)


def logged(shell: Shell) -> set[str]:
    """The sources of all logins that the system's log has."""
    lines = shell("journalctl --quiet --output=cat --identifier=ssh-login-notify")
    return {f"{found[1]} port {found[2]}" for found in re.finditer(r"^login .*? from=(\S+) port=(\d+)", lines, re.M)}


def wait_for(wanted: set[str], receiver: Receiver, mark: int) -> set[str]:
    """Those that the channel tells of, once it tells of all that are wanted, or the time is up."""
    deadline = time.monotonic() + ALERT_SECONDS
    while True:
        told = wanted & set(sources(receiver.messages(after=mark)))
        if told == wanted or time.monotonic() > deadline:
            return told
        time.sleep(0.1)


def test_no_login_is_harmed(fault, shell, ada, receiver, outcomes):
    outcome = outcomes[fault.name] = Outcome()
    mark = receiver.last()
    with prepared(fault, shell):
        with broken(fault, shell):
            log_in_every_way(ada, fault, outcome.logins)
            with line_taken_out(shell):
                log_in_every_way(ada, fault, outcome.without)
        # As an operator does who has mended it. What it could not send is asked for below.
        shell("ssh-login-notify flush || true")
        outcome.mended = ada.command()
        assert wait_for({outcome.mended.source}, receiver, mark), "mended, it does not report"
        made = {login.source for login in outcome.logins.values()}
        outcome.written = made if fault.written is Written.ALL else made & logged(shell)
        told = wait_for(outcome.written, receiver, mark)
    for way, login in outcome.logins.items():
        assert login.output == outcome.without[way].output, way
        assert login.errors == outcome.without[way].errors, way
        assert login.seconds < outcome.without[way].seconds + BLOCKED_SECONDS, way
    if fault.written is Written.NONE:
        assert not outcome.written, "something ran, and the system's log tells of the login"
    assert outcome.written == told, "a login was written down and is not reported"


def test_each_login_is_reported_once(fault, host, outcomes, in_the_end, rows):
    """Those that were written down, and no others."""
    outcome = outcomes[fault.name]
    told = {way: in_the_end[login.source] for way, login in outcome.logins.items()}
    later = sum(count > 0 for count in told.values())
    reason = {Written.ALL: "", Written.SOME: " (the others were killed)", Written.NONE: " (nothing ran)"}[fault.written]
    rows.append(
        {
            "fault": fault.name,
            "server": host.check_output("hostname"),
            "logins ok": f"{len(outcome.logins)} of {len(WAYS)}",
            "time ratio": outcome.ratio,
            "alerts later": f"{later} of {len(told)}{reason}",
            "duplicates": str(sum(count - 1 for count in told.values() if count)),
        }
    )
    wanted = {way: int(login.source in outcome.written) for way, login in outcome.logins.items()}
    assert told == wanted
    assert outcome.mended
    assert in_the_end[outcome.mended.source] == 1
    assert not any(in_the_end[login.source] for login in outcome.without.values()), "the PAM line was not taken out"
