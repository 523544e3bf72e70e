# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""summary: each login without a message is counted once, and one message a day reports the number and the reasons."""

import json
import os
import time
from types import SimpleNamespace

import parts
import pytest
from parts import alert, configuration
from ssh_login_notify import proof, self_check, summary
from ssh_login_notify.alert import from_json
from ssh_login_notify.channels import slack
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.summary import FOLDED, IGNORED, MUTED, Counts, count, label_of, last_morning, queue_if_due
from ssh_login_notify.triage import Triage

RULE = {"user": "backup", "from": ["10.0.0.0/8", "local"], "reason": "the nightly backup"}
LABEL = "the nightly backup (user backup, from 10.0.0.0/8 or local)"
EVENING = time.mktime((2026, 11, 26, 20, 0, 0, 0, 0, -1))
MORNING = time.mktime((2026, 11, 27, 8, 31, 0, 0, 0, -1))


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """A spool, the clock of an evening, and a configuration without anything special."""
    found = parts.make_spool(tmp_path / "spool")
    found.now = EVENING
    found.configuration = configuration()
    found.failed = {}
    monkeypatch.setattr(summary.time, "time", lambda: found.now)
    monkeypatch.setattr(summary.config, "load", lambda: found.configuration)
    monkeypatch.setattr(summary.failures, "counted", lambda since: found.failed)
    return found


def name(number):
    return f"{1763884800 + number}.123456-4242"


def queued(spool):
    return [from_json(spool.read("outgoing", entry)) for entry in spool.names("outgoing")]


def said(spool):
    """Queue the message of the next morning, and return its text."""
    spool.now = MORNING
    queue_if_due(spool)
    (found,) = queued(spool)
    assert (found["about"], found["type"]) == ("summary", "summary")
    return found["notes"]


def test_a_message_in_the_morning_says_how_many_by_which_rule_and_for_which_reason(spool):
    for number in range(45):
        count(spool, name(number), IGNORED, label_of(RULE))
    for number in range(45, 48):
        count(spool, name(number), IGNORED, label_of({"certificate": "SHA256:x key id ci-*", "user": "deploy"}))
    count(spool, name(48), MUTED, "deploy 4711")
    for number in range(49, 79):
        count(spool, name(number), FOLDED, "ada from 203.0.113.50")
    assert said(spool) == [
        f"48 logins were ignored: 45 by {LABEL}, 3 by user deploy, certificate SHA256:x key id ci-*",
        "1 login was muted: 1 by deploy 4711",
        "30 logins were reported together with similar ones: 30 of ada from 203.0.113.50",
    ]
    message = slack.single(queued(spool)[0], configuration(host_label="web-3"), MORNING)
    assert message["text"].startswith("Daily summary from web-3: 48 logins were ignored: 45 by the nightly backup (")
    assert message["blocks"][0]["text"]["text"] == "Daily summary from web-3"
    assert "*Summary*" in json.dumps(message["blocks"])
    # And nothing a second time.
    spool.now += 86400
    queue_if_due(spool)
    assert len(queued(spool)) == 1


def test_the_message_also_says_how_many_sshd_accepted_and_nothing_more_is_sent_for_that(spool):
    kept = proof.Proof(spool)
    kept.kept.update(accepted=412, known=412)
    kept.keep()
    spool.configuration = configuration(daily_failures=True)
    queue_if_due(spool)
    spool.now = MORNING
    queue_if_due(spool)
    assert queued(spool) == []
    count(spool, name(1), IGNORED, "x")
    spool.now += 86400
    queue_if_due(spool)
    ((ignored, accepted),) = [found["notes"] for found in queued(spool)]
    assert ignored == "1 login was ignored: 1 by x"
    assert accepted.startswith("sshd accepted 412 logins since 2026-11-26 20:00 ")
    assert accepted.endswith(", 412 accounted for")
    assert proof.Proof(spool).kept["told"]["accepted"] == 412


