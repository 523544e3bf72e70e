# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status_report: no answer of a host, however damaged, breaks the report of a fleet."""

import copy
import json
from datetime import datetime, timezone

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.status_report import FilterModule, status_report

STATUS = {
    "configuration": {"path": "/usr/local/etc/ssh-notify.conf", "host_label": "web-3"},
    "captured": 0,
    "waiting": 2,
    "oldest_waiting_seconds": 7.5,
    "failed": 1,
    "dropped": 0,
    "last_delivery": {"id": "1-1", "from": "203.0.113.50 port 45006", "delivered_at": 1763884862.5},
    "recent_deliveries": [{"id": "1763884800.5-1", "from": "203.0.113.50 port 45006", "delivered_at": 1763884862.5}],
    "recent_ignored": [{"id": "1-2", "from": "203.0.113.50 port 45007", "rule": 2, "at": 1763884862.5}],
    "recent_folded": [{"id": "1763884801.5-1", "from": "203.0.113.50 port 45008", "into": "1-1", "at": 1763884862.5}],
    "last_answer": None,
    "last_ping": None,
    "problems": ["1 alerts were refused, the last with 404 no_service"],
    "sandbox_without": ["namespaces"],
    "channels": {
        "chat": {"kind": "discord", "host": "x", "waiting": 2, "failed": 1, "problems": ["1 alert was refused"]},
        "ops": {"kind": "email", "host": "x", "waiting": 0, "failed": 0, "problems": []},
    },
    "completeness": {
        "complete_since": 1763884000.5, "missed": 3, "last_missed": 1763884000.5, "gaps": [], "accepted": 412,
    },
    "version": "0.1.0",
    "state": "critical",
}


def test_a_status_is_taken_as_it_is():
    assert FilterModule().filters() == {"status_report": status_report}
    assert status_report(json.dumps(STATUS)) == {
        "understood": True,
        "fault": "",
        "state": "critical",
        "version": "0.1.0",
        "label": "web-3",
        "last_delivery": 1763884862.5,
        "waiting": 2,
        "failed": 1,
        "complete_since": 1763884000.5,
        "missed": 3,
        "last_missed": 1763884000.5,
        "not_proven": "",
        "problems": STATUS["problems"],
        "sandbox_without": ["namespaces"],
        "channels": [
            {"name": "chat", "kind": "discord", "waiting": 2, "failed": 1, "well": False},
            {"name": "ops", "kind": "email", "waiting": 0, "failed": 0, "well": True},
        ],
        "deliveries": [{"from": "203.0.113.50 port 45006", "time": 1763884800.5}],
        "ignored": [{"from": "203.0.113.50 port 45007", "time": 0.0, "rule": 2}],
        "folded": [{"from": "203.0.113.50 port 45008", "time": 1763884801.5}],
    }


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        ("recent_ignored", "ignored"),
        ("recent_folded", "folded"),
        ("sandbox_without", "sandbox_without"),
        ("channels", "channels"),
    ],
)
def test_an_older_notifier_leaves_out_what_came_later(missing, key):
    report = status_report(json.dumps({name: STATUS[name] for name in STATUS if name != missing}))
    assert (report["understood"], report[key]) == (True, [])


@pytest.mark.parametrize("parts", ["namespaces", [1], ["namespaces"] * 11])
def test_a_sandbox_that_no_notifier_describes_is_not_understood(parts):
    assert not status_report(json.dumps(dict(STATUS, sandbox_without=parts)))["understood"]


COMPLETENESS = STATUS["completeness"]


@pytest.mark.parametrize(
    "completeness",
    ["x", {"missed": 1}, dict(COMPLETENESS, missed=-1), dict(COMPLETENESS, missed=True), dict(COMPLETENESS, gaps="x"),
     dict(COMPLETENESS, gaps=[1]), dict(COMPLETENESS, complete_since="x"), dict(COMPLETENESS, complete_since=1e300),
     dict(COMPLETENESS, last_missed="x"), dict(COMPLETENESS, last_missed=-1.0)],
)  # fmt: skip
def test_a_completeness_that_no_notifier_describes_is_not_understood(completeness):
    assert not status_report(json.dumps(dict(STATUS, completeness=completeness)))["understood"]


@pytest.mark.parametrize(
    ("completeness", "since", "missed", "why"),
    [
        ({}, None, None, "nothing is compared yet"), (None, None, None, ""),
        (dict(COMPLETENESS, gaps=["the journal begins at\n10:00", "x"]), None, 3, "the journal begins at\\n10:00"),
    ],
)  # fmt: skip
def test_what_is_not_proven_is_not_called_complete(completeness, since, missed, why):
    status = dict(STATUS, completeness=completeness)
    if completeness is None:
        del status["completeness"]
    report = status_report(json.dumps(status))
    assert report["understood"]
    assert (report["complete_since"], report["missed"], report["not_proven"]) == (since, missed, why)


