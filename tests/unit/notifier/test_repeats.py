# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""repeats, triage: only equal logins are folded, each is reported once, and none is lost."""

import json
import os
import time

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import config, repeats
from ssh_login_notify.alert import REPEATS, TEST, to_json
from ssh_login_notify.identity import facts_of
from ssh_login_notify.repeats import LARGEST_ALERT_BYTES, LATE_SECONDS, MOST_TIMES, Repeats
from ssh_login_notify.spool import is_name
from ssh_login_notify.state import State

OTHER = "SHA256:" + "B" * 43
NOW = float(int(time.time()))
MINUTES = 5


class Clock:
    """Replaces the module time in repeats.py. It stands still until it is set."""

    now = NOW
    strftime, localtime = staticmethod(time.strftime), staticmethod(time.localtime)

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of repeats.py."""
    monkeypatch.setattr(repeats, "time", Clock())
    return repeats.time


@pytest.fixture(autouse=True)
def unchanged(monkeypatch, clock):
    """A clock that stands still, and a configuration that is older than all logins."""
    monkeypatch.setattr(config, "changed_at", lambda: NOW - 86400)


def login(seconds, **changes):
    """Return a login this many seconds ago."""
    at = NOW - seconds
    return dict(alert(1, **changes), id=f"{at:017.6f}-{4242 + seconds:.0f}", time=at)


def weighed(seconds, weights=(), **changes):
    return dict(login(seconds, **changes), weights=list(weights))


def delivery(sent, delivered_at=None):
    entry = {"id": sent["id"], "login_time": sent["time"], "delivered_at": delivered_at or sent["time"] + 1}
    return dict(facts_of(sent), **entry)


class Fleet:
    """A spool, Slack, and runs of the sender."""

    def __init__(self, spool, webhook):
        self.spool, self.webhook = spool, webhook

    def put(self, *logins):
        for one in logins:
            self.spool.write("outgoing", one["id"], to_json(one), 0o640)

    def send(self, **values):
        found = configuration(self.webhook.url, **dict({"repeat_minutes": MINUTES}, **values))
        return parts.delivery(self.spool, found).run()

    @property
    def texts(self):
        return [json.loads(request.body.decode())["text"] for request in self.webhook.requests]


@pytest.fixture
def fleet(spool, webhook):
    return Fleet(spool, webhook)


def test_the_first_is_told_at_once_and_the_others_in_one_message_at_the_end(fleet, clock):
    logins = [login(seconds) for seconds in (200, 190, 180, 20)]
    for one in logins:
        fleet.put(one)
        assert fleet.send() is True
    assert len(fleet.texts) == 1
    assert fleet.spool.names("outgoing") == []
    assert [entry["into"] for entry in State(fleet.spool).folded] == [logins[0]["id"]] * 3
    clock.now = NOW + 150
    assert fleet.send() is True
    shown = ", ".join(time.strftime("%H:%M:%S", time.localtime(one["time"])) for one in logins[1:])
    told = f"3 more logins with the same address, key and type after {logins[0]['id']}: {shown}"
    start = f"deploy logged in again on web-3: Note: {told} · SSH (interactive) · from 203.0.113.50 port 45006 · "
    assert [text.startswith(start) for text in fleet.texts[1:]] == [True]
    assert fleet.send() is True
    assert len(fleet.texts) == 2
    assert Repeats(fleet.spool).folded == {}


def test_after_that_time_a_login_is_told_again(fleet):
    for seconds in (400, 390, 90):
        fleet.put(login(seconds))
        fleet.send()
    assert len(fleet.texts) == 3  # the second was so late that its time was over already


def test_0_minutes_fold_nothing_and_tell_what_was_folded(fleet):
    for seconds in (60, 50):
        fleet.put(login(seconds))
        fleet.send()
    fleet.put(login(40))
    fleet.send(repeat_minutes=0)
    assert [text.partition(":")[0] for text in fleet.texts[1:]] == [
        "deploy logged in again on web-3",
        "deploy logged in on web-3",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "root"}, {"user": "deploy2"}, {"address": "203.0.113.51"}, {"type": "SCP"},
        {"type": "SSH (command: id)"}, {"methods": [{"method": "publickey", "fingerprint": OTHER}]},
        {"methods": [{"method": "password"}]}, {"follows": "1.1-1", "was": "Tunnel (no session)"},
        {"weights": ["root"]}, {"weights": ["first"]}, {"weights": ["anomaly"]}, {"about": TEST}, {"about": REPEATS},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_is_different_or_heavy_is_told(spool, changes):
    recent = [delivery(weighed(60))]
    assert Repeats(spool).target(weighed(50), recent, MINUTES) == recent[0]
    assert Repeats(spool).target(dict(weighed(50), **changes), recent, MINUTES) is None


def test_a_login_is_no_repeat_of_itself(spool):
    """A sender was killed after it had recorded the login, and before the alert had left the queue."""
    found = weighed(50)
    assert Repeats(spool).target(found, [delivery(login(100)), delivery(found)], MINUTES) is None


def test_what_tells_certificates_apart_counts(spool):
    def signed(**changes):
        details = dict({"key_id": "ada", "principals": [], "serial": "1", "ca": OTHER}, **changes)
        return [{"method": "publickey", "fingerprint": FINGERPRINT, "certificate": details}]

    recent = [delivery(weighed(60, methods=signed()))]
    assert Repeats(spool).target(weighed(50, methods=signed()), recent, MINUTES)
    for other in (signed(ca=FINGERPRINT), signed(key_id="bob"), [{"method": "publickey", "fingerprint": FINGERPRINT}]):
        assert Repeats(spool).target(weighed(50, methods=other), recent, MINUTES) is None


def test_nothing_is_folded_without_an_address(spool):
    assert Repeats(spool).target(weighed(50, address=""), [delivery(weighed(60, address=""))], MINUTES) is None


@pytest.mark.parametrize(("module", "what"), [(config, "changed_at"), (repeats, "installed_at")])
def test_nothing_is_folded_into_what_was_told_before_a_change(spool, monkeypatch, module, what):
    """So a roll-out's own login proves the new configuration and the new notifier."""
    recent = [delivery(weighed(60))]
    monkeypatch.setattr(module, what, lambda: NOW - 55)
    assert Repeats(spool).target(weighed(50), recent, MINUTES) is None


