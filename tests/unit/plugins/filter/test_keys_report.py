# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""keys_report: what each key opens, its owner and its known use. A damaged host does not affect the others."""

import json

import pytest
from ansible_collections.loginwatch.pam.plugins.filter import keys_report as module
from ansible_collections.loginwatch.pam.plugins.filter.keys_report import FilterModule, keys_report

NOW = 1764000000.0
DAY = 86400.0
LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
FINGERPRINT = "SHA256:" + "a" * 43


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: NOW)


def fingerprint(letter):
    return "SHA256:" + letter * 43


def key(letter="a", user="deploy", **changes):
    """Return a row of authorized_key_info."""
    return {
        "user": user, "uid": 1000, "file": f"/home/{user}/.ssh/authorized_keys", "line": 1, "kind": "key", "bits": 256,
        "type": "ED25519", "fingerprint": fingerprint(letter), "comment": "", "options": [], "principals": [],
        "refused": "", "sshds": [], **changes,
    }  # fmt: skip


def used(letter, last, user="deploy", first=0):
    return {"user": user, "key": fingerprint(letter), "first": first, "last": last, "count": 3}


def host(*keys, people=None, memory=None, since=0.0, **found):
    """Return the facts of keys.yml about a host. memory: None if the notifier has none."""
    status = {"state": "ok"} if memory is None else {"state": "ok", "keys": memory, "keys_since": since}
    answer = {"authorized_keys": list(keys), "malformed": [], "files": [], "notes": [], "accounts": 3, **found}
    known = {"keys_found": answer, "keys_status": {"stdout": json.dumps(status)}}
    return known if people is None else {**known, "ssh_login_notify_people": people}


def report(unused_days=90, **hosts):
    return keys_report(hosts, hosts, hosts, unused_days)


def only(found):
    (record,) = found["records"]
    return record


def test_a_key_is_one_record_with_all_that_it_opens():
    found = report(
        a=host(key(comment="ada@laptop"), key(user="root", options=[{"name": "no-pty", "value": None}])),
        b=host(key(options=[{"name": "from", "value": 'x"y'}, {"name": "command", "value": "z"}], comment="ada@home")),
        c=host(key()),
    )
    assert FilterModule().filters() == {"keys_report": keys_report}
    record = only(found)
    assert record["places"] == [
        "deploy on a, c",
        "root on a, with no-pty",
        'deploy on b, with from="x\\"y",command="z"',
    ]
    assert record["comments"] == ["ada@laptop", "ada@home"]
    assert (record["type"], record["bits"], record["kind"], record["refusals"]) == ("ED25519", 256, "key", [])
    assert found["counts"] == {"hosts": 3, "examined": 3, "keys": 1, "unknown": 1, "unused": 0, "closed": 0}


@pytest.mark.parametrize(
    ("memory", "since", "use", "text"),
    [
        ([used("a", NOW - DAY)], NOW - 200 * DAY, "used", "last used 2025-11-23"),
        ([used("a", NOW - DAY)], NOW - 2 * DAY, "used", "last used 2025-11-23"),
        ([used("a", NOW - 91 * DAY)], NOW - 200 * DAY, "unused", "last used 2025-08-25, more than 90 days ago"),
        ([], NOW - 200 * DAY, "unused", "not used for 90 days; not since 2025-05-08, when the memory begins (web)"),
        ([used("a", NOW, user="root")], NOW - 90 * DAY, "unused", "not used for 90 days; not since 2025-08-26,"),
        ([used("b", NOW)], NOW - 90 * DAY, "unused", "not used for 90 days; not since 2025-08-26,"),
        ([], NOW - 89 * DAY, "not known", "not known; not since 2025-08-27, when the memory begins (web)"),
        (None, 0, "not known", "not known; the notifier keeps no memory of keys (web)"),
    ],
)
def test_a_key_is_unused_only_where_a_memory_is_old_enough_to_say_so(memory, since, use, text):
    record = only(report(web=host(key(), memory=memory, since=since)))
    assert record["use"] == use
    assert record["use_text"].startswith(text)


