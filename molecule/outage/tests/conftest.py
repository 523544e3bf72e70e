# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario: the server under test, with an empty spool, and the reports of its logins."""

from __future__ import annotations

from contextlib import suppress

import pytest
from outage.channel import Outcome, Report, reports
from outage.server import Server

DELIVERY_SECONDS = 30.0
QUIET_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(host) -> Server:
    """The server under test."""
    return Server(host)


@pytest.fixture(autouse=True, scope="module")
def _nobody_comes_by_the_clock(server):
    """Pause the timers, or cron, because they would send the alerts that a test keeps waiting."""
    with server.stopped_clock():
        yield


@pytest.fixture(autouse=True)
def _afresh(server, receiver):
    """Begin with an empty spool, and with a Slack that works."""
    receiver.behave()
    server.clear()
    yield
    receiver.behave()


@pytest.fixture
def outcome(receiver):
    """Return the outcome of these logins, once all are reported or time is up: outcome(logins).

    Only messages since the test began count. expected: how many logins must be reported, if not all
    """
    mark = receiver.last()

    def outcome_of(logins, expected: int | None = None, timeout: float = DELIVERY_SECONDS) -> Outcome:
        sources = {login.source for login in logins}
        found: dict[int, list[Report]] = {}

        def all_told(message) -> bool:
            found[message.number] = [report for report in reports([message]) if report.source in sources]
            told = {report.source for told_of in found.values() for report in told_of}
            return len(told) >= (len(sources) if expected is None else expected)

        with suppress(TimeoutError):  # the outcome shows what is missing
            receiver.wait_for(all_told, after=mark, timeout=timeout)
        receiver.settle(QUIET_SECONDS)
        told = reports(receiver.messages(after=mark))
        return Outcome(list(logins), [report for report in told if report.source in sources])

    return outcome_of
