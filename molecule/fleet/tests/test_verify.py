# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.verify changes nothing, reports each host correctly, and fails if one is not healthy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.lab.operating import Run
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
    messages = [message for message in receiver.messages(after=mark) if "Type" in message.fields]  # no self-check's
    told = {(message.fields["Server"], message.fields.get("User", "test")) for message in messages}
    assert told == {(name, "deploy") for name in servers}, "where a login is proven, no test alert is needed"
    rows = [line for line in run.output.splitlines() if re.search(r"^\s+- .*(delivered|waiting  real login)\W*$", line)]
    assert len(rows) == 1 + len(servers)
    assert [row for row in rows if len(row) > 80] == []


def test_each_host_that_is_not_well_is_told_with_its_reason(verify, servers):
    """One has no line, on one the program crashes with 1, its exit code for a warning, and one has a unit that the next
    boot would not start."""
    stopped, bare, broken = (servers[name] for name in ("debian12", "debian13", "debian12-plain"))
    module = "/usr/local/lib/ssh-login-notify/ssh_login_notify/cli.py"
    stopped.check_output("systemctl disable ssh-login-notify.timer")
    bare.check_output(f"cp -a {PAM} /root/sshd.pam && sed -i /ssh-login-notify/d {PAM}")
    broken.check_output(f"cp -a {module} /root/cli.py && sed -i '1i raise RuntimeError(\"damaged\")' {module}")
    try:
        run, records = verify()
    finally:
        stopped.check_output("systemctl enable ssh-login-notify.timer")
        bare.check_output(f"cp -a /root/sshd.pam {PAM}")
        broken.check_output(f"cp -a /root/cli.py {module}")
    assert run.status != 0
    assert {record["state"] for record in records.values()} == {"critical"}
    assert [run.recap(name)["failed"] for name in servers] == [1, 1, 1]
    assert "ssh-login-notify.timer: not enabled" in records["debian12"]["problems"][0]
    assert "PAM line" in records["debian13"]["problems"][0]
    (problem,) = records["debian12-plain"]["problems"]
    assert re.search(r"can't be loaded \(RuntimeError: damaged\): run the role again", problem), problem
    assert records["debian12-plain"]["real_login"] == "not tried"
    told = " ".join(run.output.split())  # Ansible wraps the table's lines
    assert re.search(r"debian13 critical .* not tried .*critical: the PAM line in /etc/pam.d/sshd is gone", told)


def shown_after(tmp_path, page: str, script: str, *options: str) -> str:
    """Return the page from a real browser, after a script of ours."""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    return chromium(f"file://{path}", "--dump-dom", *options)


def clicked(tmp_path, page: str, column: str) -> str:
    """Return the page after a click on a column's name."""
    click = f"for (const b of document.querySelectorAll('th button')) if (b.textContent === '{column}') b.click()"
    return shown_after(tmp_path, page, click)


class TestWhereNoLoginIsWanted:
    """One host also has a setting that is refused, with a text that a page must not execute."""

    @pytest.fixture(autouse=True, scope="class")
    def verified(self, play, receiver, tmp_path_factory) -> tuple[Run, list[str], Path]:
        """The run, the servers whose test alerts arrived, and the report's path."""
        report, mark = tmp_path_factory.mktemp("report"), receiver.last()
        extra = ("-e", "verify_real_login=false", "-e", f"verify_report={report}")
        run = play("verify", extra, debian12={"ssh_login_notify_ignore": [{"from": EVIL}]})
        receiver.settle()
        tests = [message.fields["Server"] for message in receiver.messages(after=mark) if "Test alert" in message.text]
        return run, tests, report

    def test_a_test_alert_is_the_proof(self, verified):
        run, tests, _report = verified
        assert sorted(tests) == ["debian12-plain", "debian13"]
        assert [run.recap(name)["failed"] for name in ("debian12", "debian13", "debian12-plain")] == [1, 0, 0]
        assert "TASK [Log in again]" not in run.output

    def test_the_page_shows_it_in_a_browser_and_runs_nothing_of_what_it_shows_and_fits_on_a_phone(
        self, verified, tmp_path
    ):
        run, _tests, report = verified
        records = json.loads((report / "report.json").read_text())["hosts"]
        assert [record["state"] for record in records] == ["critical", "ok", "ok"], "the worst state comes first"
        # The refused value is quoted.
        assert EVIL in records[0]["problems"][0]
        assert run.status != 0
        page = (report / "report.html").read_text()
        assert EVIL not in page
        assert "not-a-real-secret" not in page
        shown = clicked(tmp_path, page, "Host")
        assert "<title>SSH login notifier: 3 hosts</title>" in shown
        hosts = re.findall(r'data-label="Host">([^< ]+)', shown)
        assert hosts == ["debian12", "debian12-plain", "debian13"]
        assert 'aria-sort="ascending"' in shown
        by_state = clicked(tmp_path, page.replace("critical", "unknown"), "State")
        assert re.findall(r'data-label="State"[^>]*>([^<]+)', by_state) == ["unknown", "ok", "ok"], "not alphabetical"
        # On a phone the table can be sorted, too. tests/unit/examples/test_report_page.py checks other widths.
        size = "document.title = [document.documentElement.scrollWidth <= innerWidth,"
        buttons = " [...document.querySelectorAll('th button')].filter(b => b.checkVisibility()).length].join()"
        assert "<title>true,11</title>" in shown_after(tmp_path, page, size + buttons, "--window-size=500,900")
