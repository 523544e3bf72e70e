# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After an outage, waiting alerts are sent without help: by the sender itself, the next login, or the timer."""

from __future__ import annotations

import json
import time

from outage.server import PROGRAM, RETRY, SPOOL

testinfra_hosts = ["ansible://debian12-outage", "ansible://plain"]

LOGINS = 2
# A minute until the timer or cron, and the delivery.
HEALED_SECONDS = 75.0
# It fails, and systemd starts the timer for the next run.
ONE_MORE_RUN = f"""
    systemctl start --no-block ssh-login-notify.service
    timeout 30 sh -c 'until systemctl is-active --quiet {RETRY}; do sleep 0.2; done'
"""


def log_in_during_an_outage(server, ada, receiver, sender_goes_on: bool) -> list:
    """Log in during an outage, then end it, with a sender that waits for its next attempt, or with none."""
    with receiver.away():
        logins = [ada.command() for _login in range(LOGINS)]
        server.wait_for_waiting(LOGINS)
        if not sender_goes_on:
            server.stop_sender()
    return logins


def test_the_sender_goes_on_by_itself(server, ada, receiver, outcome, rows):
    logins = log_in_during_an_outage(server, ada, receiver, sender_goes_on=True)
    found = outcome(logins)
    found.assert_each_told_once()
    assert found.late == []
    rows.append(found.row(f"{server.name}: refused, then by itself"))


def test_the_next_login_starts_another_sender(server, ada, receiver, outcome, rows):
    logins = log_in_during_an_outage(server, ada, receiver, sender_goes_on=False)
    logins.append(ada.command())
    found = outcome(logins)
    found.assert_each_told_once()
    rows.append(found.row(f"{server.name}: refused, then by the next login"))


def test_the_clock_starts_another_sender_within_a_minute(server, ada, receiver, outcome, rows):
    """At the end of a long outage, in which the senders of its logins have given up."""
    with server.usual_clock():
        with receiver.away():
            logins = [ada.command() for _login in range(LOGINS)]
            server.wait_for_waiting(LOGINS)
            server.stop_sender()
            # The state that a sender leaves when it has given up.
            given_up = {"recent": [], "trouble": None, "not_before": 0, "agreed_at": time.time(), "failures": 99}
            server.run(f"echo '{json.dumps(given_up)}' > {SPOOL}/state/sender.json")
            server.run(ONE_MORE_RUN if server.has_systemd else f"! {PROGRAM} send")
        found = outcome(logins, timeout=HEALED_SECONDS)
        found.assert_each_told_once()
        if server.has_systemd:
            server.run(f"! systemctl is-active {RETRY}")  # it runs only while something waits
    rows.append(found.row(f"{server.name}: refused, then by the {'timer' if server.has_systemd else 'cron job'}"))
