# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.verify changes nothing, tells the truth about each host, and fails when one is not well."""

from __future__ import annotations

import re

import pytest

from tests.lab.operating import NOBODY
from tests.lab.receiver.screenshot import chromium

pytestmark = pytest.mark.usefixtures("deployed")

PAM = "/etc/pam.d/sshd"
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
    assert told == {(name, "deploy") for name in servers}, "where a login is proven, no test alert is needed"
    rows = [line for line in run.output.splitlines() if re.search(r"^\s+- .*(delivered|waiting  real login)\W*$", line)]
    assert len(rows) == 1 + len(servers)
    assert [row for row in rows if len(row) > 80] == []


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
    assert re.search(r"debian13 critical .* not tried\W+critical: the PAM line in /etc/pam.d/sshd is gone", told)
    assert "Ansible could not reach it: " in records["debian12-plain"]["problems"][0]
    assert "192.0.2.1" in records["debian12-plain"]["problems"][0]


def test_when_no_host_can_be_reached_the_report_says_so(verify, servers):
    run, records = verify(debian12=NOBODY, debian13=NOBODY, debian12_plain=NOBODY)
    assert run.status != 0
    assert {record["state"] for record in records.values()} == {"unreachable"}
    assert set(records) == set(servers)


def test_where_no_login_is_wanted_a_test_alert_is_the_proof(play, servers, receiver):
    mark = receiver.last()
    run = play("verify", ("-e", "verify_real_login=false"))
    assert run.status == 0, run.output
    receiver.settle()
    tests = [message.fields["Server"] for message in receiver.messages(after=mark) if "Test alert" in message.text]
    assert sorted(tests) == sorted(servers)
    assert "TASK [Log in again]" not in run.output


def test_a_program_that_breaks_down_and_a_unit_that_the_next_boot_would_not_start_are_told(verify, servers):
    """The program ends with 1, as with a warning."""
    broken, stopped = servers["debian12-plain"], servers["debian13"]
    module = "/usr/local/lib/ssh-login-notify/ssh_login_notify/cli.py"
    broken.check_output(f"cp -a {module} /root/cli.py && sed -i '1i raise RuntimeError(\"damaged\")' {module}")
    stopped.check_output("systemctl disable ssh-login-notify.timer")
    try:
        run, records = verify()
    finally:
        broken.check_output(f"cp -a /root/cli.py {module}")
        stopped.check_output("systemctl enable ssh-login-notify.timer")
    assert run.status != 0
    (problem,) = records["debian12-plain"]["problems"]
    assert re.search(r"can't be loaded \(RuntimeError: damaged\): run the role again", problem), problem
    assert records["debian12-plain"]["real_login"] == "not tried"
    assert records["debian13"]["state"] == "critical"
    assert "ssh-login-notify.timer: not enabled" in records["debian13"]["problems"][0]
    assert records["debian12"]["state"] == "ok"


def shown_after(tmp_path, page: str, script: str, *options: str) -> str:
    """The page in a real browser, after a script of ours."""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    return chromium(f"file://{path}", "--dump-dom", *options)


def clicked(tmp_path, page: str, column: str) -> str:
    """The page after a click on a column's name."""
    click = f"for (const b of document.querySelectorAll('th button')) if (b.textContent === '{column}') b.click()"
    return shown_after(tmp_path, page, click)


def test_the_page_shows_it_in_a_browser_and_runs_nothing_of_what_it_shows_and_fits_on_a_phone(verify, tmp_path):
    # What is refused is quoted.
    run, records = verify(debian12={"ssh_login_notify_ignore": [{"from": EVIL}]})
    assert EVIL in records["debian12"]["problems"][0]
    assert run.status != 0
    page = (tmp_path / "report.html").read_text()
    assert EVIL not in page
    assert "not-a-real-secret" not in page
    shown = clicked(tmp_path, page, "Host")
    assert "<title>SSH login notifier: 3 hosts</title>" in shown
    hosts = re.findall(r'data-label="Host">([^< ]+)', shown)
    assert hosts == ["debian12", "debian12-plain", "debian13"]
    assert 'aria-sort="ascending"' in shown
    by_state = clicked(tmp_path, page.replace("critical", "unknown"), "State")
    assert re.findall(r'data-label="State"[^>]*>([^<]+)', by_state) == ["unknown", "ok", "ok"], "not by the letters"
    # On a phone it can be sorted, too.
    size = "document.title = [document.documentElement.scrollWidth <= innerWidth,"
    buttons = " [...document.querySelectorAll('th button')].filter(b => b.checkVisibility()).length].join()"
    for width in (500, 900, 1100, 1400):
        shown = shown_after(tmp_path, page, size + buttons, f"--window-size={width},900")
        assert "<title>true,10</title>" in shown, width