def test_without_a_missed_login_there_is_no_time_of_the_last_one():
    status = dict(STATUS, completeness=dict(COMPLETENESS, missed=0, last_missed=0.0))
    assert status_report(json.dumps(status))["last_missed"] is None


CHANNEL = STATUS["channels"]["ops"]


@pytest.mark.parametrize(
    "channels",
    [{"ops": {}}, {"ops": 5}, {"ops": dict(CHANNEL, waiting=-1)}, {"ops": dict(CHANNEL, failed=True)},
     {"ops": dict(CHANNEL, kind=[1])}, {"ops": dict(CHANNEL, problems="x")}, {str(n): CHANNEL for n in range(101)}],
)  # fmt: skip
def test_channels_that_no_notifier_describes_are_not_understood(channels):
    assert not status_report(json.dumps(dict(STATUS, channels=channels)))["understood"]


def test_what_a_host_does_not_know_is_null():
    unknown = dict.fromkeys(("waiting", "failed", "last_delivery"))
    found = status_report(json.dumps(dict(STATUS, configuration={"path": "x"}, recent_deliveries=[], **unknown)))
    assert found["understood"]
    assert [found[name] for name in ("label", "waiting", "failed", "last_delivery")] == ["", None, None, None]


def test_a_program_that_is_damaged_says_so_instead():
    found = status_report('{"state": "critical", "answer": "it is damaged", "problems": ["it is damaged"]}')
    assert (found["understood"], found["state"], found["problems"]) == (True, "critical", ["it is damaged"])


VALUES = [
    None, True, False, 0, 1, -1, 1.5, -0.5, 1e300, 10**30, float("nan"), float("inf"), "", "x", "1763884862", "\ud800",
    "\x1b[2J\n\u202e", "x" * 100_000, [], [[]], ["x"] * 1000, {}, {"x": "y"}, {"delivered_at": "yesterday"},
    {"delivered_at": [1]}, {"delivered_at": True}, {"host_label": ["x"]}, [{"from": ["x"]}], [{"from": 5}], [5], [None],
    [{"from": "x", "rule": 1}], [{"from": "x", "rule": "1"}], [{"from": "x", "rule": True}],
    [{"from": "x", "rule": -1}],
]  # fmt: skip


def used(report):
    """Use the report as the table, the page and the playbooks do."""
    assert isinstance(report["understood"], bool)
    assert report["understood"] is (report["fault"] == "")
    assert report["state"] in ("ok", "warning", "critical", "unknown")
    for name in ("last_delivery", "complete_since", "last_missed"):
        if report[name] is not None:
            datetime.fromtimestamp(report[name], timezone.utc).strftime("%Y-%m-%d %H:%M")
    for name in ("waiting", "failed", "missed"):
        assert report[name] is None or type(report[name]) is int
    assert all(type(channel[count]) is int for channel in report["channels"] for count in ("waiting", "failed"))
    texts = [channel[name] for channel in report["channels"] for name in ("name", "kind")]
    texts += [report["version"], report["label"], report["fault"], report["not_proven"], *report["problems"]]
    texts += [login["from"] for login in [*report["deliveries"], *report["ignored"], *report["folded"]]]
    assert all(type(login["time"]) is float for login in [*report["deliveries"], *report["ignored"], *report["folded"]])
    assert all(type(login["rule"]) is int for login in report["ignored"])
    for text in texts:
        assert text.isprintable()
        assert len(text) <= 600
    assert len(report["problems"]) <= 50
    json.dumps(report, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("name", [*STATUS, "answer", "something else"])
def test_no_value_of_any_key_spoils_it(name, value):
    used(status_report(json.dumps(dict(copy.deepcopy(STATUS), **{name: value}))))


@pytest.mark.parametrize("name", STATUS)
def test_no_missing_key_spoils_it(name):
    report = status_report(json.dumps({key: STATUS[key] for key in STATUS if key != name}))
    used(report)
    used_by_nobody = (
        "captured",
        "oldest_waiting_seconds",
        "dropped",
        "last_answer",
        "last_ping",
        "recent_ignored",
        "recent_folded",
        "sandbox_without",
        "channels",
        "completeness",
        "version",
    )
    assert report["understood"] is (name in used_by_nobody)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        [],
        {},
        b"{}",
        "",
        "ok",
        "[]",
        "null",
        "{}",
        "{",
        "{" * 100_000,
        '{"a":' * 100_000,
        "\ud800",
        " " * (1 << 22) + "{}",
    ],
    ids=lambda answer: repr(answer)[:20],
)
def test_what_is_no_status_at_all_is_said_to_be_none(answer):
    report = status_report(answer)
    used(report)
    assert not report["understood"]
