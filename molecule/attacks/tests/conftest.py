# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario: the intruder, and the verdict on an attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from attacks.setup import usual_notifier

from tests.lab import watch
from tests.lab.logins import Login, Person
from tests.lab.receiver.client import Alert, Message

ALERT_SECONDS = 30.0
QUIET_SECONDS = 0.5
# The usual notifier sends at once or never.
USUAL_SECONDS = 3.0


def place(alert: Alert) -> str:
    """Return the source of the login, without the address's host name."""
    return alert.source.partition(" (")[0]


@pytest.fixture(scope="module")
def intruder(people) -> Person:
    """A person with an ordinary account and bad intentions."""
    return people("intruder")


@pytest.fixture(autouse=True, scope="module")
def _nobody_looks_by_the_clock(host) -> Iterator[None]:
    """Pause the watch against tampering, because it would report that our line was replaced."""
    with watch.nobody_looks_by_the_clock(host.check_output):
        yield


@pytest.fixture(autouse=True, scope="module")
def _the_usual_notifier_works(_nobody_looks_by_the_clock, host, intruder, receiver):
    """Check that the usual notifier works, so that its silence during an attack proves something."""
    mark = receiver.last()
    with usual_notifier(host):
        port = intruder.command().source.rpartition(" ")[2]
    receiver.wait_for(lambda message: f"port {port}" in message.text, after=mark)


@pytest.fixture
def told(receiver):
    """The messages about logins since the test began: waits for all of them, then until nothing more arrives.

    told(login, …) returns the messages. A digest among them can report several logins.
    """
    mark = receiver.last()

    def messages_of(*logins: Login) -> list[Message]:
        sources = {login.source for login in logins}
        found: dict[int, Message] = {}

        def all_told(message: Message) -> bool:
            if any(place(alert) in sources for alert in message.alerts):
                found[message.number] = message
            return sources <= {place(alert) for message in found.values() for alert in message.alerts}

        with suppress(TimeoutError):  # the caller sees what is missing
            receiver.wait_for(all_told, after=mark, timeout=ALERT_SECONDS)
        receiver.settle(QUIET_SECONDS)
        messages = receiver.messages(after=mark)
        return [message for message in messages if any(place(alert) in sources for alert in message.alerts)]

    return messages_of


@pytest.fixture
def is_told_by_the_usual(receiver):
    """Return whether the usual notifier has reported a login, in any words: is_told_by_the_usual(login)."""
    mark = receiver.last()

    def is_told(login: Login) -> bool:
        port = login.source.rpartition(" ")[2]
        try:
            receiver.wait_for(lambda message: f"port {port}" in message.text, after=mark, timeout=USUAL_SECONDS)
        except TimeoutError:
            return False
        return True

    return is_told


@pytest.fixture
def verdict(host, rows, told):
    """Judge an attack: it must work against the usual notifier and fail against ours, which must report each login.

    verdict("the attack", usual, ours, logins) adds the attack's row to the table, asserts all this, and returns the
    messages. usual, ours: what the intruder gained, in a few words, or empty; ours can be a function of the messages.
    user: the account of the logins
    """

    def verdict_on(
        attack: str, usual: str, ours: str | Callable[[list[Message]], str], logins: list[Login], user: str = "intruder"
    ) -> list[Message]:
        messages = told(*logins)
        ours = ours if isinstance(ours, str) else ours(messages)
        told_of = sorted((place(alert), alert.user) for message in messages for alert in message.alerts)
        true = told_of == sorted((login.source, user) for login in logins) and all(
            message.harmless for message in messages
        )
        rows.append(
            {
                "attack": attack,
                "server": host.check_output("hostname"),
                "usual notifier": usual or "withstands",
                "loginwatch": ours or "withstands",
                "alert": "true, delivered" if true else f"{len(told_of)} of {len(logins)}, or untrue",
            }
        )
        assert usual, "it does not work against the usual notifier either, so it proves nothing"
        assert not ours
        assert true, [str(message) for message in messages]
        return messages

    return verdict_on