def test_a_login_that_is_older_than_the_first_is_told(spool):
    assert Repeats(spool).target(weighed(61), [delivery(weighed(60))], MINUTES) is None


def test_a_clock_that_was_set_back_ends_it(clock):
    assert not repeats.is_over(NOW, MINUTES)
    clock.now = NOW - 3600
    assert repeats.is_over(NOW, MINUTES)


def test_a_kill_before_the_alert_has_left_the_queue_counts_it_once(spool):
    target = delivery(weighed(60))
    for _run in range(2):
        assert Repeats(spool).fold(weighed(50), target)
    assert Repeats(spool).folded[target["id"]]["count"] == 1


def test_a_kill_before_the_note_is_gone_makes_no_second_message(spool, monkeypatch):
    noted = Repeats(spool)
    assert noted.fold(weighed(350), delivery(weighed(360)))
    monkeypatch.setattr(noted, "_keep", lambda: True)
    noted.queue_ended(MINUTES)
    Repeats(spool).queue_ended(MINUTES)
    (name,) = spool.names("outgoing")
    assert is_name(name)
    assert Repeats(spool).folded == {}


def test_what_can_not_be_noted_is_told(fleet, monkeypatch):
    write = fleet.spool.write

    def full(directory, name, *words):
        if name == "repeats.json":
            raise OSError(28, "No space left on device")
        write(directory, name, *words)

    for seconds in (60, 50):
        fleet.put(login(seconds))
        monkeypatch.setattr(fleet.spool, "write", full)
        fleet.send()
    assert len(fleet.texts) == 2


def test_a_huge_alert_is_told(spool):
    methods = [{"method": "publickey", "fingerprint": FINGERPRINT, "detail": "x" * LARGEST_ALERT_BYTES}]
    assert not Repeats(spool).fold(weighed(50, methods=methods), delivery(weighed(60)))
    assert Repeats(spool).folded == {}


