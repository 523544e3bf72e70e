# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack requests a pause: nothing on the host sends before its end, and waiting alerts are sent soon after."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from outage.server import PROGRAM, SPOOL

from tests.lab.receiver.client import http_date

testinfra_hosts = ["ansible://debian12-outage", "ansible://plain"]

# Long enough for everything that the test does before the end of the pause, on a busy machine.
PAUSE = 20
# The random part of the first wait is at most a second. The rest is for a busy machine.
SOON = 5.0
RECORDED = f'until grep -q "asked.: true" {SPOOL}/state/sender.json; do sleep 0.1; done'
FORMS = {"seconds": lambda: str(PAUSE), "HTTP date": lambda: http_date(PAUSE)}


def end_of_pause(form, refused, asked) -> float:
    """Return the end of the pause: relative to the answer, or the given date."""
    return refused.received_at + PAUSE if form == "seconds" else parsedate_to_datetime(asked).timestamp()


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_sent_before_the_time(form, server, ada, receiver, outcome, rows):
    mark, asked = receiver.last(), FORMS[form]()
    receiver.behave({"mode": "status", "status": 429, "retry_after": asked, "times": 1})
    logins = [ada.command()]
    (refused,) = receiver.wait_for(lambda message: message.status == 429, after=mark, attempts=True)
    over = end_of_pause(form, refused, asked)
    server.run(f"timeout 30 sh -c '{RECORDED}'")  # a sender that is stopped before that has not read the answer

    # Everything that could send tries: an operator's flush and test, and the sender of a new login.
    server.stop_sender()
    server.run(f"{PROGRAM} flush > /root/flush 2>&1 & {PROGRAM} test > /root/test 2>&1 &")
    logins += [ada.command(), ada.command()]
    found = outcome(logins)
    found.assert_each_told_once()

    address = server.address
    sent = [each for each in receiver.attempts(after=refused.number) if each.raw["client"]["address"] == address]
    early = [over - each.received_at for each in sent if each.received_at < over]
    assert early == [], "seconds too early"
    assert sent[0].received_at < over + SOON
    assert len({report.message for report in found.reports}) == 1, "asked for fewer messages, it sends only one"
    rows.append(found.row(f"{server.name}: 429, Retry-After as {form}"))