def test_nothing_is_said_before_the_morning_and_nothing_where_nothing_was_silent(spool):
    queue_if_due(spool)
    count(spool, name(1), IGNORED, "x")
    for spool.now in (EVENING, EVENING + 4 * 3600, MORNING - 3600):
        queue_if_due(spool)
    assert queued(spool) == []
    assert said(spool) == ["1 login was ignored: 1 by x"]


def test_a_login_that_comes_once_more_after_a_kill_is_counted_once(spool):
    for _ in range(3):
        count(spool, name(1), IGNORED, "x")
    assert said(spool) == ["1 login was ignored: 1 by x"]
    # Also after the message.
    count(spool, name(1), IGNORED, "x")
    assert Counts(spool).counts == {"ignored": {}, "muted": {}, "folded": {}}


def test_a_kill_between_the_message_and_its_note_makes_no_second_message(spool, monkeypatch):
    count(spool, name(1), IGNORED, "x")
    spool.now = MORNING

    def killed(*_unused):
        raise KeyboardInterrupt

    monkeypatch.setattr(Counts, "begin", killed)
    with pytest.raises(KeyboardInterrupt):
        queue_if_due(spool)
    monkeypatch.undo()
    monkeypatch.setattr(summary.time, "time", lambda: MORNING + 300)
    monkeypatch.setattr(summary.config, "load", configuration)
    queue_if_due(spool)
    assert [found["notes"] for found in queued(spool)] == [["1 login was ignored: 1 by x"]]


def test_failed_attempts_are_counted_when_asked_for(spool):
    spool.configuration = configuration(daily_failures=True)
    queue_if_due(spool)  # from now on
    spool.failed = {"203.0.113.5": 30, "2001:db8::1": 7}
    assert said(spool) == ["37 attempts to log in failed: 30 from 203.0.113.5, 7 from 2001:db8::1"]
    # The next day counts from there.
    assert Counts(spool).since == MORNING


@pytest.mark.parametrize("found", [{}, None])
def test_a_day_without_failures_and_a_log_that_can_not_be_read_are_no_message(spool, found):
    spool.configuration = configuration(daily_failures=True)
    queue_if_due(spool)
    spool.now, spool.failed = MORNING, found
    queue_if_due(spool)
    assert queued(spool) == []


def test_failed_attempts_are_not_counted_unless_asked_for(spool):
    spool.failed = {"203.0.113.5": 30}
    queue_if_due(spool)
    assert Counts(spool).since == 0
    count(spool, name(1), IGNORED, "x")
    assert said(spool) == ["1 login was ignored: 1 by x"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"version": 2}', "[" * 100000, "\xff",
     '{"version": 1, "since": -1, "counts": {}, "ids": [], "is_new": false, "message": ""}',
     '{"version": 1, "since": true, "counts": {}, "ids": [], "is_new": false, "message": ""}',
     '{"version": 1, "since": 1, "counts": {"ignored": {"x": "many"}}, "ids": [], "is_new": false, "message": ""}',
     '{"version": 1, "since": 1, "counts": {"ignored": []}, "ids": 7, "is_new": false, "message": ""}',
     '{"version": 1, "since": 1, "counts": {"ignored": {"x": NaN}}, "ids": [], "is_new": false, "message": ""}'],
)  # fmt: skip
def test_a_damaged_file_is_begun_anew_and_the_message_says_so(spool, monkeypatch, text):
    logged = []
    monkeypatch.setattr(summary, "trouble", logged.append)
    spool.write("state", summary.FILE, text.encode("latin-1"), 0o640)
    count(spool, name(1), IGNORED, "x")
    assert "start again from zero" in logged[0]
    lost = "the file with earlier counts was damaged, so those are missing here"
    assert said(spool) == ["1 login was ignored: 1 by x", lost]


def test_whatever_is_in_the_file_that_is_readable_is_bounded_and_printable(spool):
    labels = {f"rule\n{number}" + "x" * 1000: 1 for number in range(1000)}
    kept = {"version": 1, "since": EVENING, "counts": {"ignored": labels, "evil": {"x": 1}}, "is_new": False,
            "ids": [7, "../../x", name(1)], "message": "../../etc/passwd"}  # fmt: skip
    kept["counts"]["ignored"] = dict(list(labels.items())[:60])
    spool.write("state", summary.FILE, json.dumps(kept).encode(), 0o640)
    found = Counts(spool)
    assert set(found.counts) == {"ignored", "muted", "folded"}
    assert len(found.counts["ignored"]) == summary.MOST_LABELS + 1
    assert all(len(label) <= summary.LONGEST_LABEL and label.isprintable() for label in found.counts["ignored"])
    assert (found.ids, found.message) == ([name(1)], "")