def test_of_very_many_the_number_and_the_last_are_told(spool):
    noted = Repeats(spool)
    for number in range(MOST_TIMES + 10):
        noted.fold(weighed(200 - number), delivery(weighed(250)))
    message = repeats.follow_up(weighed(250)["id"], Repeats(spool).folded[weighed(250)["id"]])
    assert message["notes"][0].startswith(f"{MOST_TIMES + 10} more logins with the same address, key and type after ")
    assert message["notes"][0].count(":") == 2 * MOST_TIMES + 1
    assert message["follows"] == weighed(250)["id"], "a channel with threads puts it there"


@pytest.mark.parametrize("contents", [b"", b"[]", b"null", b'{"1-1": {}}', b'{"1-1": null}', b'{"1-1": {"count": 1}}'])
def test_a_damaged_note_is_none(spool, contents, monkeypatch):
    said = []
    monkeypatch.setattr(repeats, "trouble", said.append)
    spool.write("state", "repeats.json", contents, 0o640)
    assert Repeats(spool).folded == {}
    assert len(said) == 1


def test_many_are_folded_into_at_a_time_and_the_others_are_told(spool, monkeypatch):
    monkeypatch.setattr(repeats, "MOST_REPEATED", 2)
    noted = Repeats(spool)
    recent = [delivery(weighed(60 + number, user=name)) for number, name in enumerate("abc")]
    for name in "ab":
        assert noted.fold(weighed(50, user=name), noted.target(weighed(50, user=name), recent, MINUTES))
    assert noted.target(weighed(50, user="c"), recent, MINUTES) is None
    assert noted.target(weighed(40, user="a"), recent, MINUTES)


VALUES = st.builds(
    dict,
    user=st.sampled_from(["ada", "ada2", "ad"]),
    address=st.sampled_from(["203.0.113.5", "203.0.113.50", "2001:db8::1"]),
    type=st.sampled_from(["SCP", "SFTP or SCP", "SSH (command: id)", "SSH (command: i)"]),
    methods=st.sampled_from([
        [{"method": "password"}],
        [{"method": "publickey", "fingerprint": FINGERPRINT}],
        [{"method": "publickey", "fingerprint": OTHER}],
        [{"method": "publickey", "fingerprint": FINGERPRINT}, {"method": "password"}],
    ]),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(-400, 0), VALUES, st.booleans()), min_size=1, max_size=10))
def test_no_login_is_folded_that_is_not_the_same_in_everything_and_each_is_told_or_folded(tmp_path_factory, stored):
    """Compared with a plain search through all reported logins. They reach the sender in any order."""
    spool = parts.make_spool(tmp_path_factory.mktemp("spool") / "spool")
    noted, told, folded, now = Repeats(spool), [], 0, NOW
    for number, (seconds, values, heavy) in enumerate(stored):
        values = dict(values, time=now + seconds, weights=["root"] if heavy else [])
        one = alert(1, id=f"{now + seconds:017.6f}-{number}", **values)
        target = noted.target(one, [delivery(other) for other in told], MINUTES)
        alike = [
            other
            for other in told
            if all(one[name] == other[name] for name in ("user", "address", "type", "methods"))
            and 0 <= one["time"] - other["time"] < 60 * MINUTES
            and now - other["time"] < 60 * MINUTES + LATE_SECONDS - 10
        ]
        if target:
            assert not heavy
            assert target["id"] in [other["id"] for other in told if other["user"] == one["user"]]
            assert any(target["id"] == other["id"] and other["methods"] == one["methods"] for other in told)
            assert any(target["id"] == other["id"] and other["address"] == one["address"] for other in told)
            assert any(target["id"] == other["id"] and other["type"] == one["type"] for other in told)
            assert noted.fold(one, target)
            folded += 1
        else:
            assert heavy or not alike
            told.append(one)
    assert sum(entry["count"] for entry in Repeats(spool).folded.values()) == folded
    assert os.path.exists(spool.path("state", "repeats.json")) == bool(folded)
