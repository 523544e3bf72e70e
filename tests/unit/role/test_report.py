# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a fleet is complete whatever one host answers, and only that host is shown as not healthy."""

import json
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
STATUS = {
    "configuration": {"host_label": "web-3"},
    "waiting": 0,
    "failed": 0,
    "last_delivery": {"delivered_at": 1763884862.5},
    "recent_deliveries": [],
    "problems": [],
    "version": "0.1.0",
    "state": "ok",
}
CHANNEL = {"kind": "slack", "host": "x", "waiting": 0, "failed": 0, "problems": []}
MISSED_AT = 1763884862.5
HOSTILE = {
    "channels": {"channels": {"chat": CHANNEL, "<script>alert(3)": {**CHANNEL, "problems": ["x"]}}},
    "complete": {"completeness": {"complete_since": MISSED_AT, "missed": 2, "last_missed": MISSED_AT, "gaps": []}},
    "not-proven": {"completeness": {"complete_since": 0, "missed": 0, "last_missed": 0, "gaps": ["<script>alert(4)"]}},
    "no-number": {"last_delivery": {"delivered_at": "yesterday"}},
    "no-time": {"last_delivery": {"delivered_at": 1e300}},
    "unknown-state": {"state": "splendid"},
    "lists": {"problems": [["x"]], "version": ["x"], "configuration": {"host_label": ["x"]}},
    "no-list": {"problems": 5},
    "huge": {"problems": ["x" * 3_000_000]},
    "terminal": {"problems": ["\x1b[2J\n\ud800"], "state": "warning"},
    "browser": {"problems": ["<script>alert(1)</script>"], "state": "warning"},
    "guest": {"sandbox_without": ["namespaces", "<script>alert(2)</script>"]},
    "template": {"problems": ["{{ 6007 * 7001 }}"], "version": "{{ 6007 * 7001 }}", "state": "warning"},
    "template-that-fails": {"problems": ["{{ 6007 * 7001 }}"], "state": "critical"},
}


def test_hostile_hosts_spoil_nobodys_report(tmp_path, ansible):
    answers = {"well": json.dumps(STATUS), **{name: json.dumps({**STATUS, **HOSTILE[name]}) for name in HOSTILE}}
    answers.update({"no-json": "{", "nothing": ""})
    failure = "{{ verify_status | loginwatch.pam.status_failure }}"
    remember = {"file": str(PROJECT / "playbooks" / "tasks" / "remember_reason.yml")}
    tasks = [
        # Not with set_fact, which turns the text into a dictionary up to ansible-core 2.18.
        {"ansible.builtin.raw": f"cat {tmp_path}/answer-{{{{ inventory_hostname }}}}", "register": "verify_status"},
        {"ansible.builtin.set_fact": {"ssh_login_notify_host": {"unreachable": False}}},
        {
            "block": [{"ansible.builtin.fail": {"msg": failure}, "when": "'template-that' in inventory_hostname"}],
            "rescue": [{"ansible.builtin.include_tasks": remember, "vars": {"remember_as": "verify_failure"}}],
        },
        {"ansible.builtin.include_tasks": str(PROJECT / "playbooks" / "tasks" / "report.yml"), "run_once": True},
    ]
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    for name, answer in answers.items():
        (tmp_path / f"answer-{name}").write_text(answer)
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "playbooks").symlink_to(PROJECT / "playbooks")
    # Ansible looks for templates next to the playbook, where verify.yml has them.
    (tmp_path / "templates").symlink_to(PROJECT / "playbooks" / "templates")
    done = ansible(
        "ansible-playbook", "-i", ",".join(answers) + ",", "-c", "local", "-e", f"verify_report={tmp_path}/report",
        tmp_path / "play.yml",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    records = {host["host"]: host for host in json.loads((tmp_path / "report" / "report.json").read_text())["hosts"]}
    assert set(records) == set(answers)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "5 ok" in page
    assert "  Complete since 2025-11-23 08:01; 2 not reported before, the last one at 2025-11-23 08:01." in done.stdout
    assert "It is not proven that every login was reported: <script>alert(4)." in done.stdout
    assert '<td data-label="Complete since">2025-11-23 08:01:02</td>' in page
    assert "&lt;script&gt;alert(4)</td>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert ">On 1 host a login was not reported, the last one at 2025-11-23 08:01:02 UTC.<" in page
    assert "On 1 host a login was not reported, the last one at 2025-11-23 08:01 UTC." in done.stdout
    assert "2 (with a problem: &lt;script&gt;alert(3))" in page
    assert "2 channels, of which these have a problem: <script>alert(3)." in done.stdout
    assert (records["guest"]["state"], records["guest"]["sandbox_without"][0]) == ("ok", "namespaces")
    assert "It refuses these parts of the sandbox of its services: namespaces" in done.stdout
    assert "namespaces, &lt;script&gt;alert(2)" in page
    assert (records["well"]["state"], records["well"]["last_delivery"]) == ("ok", 1763884862.5)
    assert records["terminal"]["problems"] == ["\\x1b[2J\\n\\ud800"]
    template = "{{ 6007 * 7001 }}"
    assert (records["template"]["problems"], records["template"]["version"]) == ([template], template)
    assert records["template-that-fails"]["problems"] == [f"critical: {template}."]
    assert "42055007" not in page
    assert "42055007" not in done.stdout
    others = set(answers) - {
        "well",
        "complete",
        "not-proven",
        "guest",
        "channels",
        "terminal",
        "browser",
        "template",
        "template-that-fails",
    }
    assert {records[name]["state"] for name in others} == {"unknown"}
    assert all("understood" in records[name]["problems"][0] for name in others)