def test_another_limit_of_days():
    web = host(key(), memory=[used("a", NOW - 10 * DAY)], since=0)
    assert only(report(web=web, unused_days=9))["use"] == "unused"
    assert only(report(web=web, unused_days=11))["use"] == "used"


def test_over_the_fleet_a_use_anywhere_counts_and_a_host_without_a_memory_leaves_it_open():
    old = {"memory": [], "since": 0.0}
    assert only(report(a=host(key(), **old), b=host(key(), memory=[used("a", NOW)], since=NOW)))["use"] == "used"
    assert only(report(a=host(key(), **old), b=host(key())))["use"] == "not known"
    assert only(report(a=host(key(), **old), b=host(key(), **old)))["use"] == "unused"


def test_what_sshd_refuses_opens_nothing():
    closed = key(refused="it is revoked")
    record = only(report(a=host(closed), b=host(closed)))
    assert (record["use"], record["use_text"], record["places"]) == ("closed", "opens nothing", [])
    assert record["refusals"] == ["deploy on a, b: it is revoked"]
    assert only(report(a=host(closed), b=host(key(), memory=[], since=0.0)))["use"] == "unused"


def test_an_authority_is_used_by_its_certificates_and_unused_never_for_certain():
    authority, certificate = key(kind="authority", principals=["deploy"]), used("a", NOW)
    certificate["key"] += " key id ada@example.org"
    record = only(report(a=host(authority, memory=[certificate], since=0.0)))
    assert (record["use"], record["last"]) == ("used", NOW)
    for memory in ([], [used("a", NOW)]):
        record = only(report(a=host(authority, memory=memory, since=0.0)))
        assert record["use"] == "not known"
        assert "long key ids" in record["use_text"]
    found = report(a=host(key(), memory=[certificate], since=0.0))
    assert only(found)["use"] == "unused", "a certificate that this key has signed is another thing"
    assert [other["key"] for other in found["others"]] == [certificate["key"]]


def test_persons_are_those_of_any_map_by_fingerprint_key_or_line():
    listed = module._people({LINE: "Ada"})
    ((line_fingerprint, _name),) = listed.items()
    people = {
        fingerprint("a"): "Grace", f'no-pty {LINE} ada@laptop': "Ada", fingerprint("c") + " key id x*": "Vault",
        "nonsense": "Nobody", 5: "Five",
    }  # fmt: skip
    found = report(
        a=host(key("a"), key("c", kind="authority"), key("d")),
        b=host({**key(), "fingerprint": line_fingerprint}, people=people),
    )
    persons = {record["fingerprint"]: record["person"] for record in found["records"]}
    assert persons == {
        fingerprint("a"): "Grace", line_fingerprint: "Ada", fingerprint("c"): "named by its certificates",
        fingerprint("d"): "",
    }  # fmt: skip
    assert found["counts"]["unknown"] == 1
    assert report(a=host(key(), people="no map"))["counts"]["unknown"] == 1


def test_what_somebody_should_look_at_comes_first():
    people = {fingerprint(letter): letter for letter in "pq"}
    memory = [used("p", NOW), used("k", NOW)]
    keys = [key("p"), key("x", refused="no"), key("k"), key("q"), key("u")]
    found = report(a=host(*keys, people=people, memory=memory, since=0.0))
    assert [record["fingerprint"][7] for record in found["records"]] == ["u", "k", "q", "p", "x"]


def test_a_key_that_was_used_and_stands_in_no_file_is_told():
    people = {fingerprint("z"): "Zoe"}
    found = report(a=host(key(), memory=[used("z", NOW), used("a", NOW)], since=0.0, people=people))
    assert found["others"] == [
        {"host": "a", "user": "deploy", "key": fingerprint("z"), "first": 0.0, "last": NOW, "person": "Zoe"}
    ]
    assert {row["kind"] for row in found["rows"]} == {"key", "used"}


