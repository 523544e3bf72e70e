# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of this scenario share: the intruder, and the verdict on an attack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from attacks.setup import usual_notifier

from tests.lab.logins import Login, Person
from tests.lab.receiver.client import Alert, Message

ALERT_SECONDS = 30.0
QUIET_SECONDS = 0.5
# The usual notifier sends at once or never.
USUAL_SECONDS = 3.0


def place(alert: Alert) -> str:
    """Where the login came from, without the name that somebody gave the address."""
    return alert.source.partition(" (")[0]


@pytest.fixture(scope="module")
def intruder(people) -> Person:
    """Somebody with an ordinary account who means no good."""
    return people("intruder")


@pytest.fixture(autouse=True, scope="module")
def _the_usual_notifier_works(host, intruder, receiver):
    """Whoever finds it silent under attack has to know that it is not silent by itself."""
    mark = receiver.last()
    with usual_notifier(host):
        port = intruder.command().source.rpartition(" ")[2]
    receiver.wait_for(lambda message: f"port {port}" in message.text, after=mark, timeout=USUAL_SECONDS)


@pytest.fixture
def told(receiver):
    """What the channel tells of logins made since the test began: waits for all of them, then for silence.

    told(login, …) returns the messages, of which a digest may tell of several logins. All of it is harmless to read.
    """
    mark = receiver.last()

    def messages_of(*logins: Login) -> list[Message]:
        sources = {login.source for login in logins}
        found: dict[int, Message] = {}

        def all_told(message: Message) -> bool:
            if any(place(alert) in sources for alert in message.alerts):
                found[message.number] = message
            return sources <= {place(alert) for message in found.values() for alert in message.alerts}

        with suppress(TimeoutError):  # whoever asks sees what is missing
            receiver.wait_for(all_told, after=mark, timeout=ALERT_SECONDS)
        receiver.settle(QUIET_SECONDS)
        messages = receiver.messages(after=mark)
        return [message for message in messages if any(place(alert) in sources for alert in message.alerts)]

    return messages_of


@pytest.fixture
def is_told_by_the_usual(receiver):
    """Tell whether the usual notifier has told of a login, in whatever words: is_told_by_the_usual(login)."""
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
    """Judge an attack: it works against the usual notifier, not against ours, and ours tells of each login, truly.

    verdict("what is tried", usual, ours, logins) adds the attack's row to the table, asserts that, and returns the
    messages. usual, ours: what the intruder gained by it, in a few words, or empty; ours may be a function of the
    messages. user: whose logins they are.
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
        assert usual, "against the usual notifier it does not work either, so it shows nothing"
        assert not ours
        assert true, [str(message) for message in messages]
        return messages

    return verdict_on
