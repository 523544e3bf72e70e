# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a fleet's keys: its table, page, CSV, JSON and map are complete, and users' texts stay text."""

import csv
import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
# Stands in for authorized_key_info: returns the contents of a file about its host.
MODULE = """
import json
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"path": {"type": "path"}})
module.exit_json(changed=False, **json.load(open(module.params["path"])))
"""
NOW = 1764000000
EVIL = "<script>document.title='evil'</script>"
TEMPLATE = "{{ 6007 * 7001 }}"


def fingerprint(letter):
    return "SHA256:" + letter * 43


def key(letter, **changes):
    return {
        "user": "deploy", "uid": 1000, "file": "/home/deploy/.ssh/authorized_keys", "line": 1, "kind": "key",
        "type": "ED25519", "bits": 256, "fingerprint": fingerprint(letter), "comment": "", "options": [],
        "principals": [], "refused": "", "sshds": [], **changes,
    }  # fmt: skip


def answer(*keys, **changes):
    return {"authorized_keys": keys, "malformed": [], "files": [], "notes": [], "accounts": 3, **changes}


FLEET = {
    "web-1": answer(
        key("a", comment="ada@laptop"), key("b", comment="=HYPERLINK(1)"), key("c", comment=EVIL), key("d"),
        key("e", comment=TEMPLATE), key("f", comment="x\"\n  \"SHA256:g\": 'Root'  # &anchor", user="root"),
        key("h", comment="gone", refused="it is revoked (RevokedKeys)"),
    ),
    "web-2": answer(
        key("a", comment="ada@laptop"), key("z", kind="authority", principals=["deploy"]),
        malformed=[{"user": EVIL, "uid": 1, "file": "/f", "line": 3, "reason": "its key is damaged"}],
        notes=["The keys that AuthorizedKeysCommand /usr/bin/x prints are not listed."],
    ),
    "hostile": answer(key("a", fingerprint="\x1b[2J")),
}  # fmt: skip
MEMORY = {
    "keys_since": 0,
    "keys": [
        {"user": "deploy", "key": fingerprint("a"), "first": 5, "last": NOW, "count": 2},
        {"user": "deploy", "key": f"{fingerprint('y')} key id {EVIL}", "first": 5, "last": NOW, "count": 2},
    ],
}
PEOPLE = {fingerprint("a"): "Ada Lovelace"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, ansible):
    """Run the report once. Return its output and its directory."""
    directory = tmp_path_factory.mktemp("keys")
    (directory / "library").mkdir()
    (directory / "library" / "stand_in.py").write_text(MODULE)
    for name, found in FLEET.items():
        (directory / name).write_text(json.dumps(found))
    (directory / "memory").write_text(json.dumps(MEMORY))
    tasks = [
        {"stand_in": {"path": f"{directory}/{{{{ inventory_hostname }}}}"}, "register": "keys_found"},
        {
            "ansible.builtin.raw": f"cat {directory}/memory",
            "register": "keys_status",
            "when": "inventory_hostname == 'web-1'",
        },
        {"ansible.builtin.include_tasks": str(PROJECT / "playbooks" / "tasks" / "report_keys.yml"), "run_once": True},
    ]
    (directory / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    # Ansible looks for templates next to the playbook, where keys.yml has them.
    (directory / "templates").symlink_to(PROJECT / "playbooks" / "templates")
    variables = {
        "keys_report": f"{directory}/report", "ssh_login_notify_people": PEOPLE, "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }  # fmt: skip
    words = (directory / "play.yml", "-i", ",".join(FLEET) + ",", "-e", json.dumps(variables))
    done = ansible("ansible-playbook", *words, COLUMNS="500")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, directory / "report"


def test_the_table_says_whose_each_key_is_what_it_opens_and_when_it_was_used(run):
    table = run[0].partition("TASK [Show the keys]")[2].partition("TASK [")[0]
    for line in (
        f'"{fingerprint("a")}  ED25519 256",', "  Ada Lovelace · comment: ada@laptop", "  opens deploy on web-1, web-2",
        "  owner unknown; comment: =HYPERLINK(1)", "  refused: deploy on web-1: it is revoked (RevokedKeys)",
        f"{fingerprint('z')}  ED25519 256  authority", "  last used 2025-11-24", "/f line 3: its key is damaged",
        "hostile: failed: Its list of keys could not be understood: fingerprint is none.",
        "8 keys on 2 of 3 hosts: 7 with an unknown owner, 5 not used for 90 days, 1 refused by sshd.",
    ):  # fmt: skip
        assert line in table, table
    assert "42055007" not in run[0]
    assert f"The report is in {run[1]}: keys.html for people" in run[0]


def test_the_page_is_complete_and_runs_nothing_of_what_users_write(run):
    page = (run[1] / "keys.html").read_text()
    assert EVIL not in page
    assert page.count("&lt;script&gt;document.title") == 3, "a comment, in the map too, and a key id"
    assert TEMPLATE in page
    assert "42055007" not in page
    parser = HTMLParser()
    tags = []
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(page)
    assert tags.count("script") == 1
    for part in ("Ada Lovelace", "opens nothing", "web-1", "hostile", "the memory of keys begins 1970-01-01"):
        assert part in page
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched from elsewhere"


def test_the_csv_has_no_formula_and_each_host_and_line(run):
    rows = list(csv.DictReader((run[1] / "keys.csv").open(newline="")))
    assert {row["host"] for row in rows} == set(FLEET)
    by_letter = {row["fingerprint"][7]: row for row in rows if row["kind"] == "key"}
    assert by_letter["b"]["comment"] == "'=HYPERLINK(1)"
    assert by_letter["e"]["comment"] == TEMPLATE
    assert (by_letter["a"]["person"], by_letter["h"]["refused"]) == ("Ada Lovelace", "it is revoked (RevokedKeys)")
    assert {row["kind"] for row in rows} == {"key", "authority", "used", "malformed", "failed", "note"}


def test_the_json_has_all_of_it(run):
    report = json.loads((run[1] / "keys.json").read_text())
    assert report["counts"] == {"hosts": 3, "examined": 2, "keys": 8, "unknown": 7, "unused": 5, "closed": 1}
    assert {record["fingerprint"][7] for record in report["keys"]} == set("abcdefhz")
    assert [other["key"] for other in report["others"]] == [MEMORY["keys"][1]["key"]]


def test_the_map_can_be_pasted_and_says_that_its_names_are_hints(run):
    text = (run[1] / "people.yml").read_text()
    people = yaml.safe_load(text)["ssh_login_notify_people"]
    assert people == {
        fingerprint("b"): "=HYPERLINK(1) (by its comment)", fingerprint("c"): EVIL + " (by its comment)",
        fingerprint("e"): TEMPLATE + " (by its comment)",
        fingerprint("f"): "x\"\\n  \"SHA256:g\": 'Root'  # &anchor (by its comment)",
    }  # fmt: skip
    assert f'# "{fingerprint("d")}": "it has no comment"' in text
    assert "which the owner of the account can choose freely" in text


def test_only_its_owner_can_read_it(run):
    assert {path.name: path.stat().st_mode & 0o777 for path in run[1].iterdir()} == dict.fromkeys(
        ("keys.html", "keys.csv", "keys.json", "people.yml"), 0o600
    )
