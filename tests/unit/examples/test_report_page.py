# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about a fleet in a real browser: it fits every width, and a click on a column's name sorts the hosts.

molecule/fleet checks the page of a real run. Here it has every possible answer of a host, and very long texts.
"""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timezone
from pathlib import Path

import jinja2
import pytest
from ansible_collections.loginwatch.pam.plugins.filter.fleet_report import fleet_report
from ansible_collections.loginwatch.pam.plugins.filter.fleet_texts import fleet_texts

from tests.lab.receiver.screenshot import chromium

TEMPLATES = Path(__file__).resolve().parents[3] / "playbooks" / "templates"
AT = 1763884862.5
CHANNEL = {"kind": "slack", "host": "x", "waiting": 0, "failed": 0, "problems": []}
KEPT = {"complete_since": AT, "missed": 0, "last_missed": 0.0, "gaps": []}
WELL = {
    "configuration": {"host_label": "shop"}, "waiting": 0, "failed": 0, "last_delivery": {"delivered_at": AT},
    "recent_deliveries": [], "problems": [], "version": "0.1.0+f987203f", "state": "ok",
    "completeness": KEPT, "channels": {"webhook": CHANNEL},
}  # fmt: skip
HOSTS = {
    "b-is-well": WELL,
    "a-longer-name-of-a-host.prod.eu-central-1.example.com": dict(
        WELL, state="warning", problems=["what is wrong and what to do about it; " * 9],
        completeness=dict(KEPT, missed=2, last_missed=AT - 86400),
    ),
    "an-older-notifier": {name: WELL[name] for name in WELL if name not in ("completeness", "channels")},
    "a-new-host": dict(WELL, completeness={}),
    "no-log": dict(WELL, completeness=dict(KEPT, gaps=["/var/log/auth.log-20261127.zst can't be read"])),
    "z-has-everything": dict(
        WELL, state="critical", waiting=9999, failed=9999, completeness=dict(KEPT, missed=3, last_missed=AT),
        sandbox_without=["namespaces", "system calls", "capabilities"], problems=["x" * 300, "y"],
        channels={"webhook": CHANNEL, "x" * 32: dict(CHANNEL, problems=["x"])},
    ),
    "gone": None,
}  # fmt: skip
COLUMNS = [
    "Host", "State", "Version", "Last delivery (UTC)", "Waiting", "Failed", "Complete since (UTC)", "Not reported",
    "Channels", "Real login", "Sandbox without",
]  # fmt: skip
# A small phone, tablets, notebooks, just above and below the width where the table becomes a list, a large screen.
WIDTHS = (360, 500, 768, 900, 1100, 1151, 1152, 1153, 1200, 1280, 1400, 1920)


@pytest.fixture(scope="module")
def page():
    known = {
        host: {"ssh_login_notify_host": {"unreachable": not status}, "verify_status": {"stdout": json.dumps(status)}}
        for host, status in HOSTS.items()
    }
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(str(TEMPLATES)), trim_blocks=True)  # noqa: S701
    templates.filters["loginwatch.pam.fleet_texts"] = fleet_texts
    templates.globals["now"] = lambda utc, fmt: datetime.now(timezone.utc).strftime(fmt) if utc else ""
    return templates.get_template("report.html.j2").render(verify_fleet=fleet_report(HOSTS, known, HOSTS))


def shown(tmp_path, page, script):
    """Return the page's title after a script of ours."""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>document.title = {script}</script></body>"))
    found = re.search(r"<title>(.*?)</title>", chromium(f"file://{path}", "--dump-dom"), re.S)
    return html.unescape(found.group(1))


def test_it_fits_at_every_width_and_can_be_sorted_there(tmp_path, page):
    """Frames replace windows, because media queries use the width of the frame."""
    of_frame = """(frame => {
      const view = frame.contentWindow, page = frame.contentDocument;
      const cells = [...page.querySelectorAll("td, td *, p *, th")];
      return [view.innerWidth, Math.max(page.documentElement.scrollWidth, page.querySelector("table").scrollWidth),
              [...page.querySelectorAll("th button")].filter(button => button.checkVisibility()).length,
              cells.filter(cell => cell.getBoundingClientRect().right > view.innerWidth).length].join(" ")})"""
    frames = "".join(f'<iframe style="border:0;width:{width}px;height:900px"></iframe>' for width in WIDTHS)
    # A script fills the frames, because a frame of a file's page has another origin.
    text = json.dumps(page).replace("</", "<\\/")
    outer = f"<!doctype html><title></title><body>{frames}</body>"
    fill = f"""[...document.querySelectorAll("iframe")].map(frame => {{
      frame.contentDocument.open(); frame.contentDocument.write({text});
      frame.contentDocument.close(); return {of_frame}(frame)}}).join()"""
    measured = [tuple(map(int, each.split())) for each in shown(tmp_path, outer, fill).split(",")]
    assert [width for width, *_rest in measured] == list(WIDTHS)
    for width, needed, buttons, beyond in measured:
        assert (needed <= width, buttons, beyond) == (True, len(COLUMNS), 0), (width, needed)


# The order after a click on each column in turn. Equal hosts keep their order from the click before.
SORTED = {
    "Host": ["a-longer-name-of-a-host", "a-new-host", "an-older-notifier", "b-is-well", "gone", "no-log"],
    "State": ["gone", "z-has-everything", "a-longer-name-of-a-host"],
    "Not reported": ["gone", "a-new-host", "an-older-notifier", "b-is-well", "no-log", "a-longer-name-of-a-host"],
}


def test_a_click_on_a_columns_name_sorts_the_hosts_with_their_problems(tmp_path, page):
    click = f"""{json.dumps(list(SORTED))}.map(name => {{
      [...document.querySelectorAll("th button")].find(button => button.textContent === name).click();
      return [...document.querySelectorAll("tbody")].map(host => host.textContent.trim().split(/[\\s.]/)[0] +
        (host.querySelector(".problem") ? "!" : "")).join(" ")}}).join()"""
    for column, found in zip(SORTED, shown(tmp_path, page, click).split(",")):
        assert {name for name in found.split() if name.endswith("!")} == {
            "a-longer-name-of-a-host!", "z-has-everything!", "gone!",
        }, column  # fmt: skip
        names = found.replace("!", "").split()
        assert names[: len(SORTED[column])] == SORTED[column], column


def test_it_says_how_many_hosts_missed_a_login_and_what_is_not_known(page):
    assert "1 unreachable," in page
    assert ">On 2 hosts a login was not reported, the last one at 2025-11-23 08:01:02 UTC.</strong>" in page
    cells = re.findall(r'<td data-label="(?:Host|Complete since|Not reported)">([^<]*)<', page)
    rows = {cells[number].split()[0]: cells[number + 1 : number + 3] for number in range(0, len(cells), 3)}
    assert rows["b-is-well"] == ["2025-11-23 08:01:02", "0"]
    assert rows["z-has-everything"] == ["2025-11-23 08:01:02", "3 (last at 2025-11-23 08:01:02)"]
    assert rows["an-older-notifier"] == rows["gone"] == ["-", "-"]
    assert rows["a-new-host"] == ["nothing is compared yet", "-"]
    assert rows["no-log"] == ["/var/log/auth.log-20261127.zst can&#39;t be read", "0"]
    assert re.findall(r'<button type="button">([^<]*)<', page) == COLUMNS