def test_faults_and_notes_are_told():
    malformed = [{"user": "deploy", "uid": 1, "file": "/f", "line": 7, "reason": "its key is damaged"}]
    files = [
        {"user": "root", "path": "/r", "problem": "it is not a regular file", "unsafe": ""},
        {"user": "root", "path": "/s", "problem": "", "unsafe": "x"},
    ]
    found = report(a=host(malformed=malformed, files=files, notes=["The keys that a command prints are not listed."]))
    assert found["faults"] == [
        {"host": "a", "user": "deploy", "file": "/f", "line": 7, "reason": "its key is damaged"},
        {"host": "a", "user": "root", "file": "/r", "line": None, "reason": "it is not a regular file"},
    ]
    assert found["hosts"][0]["notes"] == ["The keys that a command prints are not listed."]
    assert [row["kind"] for row in found["rows"]] == ["malformed", "malformed", "note"]


def test_a_host_that_was_not_examined_is_a_row():
    hosts = {
        "well": host(key()),
        "gone": {"keys_found": {"unreachable": True, "msg": "No route\nto host"}},
        "lost": host(key("b")),
        "broken": {"keys_failure": "There is no Python."},
        "never": {},
    }
    found = keys_report(hosts, hosts, set(hosts) - {"lost"}, 90)
    states = {record["host"]: (record["state"], record["problem"]) for record in found["hosts"]}
    assert states["gone"] == ("unreachable", "No route to host")
    assert states["broken"] == ("failed", "There is no Python.")
    assert states["lost"][0] == "unreachable"
    assert states["never"][0] == "failed"
    assert (found["counts"]["examined"], found["counts"]["hosts"]) == (1, 5)
    assert {row["host"]: row["kind"] for row in found["rows"]} == {
        "well": "key", "gone": "unreachable", "lost": "unreachable", "broken": "failed", "never": "failed"
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"authorized_keys": 5}, {"authorized_keys": ["x"]}, {"authorized_keys": [key(line="x")]}, {"notes": [5]},
        {"authorized_keys": [key(kind="other")]}, {"authorized_keys": [key(fingerprint="evil\nSHA256:x")]},
        {"authorized_keys": [key(options=[{}])]}, {"authorized_keys": [key(bits=True)]}, {"accounts": float("nan")},
        {"authorized_keys": [key()] * 25001}, {"malformed": [{}]}, {"files": None},
        {"authorized_keys": [key(user=None)]},
        {"authorized_keys": [key(options=[{"name": "x", "value": 5}])]},
    ],
)  # fmt: skip
def test_a_hostile_answer_spoils_only_that_host(changes):
    found = report(evil=host(**changes), well=host(key()))
    assert [(record["host"], record["state"]) for record in found["hosts"]] == [
        ("evil", "failed"),
        ("well", "examined"),
    ]
    assert found["hosts"][0]["problem"].startswith("Its list of keys could not be understood: ")


@pytest.mark.parametrize(
    "status",
    [
        "", "{", "[]", "5", None, json.dumps({"keys": 5}), json.dumps({"keys": [], "keys_since": "x"}),
        json.dumps({"keys": [{**used("a", 0), "last": "x"}], "keys_since": 0}), '{"keys": [], "keys_since": NaN}',
        json.dumps({"keys": [], "keys_since": 1e300}), "[" * 100000,
    ],
)  # fmt: skip
def test_a_hostile_memory_is_none(status):
    known = {**host(key()), "keys_status": {"stdout": status}}
    record = only(keys_report(["web"], {"web": known}, ["web"]))
    assert record["use"] == "not known"


def test_texts_of_hosts_are_one_line_that_a_terminal_can_show():
    found = report(a=host(key(comment="\x1b[2J\n\u202e\ud800", refused="{{ 6 * 7 }}{}")))
    assert only(found)["comments"] == ["\\x1b[2J\\n\\u202e\\ud800"]
    assert only(found)["refusals"] == ["deploy on a: {{ 6 * 7 }}{}"]
