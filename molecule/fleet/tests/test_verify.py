# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.verify changes nothing, tells the truth about each host, and fails when one is not well."""

from __future__ import annotations

import re

import pytest
from receiver.screenshot import chromium

pytestmark = pytest.mark.usefixtures("deployed")

PAM = "/etc/pam.d/sshd"
# Nobody is there (RFC 5737), and Ansible does not wait long to find out.
NOBODY = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=2"}
EVIL = "<script>document.title='evil'</script>"


def test_a_fleet_that_is_well(verify, servers, receiver):
    mark = receiver.last()
    footprints = {name: server.check_output("sh /root/footprint.sh") for name, server in servers.items()}
    run, records = verify()
    assert run.status == 0, run.output
    for name, server in servers.items():
        record = records[name]
        assert (record["state"], record["waiting"], record["problems"]) == ("ok", 0, [])
        assert record["real_login"] == "delivered"
        assert run.recap(name)["changed"] == 0
        before, after = footprints[name].splitlines(), server.check_output("sh /root/footprint.sh").splitlines()
        changed = {line.split()[-1] for line in set(before) ^ set(after)}
        assert all("/var/spool/ssh-login-notify" in path for path in changed), changed
    receiver.settle()
    told = {(message.fields["Server"], message.fields.get("User", "test")) for message in receiver.messages(after=mark)}
    assert told >= {(name, user) for name in servers for user in ("deploy", "test")}


def test_each_host_that_is_not_well_is_told_with_its_reason(verify, servers, tmp_path):
    server = servers["debian13"]
    server.check_output(f"cp -a {PAM} /root/sshd.pam && sed -i /ssh-login-notify/d {PAM}")
    try:
        run, records = verify(debian12_plain=NOBODY)
    finally:
        server.check_output(f"cp -a /root/sshd.pam {PAM}")
    assert run.status != 0
    assert {name: record["state"] for name, record in records.items()} == {
        "debian12": "ok", "debian13": "critical", "debian12-plain": "unreachable"
    }  # fmt: skip
    assert list(records)[-1] == "debian12", "what is worst comes first"
    assert "PAM line" in records["debian13"]["problems"][0]
    assert run.recap("debian13")["failed"] == 1
    assert run.recap("debian12")["failed"] == 0
    told = " ".join(run.output.split())  # Ansible breaks the table's lines
    assert re.search(r"debian13 critical 0\.1\.0 .* not tried critical: the PAM line in /etc/pam.d/sshd is gone", told)


def test_the_page_shows_it_in_a_browser_and_runs_nothing_of_what_it_shows(verify, tmp_path):
    run, _records = verify(debian12={"ssh_login_notify_pam_services": [f"sshd{EVIL}"]})
    assert run.status != 0
    page = (tmp_path / "report.html").read_text()
    assert EVIL not in page
    assert "not-a-real-secret" not in page
    # Sorted by host, as by a click: the same script, in a real browser.
    clicked = tmp_path / "clicked.html"
    clicked.write_text(page.replace("</body>", "<script>document.querySelector('th button').click()</script></body>"))
    shown = chromium(f"file://{clicked}", "--dump-dom")
    assert "<title>SSH login notifier: 3 hosts</title>" in shown
    hosts = re.findall(r'data-label="Host">([^< ]+)', shown)
    assert hosts == ["debian12", "debian12-plain", "debian13"]
    assert 'aria-sort="ascending"' in shown