@pytest.mark.whole
def test_a_host_with_very_many_rules_counts_all_of_them_in_little_room(spool):
    for number in range(300):
        count(spool, name(number), IGNORED, f"rule {number} " + "x" * 500)
    (sentence,) = said(spool)
    assert sentence.startswith("300 logins were ignored: 1 by rule 0 x")
    assert sentence.endswith("295 more")
    assert os.path.getsize(spool.path("state", summary.FILE)) < summary.LARGEST_BYTES / 2
    assert len(sentence) < 700


def test_a_disk_that_takes_nothing_loses_a_count_and_no_login(spool, monkeypatch):
    logged = []
    monkeypatch.setattr(summary, "trouble", logged.append)
    (spool_state,) = [spool.path("state")]
    os.rename(spool_state, spool_state + "-gone")
    count(spool, name(1), IGNORED, "x")
    assert logged
    assert logged[0].startswith("A login could not be counted for the daily summary")


def test_without_a_configuration_nothing_is_queued_or_forgotten(spool, monkeypatch):
    count(spool, name(1), IGNORED, "x")

    def load():
        raise ConfigurationError("it is missing")

    monkeypatch.setattr(summary.config, "load", load)
    spool.now = MORNING
    queue_if_due(spool)
    assert queued(spool) == []
    monkeypatch.setattr(summary.config, "load", configuration)
    assert said(spool) == ["1 login was ignored: 1 by x"]


def test_a_clock_that_was_set_back_delays_no_message(spool):
    spool.now = MORNING + 30 * 86400
    count(spool, name(1), IGNORED, "x")
    assert said(spool) == ["1 login was ignored: 1 by x"]


def test_a_message_is_due_once_a_day_some_time_after_eight_also_when_the_clock_is_set(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        for month in (3, 10):
            first = int(time.mktime((2026, month, 24, 0, 0, 0, 0, 0, -1)))
            mornings = sorted({last_morning(now) for now in range(first, first + 8 * 86400, 600)})
            assert len(mornings) == 9
            assert {time.localtime(morning).tm_hour for morning in mornings} == {8}
            assert all(time.localtime(morning).tm_min <= 30 for morning in mornings)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_hosts_are_spread_over_half_an_hour(monkeypatch):
    minutes = set()
    for number in range(200):
        node = os.uname_result(("Linux", f"web-{number}", "", "", ""))
        monkeypatch.setattr(summary.os, "uname", lambda node=node: node)
        minutes.add(time.localtime(last_morning(MORNING)).tm_min)
    assert len(minutes) > 25


def test_the_run_that_checks_the_host_queues_it(spool, monkeypatch):
    asked = []
    monkeypatch.setattr(self_check, "is_due", lambda _spool: True)
    monkeypatch.setattr(self_check, "run", lambda _spool: SimpleNamespace(problems=[], configuration=None))
    monkeypatch.setattr(summary, "queue_if_due", asked.append)
    self_check.run_if_due(spool)
    assert asked == [spool]


def test_the_file_is_expected_in_the_spool(spool):
    count(spool, name(1), IGNORED, "x")
    assert spool.unexpected() == []


def test_an_ignored_login_and_a_repeat_are_counted_with_what_made_them_silent(spool):
    found = configuration(ignore=[{"user": "x"}, RULE])
    triage = Triage(spool, found)
    for number in (1, 2):
        login = triage.weigh(alert(number, user="backup", address="10.0.0.7", time=EVENING + number), [])
        if not number - 1:
            assert not triage.settle(login), "the first time of a user weighs"
            triage.delivered([login])
        else:
            assert triage.settle(login)
    assert Counts(spool).counts["ignored"] == {LABEL: 1}
