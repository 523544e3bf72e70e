# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""routing: each alert goes once to every channel that accepts it, and to no other, whatever happens in between."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import Outlet, alert, configuration, logout, raw_alert
from ssh_login_notify import alert as alerts
from ssh_login_notify import outlets, routing
from ssh_login_notify.memory import Memory
from ssh_login_notify.queue import Queue
from ssh_login_notify.routing import Routed, Router, takes
from ssh_login_notify.state import State
from ssh_login_notify.triage import Triage
from ssh_login_notify.weights import ANOMALY, FAILURES, FIRST, ROOT

ROOTS = {"name": "roots", "kind": "slack", "only": [{"user": "root"}]}
HEAVY = {"name": "heavy", "kind": "slack", "only": [{"weight": [ROOT, FAILURES]}], "notices": False}
QUIET = {"name": "quiet", "kind": "slack", "ignore": [{"user": "backup"}]}
ALL = {"name": "all", "kind": "slack"}


@pytest.fixture
def spool(spool):
    os.mkdir(spool.path("channels"))
    return spool


class Host:
    """A spool with several channels."""

    def __init__(self, spool, *entries, **values):
        self.spool = spool
        self.found = configuration(**values)
        outlets.prepare(spool, [entry["name"] for entry in entries])
        self.outlets = [Outlet(spool, entry) for entry in entries]

    def put(self, *numbers, **changes):
        for number in numbers:
            self.spool.write("outgoing", alert(number, **changes)["id"], raw_alert(number, **changes), 0o640)

    def route(self):
        triage = Triage(self.spool, self.found)
        router = Router(Queue(self.spool), self.found, self.outlets, triage)
        held = router.route(router.waiting())
        router.close()
        return held

    def queues(self):
        return {outlet.name: outlet.spool.names("outgoing") for outlet in self.outlets}


def ids(*numbers):
    return [alert(number)["id"] for number in numbers]


def test_each_login_is_in_the_queue_of_every_channel_that_takes_it(spool):
    host = Host(spool, ALL, ROOTS, QUIET)
    host.put(1)
    host.put(2, user="root")
    host.put(3, user="backup")
    host.spool.write("state", "memory.json", b"", 0o640)
    assert host.route() == {}
    queues = host.queues()
    assert queues["all"] == ids(1, 2, 3)
    assert queues["roots"] == ids(2)
    assert spool.names("outgoing") == []


def test_it_is_there_with_all_that_was_found_out_about_it(spool):
    host = Host(spool, ALL, ROOTS, mentions=[{"user": "root", "mention": "<!here>"}])
    host.put(1, user="root")
    host.route()
    kept = json.loads(host.outlets[1].spool.read("outgoing", ids(1)[0]).decode())
    assert kept["weights"][:1] == [ROOT]
    assert kept["mentions"] == ["<!here>"]
    weighed = Routed(host.outlets[1].spool, []).weigh(kept, ())
    assert weighed["weights"] == kept["weights"]


@pytest.mark.parametrize(
    ("entry", "weights", "user", "expected"),
    [
        (ALL, [], "deploy", True),
        (ROOTS, [ROOT], "root", True),
        (ROOTS, [], "deploy", False),
        (HEAVY, [FIRST], "deploy", False),
        (HEAVY, [FIRST, FAILURES], "deploy", True),
        (QUIET, [], "backup", False),
        (QUIET, [FAILURES], "backup", True),
        (dict(QUIET, only=[{"user": "backup"}]), [], "backup", False),
        ({"only": [{"weight": ANOMALY}, {"user": "x"}]}, [], "deploy", False),
        ({"only": [{"weight": FIRST, "user": "x"}]}, [FIRST], "deploy", False),
        ({"only": None, "ignore": None}, [], "deploy", True),
    ],
)
def test_what_a_channel_takes(entry, weights, user, expected):
    assert takes(entry, alert(user=user, weights=weights), configuration()) is expected


@pytest.mark.parametrize("about", [alerts.TEST, alerts.HEARTBEAT, alerts.SELF_CHECK, alerts.MUTE, alerts.SUMMARY])
def test_a_message_about_the_notifier_goes_by_notices_alone(about):
    notice = dict(alerts.own(about, ["x"]), weights=[], reasons=[], mentions=[])
    assert [takes(entry, notice, configuration()) for entry in (ALL, ROOTS, QUIET, HEAVY)] == [True, True, True, False]


