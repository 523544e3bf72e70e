# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role upgrades an older version during an outage, and the new version delivers the waiting alerts."""

from __future__ import annotations

from outage.server import upgraded

testinfra_hosts = ["ansible://debian12-outage"]

PACKAGE = "/usr/local/lib/ssh-login-notify/ssh_login_notify"
LABEL = 42  # a number in YAML, and a text for the program


def test_what_waits_survives_an_upgrade(host, tmp_path, server, ada, receiver, outcome, rows):
    mark = receiver.last()
    with receiver.misbehaving({"mode": "status", "status": 503}):
        logins = [ada.command(), ada.command()]
        server.wait_for_waiting(2)
        server.run(f"sed -i '1i # an older version' {PACKAGE}/channels/slack.py")
        with upgraded(host, tmp_path, host_label=LABEL):
            assert "older version" not in server.run(f"head -n 1 {PACKAGE}/channels/slack.py")
            logins.append(ada.command())
            server.wait_for_waiting(3)
            server.stop_sender()
            receiver.behave()
            assert server.flush()[0] == 0
            found = outcome(logins)
    found.assert_each_told_once()
    assert {message.fields["Server"] for message in receiver.messages(after=mark) if message.fields} == {str(LABEL)}
    rows.append(found.row(f"{server.name}: the role run again during an outage"))
