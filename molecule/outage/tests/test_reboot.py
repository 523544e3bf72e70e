# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server goes down in the middle of an outage, as in a power cut: what waits, or is only captured, survives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from outage.server import PROCESS

testinfra_hosts = ["ansible://debian13-outage", "ansible://plain"]

# And its finisher: no other process has no word behind the program.
OBSERVER = f"pgrep -f '{PROCESS}$'"


def test_what_waits_survives_a_reboot(server, ada, people, receiver, outcome, rows):
    with receiver.misbehaving({"mode": "status", "status": 503}), ThreadPoolExecutor() as pool:
        logins = [ada.command(), ada.command()]
        server.wait_for_waiting(2)
        # While an observer hangs, captures stay captures: of the tunnel that it looks at, and of the login after it.
        tunnel = pool.submit(people("rita").tunnel)
        server.wait_for(lambda status: status["captured"])
        server.run(f"kill -STOP $({OBSERVER})")
        logins += [ada.command(), tunnel.result()]
        server.cut_off()
        assert len(server.kept()) == len(logins)
        server.start()
        ada.address = server.address
        status = server.status()[1]
        assert (status["waiting"], status["captured"]) == (2, 2), "what stood in the spool is not there any more"
    logins.append(ada.command())
    found = outcome(logins)
    assert found.lost == []
    assert found.again == []
    assert len(found.reports) == len(logins)
    rows.append(found.row(f"{server.name}: reboot during an outage"))