def test_the_end_of_a_connection_goes_to_channels_that_tell_of_it_and_is_no_login(spool):
    """Rules do not apply: a channel knows itself whether it has reported the login."""
    told = {"name": "told", "kind": "slack_app", "logouts": True, "only": [{"user": "root"}]}
    host = Host(spool, ALL, told, dict(told, name="not", logouts=False))
    ended = logout()
    spool.write("outgoing", ended["id"], alerts.to_json(ended), 0o640)
    host.route()
    assert host.queues() == {"all": [], "told": [ended["id"]], "not": []}
    found = json.loads(host.outlets[1].spool.read("outgoing", ended["id"]).decode())
    assert (found["weights"], found["mentions"], "context" in found) == ([], [], False)
    assert not os.path.exists(spool.path("state", "summary.json"))
    assert Memory(spool).knows("deploy") is False


def test_the_end_of_a_connection_that_no_channel_tells_of_is_gone_without_a_trace(spool):
    host = Host(spool, ALL, ROOTS)
    ended = logout(notes=[])
    spool.write("outgoing", ended["id"], alerts.to_json(ended), 0o640)
    host.route()
    assert (host.queues(), spool.names("outgoing")) == ({"all": [], "roots": []}, [])
    assert (State(spool).ignored, State(spool).recent) == ([], [])
    assert not os.path.exists(spool.path("state", "summary.json"))


def test_missed_logins_go_to_every_channel():
    notice = dict(alerts.missed(1, ["x"]), weights=[ANOMALY], reasons=[], mentions=[])
    ignoring = dict(QUIET, notices=False, ignore=[{"user": "*", "weight": [ANOMALY]}])
    assert all(takes(entry, notice, configuration()) for entry in (ALL, ROOTS, QUIET, HEAVY, ignoring))


def test_a_login_that_no_channel_takes_is_noted_and_counted(spool):
    host = Host(spool, ROOTS, HEAVY)
    host.put(1)
    host.route()
    assert host.queues() == {"roots": [], "heavy": []}
    assert spool.names("outgoing") == []
    assert [(entry["id"], entry["rule"]) for entry in State(spool).ignored] == [(ids(1)[0], 0)]
    summary = json.loads(spool.read("state", "summary.json").decode())
    assert summary["counts"]["ignored"] == {routing.NOWHERE: 1}


def test_a_kill_in_between_sends_nothing_twice(spool):
    """The alert is routed once more. One channel has sent it meanwhile, one was refused, one still has it waiting."""
    host = Host(spool, ALL, QUIET, dict(ALL, name="third"))
    host.put(1)
    host.route()
    sent, refused, _waiting = host.outlets
    entry = dict.fromkeys(("user", "from", "address", "key", "type"), "x")
    State(sent.spool).delivered([dict(entry, id=ids(1)[0], login_time=1.0, delivered_at=2.0, status=200)])
    sent.spool.remove("outgoing", ids(1)[0])
    refused.spool.set_aside(ids(1)[0], b"400\n")
    host.put(1)
    host.route()
    assert host.queues() == {"all": [], "quiet": [], "third": ids(1)}
    assert refused.spool.names("failed") == ids(1)
    assert spool.names("outgoing") == []


