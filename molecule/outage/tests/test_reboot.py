# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server's power fails during an outage: waiting alerts and unfinished captures survive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from outage.server import PROCESS

testinfra_hosts = ["ansible://debian13-outage", "ansible://plain"]

# Also matches its finisher. All other processes have an argument after the program.
OBSERVER = f"pgrep -f '{PROCESS}$'"


def test_what_waits_survives_a_reboot(server, ada, people, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": 503}), ThreadPoolExecutor() as pool:
        logins = [ada.command(), ada.command()]
        server.wait_for_waiting(2)
        # While an observer hangs, captures stay captures: that of the tunnel which it watches, and that of the next
        # login.
        tunnel = pool.submit(people("rita").tunnel)
        server.wait_for(lambda status: status["captured"])
        server.run(f"kill -STOP $({OBSERVER})")
        logins += [ada.command(), tunnel.result()]
        server.cut_off()
        assert len(server.kept()) == len(logins)
        server.start()
        ada.address = server.address
        status = server.status()[1]
        assert (status["waiting"], status["captured"]) == (2, 2), "the contents of the spool are gone"
    logins.append(ada.command())
    found = outcome(logins)
    assert found.lost == []
    assert found.again == []
    assert len(found.reports) == len(logins)
    rows.append(found.row(f"{server.name}: reboot during an outage"))
