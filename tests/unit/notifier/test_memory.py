# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""memory: a user's first login with a key, from a network and of a type is recognized, once and for a long time."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert
from ssh_login_notify import memory as memory_module
from ssh_login_notify.memory import KEY, KINDS, LARGEST_BYTES, LONGEST, MOST, MOST_OF_A_USER, NETWORK, TYPE, Memory

AUTHORITY = "SHA256:" + "A" * 43
OTHER = "SHA256:" + "B" * 43


def certificate(key, key_id, authority=AUTHORITY):
    details = {"key_id": key_id, "principals": [], "serial": "1", "ca": authority}
    return [{"method": "publickey", "key_type": "ED25519-CERT", "fingerprint": key, "certificate": details}]


def password():
    return [{"method": "password"}]


@pytest.fixture
def memory(spool):
    return Memory(spool)


def test_everything_of_the_first_login_is_new_and_nothing_of_the_second(spool, memory):
    news = {KEY: [FINGERPRINT], NETWORK: ["203.0.113.0/24"], TYPE: ["SSH (interactive)"]}
    assert memory.news(alert(1), {}) == news
    assert memory.news(alert(2), {}) == news  # the first was not delivered yet
    memory.remember(alert(1), {})
    assert memory.news(alert(2), {}) == {}
    assert Memory(spool).news(alert(2), {}) == {}


@pytest.mark.parametrize(
    ("changes", "news"),
    [
        ({"user": "root"}, {KEY, NETWORK, TYPE}),
        ({"methods": [{"method": "publickey", "fingerprint": OTHER}]}, {KEY}),
        ({"methods": password()}, {KEY}),
        ({"address": "203.0.113.1"}, set()),
        ({"address": "::ffff:203.0.113.1"}, set()),
        ({"address": "203.0.114.50"}, {NETWORK}),
        ({"address": "2001:db8:1::1"}, {NETWORK}),
        ({"address": "local"}, {NETWORK}),
        ({"address": ""}, {NETWORK}),
        ({"port": 1, "name": "other.example"}, set()),
        ({"type": "SFTP or SCP"}, {TYPE}),
        ({"type": "SSH (command: id)"}, {TYPE}),
    ],
)
def test_each_kind_is_judged_by_itself(memory, changes, news):
    memory.remember(alert(1), {})
    assert set(memory.news(alert(2, **changes), {})) == news


def test_commands_are_one_type_and_an_ipv6_site_one_network(memory):
    memory.remember(alert(1, type="SSH (command: id)", address="2001:db8:1:2::1"), {})
    assert memory.news(alert(2, type="SSH (command: uptime)", address="2001:db8:1:ffff::9"), {}) == {}
    assert memory.news(alert(2, type="SSH (command)", address="2001:db8:2::1"), {}) == {NETWORK: ["2001:db8:2::/48"]}


@pytest.mark.parametrize(
    ("login_type", "news"),
    [
        ("SSH (command, over at once)", set()),
        ("SSH (command or transfer, over at once)", set()),
        ("SSH (with a terminal, over at once)", set()),
        ("unknown", set()),
        ("SCP", {TYPE}),
    ],
)
def test_what_passed_too_fast_to_be_clear_is_no_type_of_its_own(memory, login_type, news):
    memory.remember(alert(1, type="SSH (command: id)"), {})
    assert set(memory.news(alert(2, type=login_type), {})) == news
    memory.remember(alert(3, type="unknown"), {})
    assert set(memory.news(alert(4, type="SSH (interactive)"), {})) == {TYPE}


def test_a_certificate_is_its_key_id_or_the_entry_of_the_map_and_not_the_key_of_today(memory):
    memory.remember(alert(1, methods=certificate(FINGERPRINT, "ada")), {})
    assert memory.news(alert(2, methods=certificate(OTHER, "ada")), {}) == {}
    assert set(memory.news(alert(2, methods=certificate(FINGERPRINT, "bob")), {})) == {KEY}
    assert set(memory.news(alert(2, methods=certificate(FINGERPRINT, "ada", OTHER)), {})) == {KEY}
    people = {AUTHORITY + " key id vault-ada-*": "Ada"}
    memory.remember(alert(3, methods=certificate(FINGERPRINT, "vault-ada-1")), people)
    assert memory.news(alert(4, methods=certificate(OTHER, "vault-ada-2")), people) == {}
    assert set(memory.news(alert(4, methods=certificate(OTHER, "vault-bob-2")), people)) == {KEY}


def test_a_late_login_is_judged_by_its_own_time(memory):
    memory.remember(alert(5), {})
    assert set(memory.news(alert(4), {})) == set(KINDS)
    memory.remember(alert(4), {})
    assert memory.news(alert(4), {}) == memory.news(alert(5), {}) == {}
    assert set(memory.news(alert(3), {})) == set(KINDS)


def test_in_one_message_only_the_earliest_is_first(memory):
    assert memory.news(alert(2), {}, [alert(1)]) == {}
    assert set(memory.news(alert(1), {}, [alert(2)])) == set(KINDS)
    assert set(memory.news(alert(2), {}, [alert(1, address="192.0.2.1")])) == {NETWORK}


def test_keys_are_preferred_by_whoever_uses_them_most(memory):
    assert not memory.prefers_keys("deploy")
    memory.remember(alert(1), {})
    assert memory.prefers_keys("deploy")
    assert not memory.prefers_keys("root")
    memory.remember(alert(2, methods=password()), {})
    assert not memory.prefers_keys("deploy")
    memory.remember(alert(3), {})
    assert memory.prefers_keys("deploy")