def test_what_has_no_room_stays_in_the_queue_and_is_handed_over_in_memory(spool, monkeypatch):
    host = Host(spool, ALL, QUIET)
    host.put(1)
    full = host.outlets[1].spool
    monkeypatch.setattr(full, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    held = host.route()
    assert json.loads(held["quiet"][ids(1)[0]].decode())["user"] == "deploy"
    assert spool.names("outgoing") == ids(1)


@pytest.mark.parametrize("contents", [b"", b"{}", b"\xff", b'{"version": 1}'])
def test_a_damaged_file_is_set_aside_and_the_others_go_on(spool, contents):
    host = Host(spool, ALL, QUIET)
    spool.write("outgoing", ids(1)[0], contents, 0o640)
    host.put(2)
    host.route()
    assert spool.names("failed") == ids(1)
    assert host.queues() == {"all": ids(2), "quiet": ids(2)}


def test_ignored_folded_and_muted_logins_reach_no_channel(spool):
    host = Host(spool, ALL, QUIET, ignore=[{"user": "deploy", "weight": FIRST}])
    host.put(1)
    host.route()
    assert host.queues() == {"all": [], "quiet": []}
    assert State(spool).ignored[0]["rule"] == 1


def test_a_heartbeat_without_a_message_is_one_channels(spool):
    host = Host(spool, ALL, QUIET, heartbeat_message=False)
    beat = alerts.own(alerts.HEARTBEAT, [])
    spool.write("outgoing", beat["id"], alerts.to_json(beat), 0o640)
    host.route()
    assert host.queues() == {"all": [beat["id"]], "quiet": []}


def test_a_heartbeat_is_everywhere_when_no_channel_has_it_any_more(spool):
    host = Host(spool, ALL, QUIET)
    host.put(1)
    host.route()
    first, second = host.outlets
    routed = Routed(first.spool, [first.spool, second.spool])
    first.spool.remove("outgoing", ids(1)[0])
    assert not routed.is_everywhere(alert(1))
    second.spool.set_aside(ids(1)[0], b"404\n")
    assert not routed.is_everywhere(alert(1))
    second.spool.forget("failed", ids(1)[0])
    assert routed.is_everywhere(alert(1))


USERS = st.sampled_from(["root", "backup", "deploy", "ada"])
RULES = st.lists(
    st.dictionaries(st.sampled_from(["user", "weight"]), st.just(None), min_size=1).flatmap(
        lambda keys: st.fixed_dictionaries(
            {key: USERS if key == "user" else st.sampled_from([ROOT, FIRST, FAILURES]) for key in keys}
        )
    ),
    max_size=3,
)


@given(RULES, RULES, USERS, st.lists(st.sampled_from([ROOT, FIRST, FAILURES]), unique=True))
def test_a_channel_takes_what_its_rules_say(only, ignore, user, weights):
    """The rules again, written as in the documentation."""
    ignore = [rule for rule in ignore if "user" in rule]
    kept_away = any(rule["user"] == user and (not weights or set(weights) == {rule.get("weight")}) for rule in ignore)
    picked = not only or any(
        rule.get("user", user) == user and ("weight" not in rule or rule["weight"] in weights) for rule in only
    )
    entry = {"only": only, "ignore": ignore}
    assert takes(entry, alert(user=user, weights=weights), configuration()) is (picked and not kept_away)


def test_without_room_no_channel_keeps_a_copy_and_all_get_it_from_memory(spool, monkeypatch):
    host = Host(spool, ALL, QUIET)
    host.put(1)
    full = host.outlets[1].spool
    monkeypatch.setattr(full, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert sorted(host.route()) == ["all", "quiet"]
    assert host.queues() == {"all": [], "quiet": []}


def test_what_was_dropped_before_it_was_routed_is_reported_by_every_channel(spool):
    host = Host(spool, ALL, QUIET)
    State(spool).dropping(2)
    triage = Triage(spool, host.found)
    Router(Queue(spool), host.found, host.outlets, triage).pass_on_dropped()
    assert (State(spool).dropped, State(spool).untold) == (2, 0)
    assert [(State(outlet.spool).dropped, State(outlet.spool).untold) for outlet in host.outlets] == [(0, 2), (0, 2)]


def test_an_alert_of_a_channel_that_was_renamed_goes_where_it_would_have_gone(spool):
    """It was remembered when it was first routed, so its user is no longer new."""
    first = {"name": "pager", "kind": "slack", "only": [{"weight": FIRST}]}
    host = Host(spool, first, ROOTS)
    host.put(1, user="ada")
    host.put(2, user="eve")
    host.route()
    assert host.queues() == {"pager": ids(1, 2), "roots": []}
    host = Host(spool, dict(first, name="oncall"), ROOTS, ignore=[{"user": "eve", "weight": FIRST}])
    host.route()
    assert host.queues() == {"oncall": ids(1, 2), "roots": []}