def test_the_keys_that_were_used_are_listed_with_their_times(spool, memory):
    memory.remember(alert(1), {})
    memory.remember(alert(9), {})
    memory.remember(alert(3, methods=password()), {})
    memory.keep()
    expected = [{"user": "deploy", "key": FINGERPRINT, "first": alert(1)["time"], "last": alert(9)["time"], "count": 2}]
    assert Memory(spool).keys() == memory.keys() == expected


def test_what_is_new_is_saved_at_once_and_a_repetition_at_the_end(spool, memory):
    memory.remember(alert(1), {})
    memory.remember(alert(2), {})
    assert Memory(spool).keys()[0]["count"] == 1
    memory.keep()
    assert Memory(spool).keys()[0]["count"] == 2
    assert Memory(spool).since == memory.since


def test_whoever_comes_from_many_networks_makes_the_notifier_forget_their_own(spool, memory, monkeypatch):
    monkeypatch.setattr(memory, "keep", lambda: None)
    memory.remember(alert(1, user="ada"), {})
    for number in range(MOST_OF_A_USER + 50):
        address = f"10.{number // 250}.{number % 250}.1"
        memory.remember(alert(number + 2, user="mallory", address=address), {})
    assert memory.news(alert(9000, user="ada"), {}) == {}
    assert set(memory.news(alert(9000, user="mallory", address="10.0.1.1"), {})) == {NETWORK}
    assert memory.news(alert(9000, user="mallory", address=address), {}) == {}


def test_it_is_bounded_whatever_is_remembered(spool, memory, monkeypatch):
    keep, longest = memory.keep, "\U0001f600" * 300
    monkeypatch.setattr(memory, "keep", lambda: None)
    monkeypatch.setattr(memory_module, "MOST", 300)
    for number in range(400):
        memory.remember(alert(number, user=f"{number}" + longest, type=f"SSH (command: {longest})"), {})
    keep()
    raw = spool.read("state", "memory.json", LARGEST_BYTES)
    kept = json.loads(raw.decode("ascii"))["seen"]
    assert len(kept) == 300
    assert all(len(text) <= LONGEST for entry in kept for text in entry[:3])
    assert len(raw) / 300 * MOST < LARGEST_BYTES
    assert set(Memory(spool).news(alert(9000, user="399" + longest, type="SSH (command: x)"), {})) == set()


@pytest.mark.parametrize(
    "contents",
    [
        b"", b"{", b"null", b"[]", b"{}", b'{"version": 2, "since": 1, "seen": []}',
        b'{"version": 1, "since": NaN, "seen": []}', b'{"version": 1, "since": 1, "seen": [[]]}',
        b'{"version": 1, "since": 1, "seen": [["ada", "key", "x", 1, 2, "3"]]}',
        b'{"version": 1, "since": 1, "seen": [["ada", "shoe size", "x", 1, 2, 3]]}',
        b'{"version": 1, "since": 1, "seen": [["a\\u001b[2J", "key", "x", 1, 2, 3]]}',
        b'{"version": 1, "since": 1, "seen": [["ada", "key", "x", 1, Infinity, 3]]}', b"[" * 100000,
    ],
    ids=range(13),
)  # fmt: skip
@pytest.mark.each
@pytest.mark.usefixtures("without_garbage")
def test_a_damaged_file_is_an_empty_memory_and_the_log_says_so(spool, contents, monkeypatch):
    said = []
    monkeypatch.setattr(memory_module, "trouble", said.append)
    spool.write("state", "memory.json", contents, 0o640)
    memory = Memory(spool)
    assert set(memory.news(alert(1), {})) == set(KINDS)
    assert abs(memory.since - time.time()) < 60
    assert len(said) == 1
    memory.remember(alert(1), {})
    assert Memory(spool).news(alert(2), {}) == {}


def test_where_nothing_can_be_saved_the_login_goes_on_and_the_log_says_so(memory, monkeypatch):
    said = []
    monkeypatch.setattr(memory_module, "trouble", said.append)

    def full(*_words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory._spool, "write", full)
    memory.remember(alert(1), {})
    assert memory.news(alert(2), {}) == {}
    assert len(said) == 1


LOGINS = st.builds(
    dict,
    user=st.sampled_from(["ada", "bob", "root"]),
    address=st.sampled_from(["203.0.113.1", "203.0.113.2", "203.0.114.1", "2001:db8::1", "local", ""]),
    type=st.sampled_from(["SSH (interactive)", "SSH (command: id)", "SSH (command: ls)", "SCP"]),
    fingerprint=st.sampled_from([FINGERPRINT, OTHER]),
)


@given(st.lists(st.tuples(st.integers(0, 30), LOGINS), max_size=12))
def test_a_login_is_first_exactly_if_no_earlier_one_that_was_reported_had_the_same(tmp_path_factory, logins):
    """Compared with a plain search through all that were reported."""
    import parts

    memory = Memory(parts.make_spool(tmp_path_factory.mktemp("spool") / "spool"))
    told = []
    for number, values in logins:
        methods = [{"method": "publickey", "fingerprint": values["fingerprint"]}]
        login = alert(number, methods=methods, **{name: values[name] for name in ("user", "address", "type")})
        facts = {
            KEY: values["fingerprint"],
            NETWORK: values["address"].rpartition(".")[0] or values["address"],
            TYPE: values["type"].partition(":")[0],
        }
        earlier = [before for time_, user, before in told if user == values["user"] and time_ <= login["time"]]
        new = {kind for kind in KINDS if all(before[kind] != facts[kind] for before in earlier)}
        assert set(memory.news(login, {})) == new
        memory.remember(login, {})
        told.append((login["time"], values["user"], facts))
