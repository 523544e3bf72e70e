# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""state: the sender's memory is read back, and what others have written there is not trusted."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.state import ADDED, ANSWER, DELIVERY, FOLDED, RECENT, TROUBLE, State


def delivery(number):
    return {
        "id": f"1763884800.{number:06}-1",
        "user": "deploy",
        "from": "203.0.113.50 port 45006",
        "login_time": 1763884800.5,
        "delivered_at": 1763884801,
        "status": 200,
        "address": "203.0.113.50",
        "key": "publickey SHA256:x",
        "type": "SSH (interactive)",
    }


ANSWERED = {
    "id": "1.1-1", "from": "x", "status": 404, "answer": "404 no_service", "kind": "closed", "mend": "create one",
    "at": 1.5,
}  # fmt: skip


def write(spool, **values):
    kept = {"recent": [], "trouble": None, "last_answer": None, "not_before": 0}
    kept.update(values)
    spool.write("state", "sender.json", json.dumps(kept).encode(), 0o640)
    return State(spool)


def test_nothing_is_known_at_first(spool):
    found = State(spool)
    assert (found.recent, found.trouble, found.last_answer, found.not_before) == ([], None, None, 0)


def test_deliveries_come_back_the_newest_last_and_end_all_trouble(spool):
    state = State(spool)
    state.refused(ANSWERED)
    state.waiting("503", "it is tried again", 60)
    state.delivered([delivery(1)])
    state.delivered([delivery(2), delivery(3)])
    found = State(spool)
    assert found.recent == [delivery(1), delivery(2), delivery(3)]
    assert (found.trouble, found.last_answer, found.not_before) == (None, None, 0)


def test_only_the_last_ignored_logins_are_kept_and_what_is_no_such_entry_is_not_believed(spool):
    entries = [{"id": f"{number}-1", "from": "192.0.2.1 port 5", "rule": 1, "at": 5.0} for number in range(RECENT + 5)]
    State(spool).ignore(entries)
    assert State(spool).ignored == entries[-RECENT:]
    wrong = [dict(entries[0], rule="1"), dict(entries[0], at=-1), {"id": "1-1"}, None, "x"]
    assert write(spool, ignored=[*wrong, entries[1]]).ignored == [entries[1]]
    assert write(spool, ignored=None).ignored == []


@pytest.mark.whole
def test_only_the_last_folded_logins_are_kept_and_what_is_no_such_entry_is_not_believed(spool):
    form = {"from": "192.0.2.1 port 5", "into": "1-1", "at": 5.0, "user": "ada", "address": "", "key": "", "type": "x"}
    entries = [dict(form, id=f"{number}-1") for number in range(RECENT + 5)]
    for entry in entries:
        State(spool).fold(entry)
    assert State(spool).folded == entries[-RECENT:]
    wrong = [*(dict(entries[0], **{name: None}) for name in FOLDED), {"id": "1-1"}, None, "x"]
    assert write(spool, folded=[*wrong, entries[1]]).folded == [entries[1]]
    assert write(spool, folded=None).folded == []


def test_trouble_and_the_last_answer_come_back(spool):
    state = State(spool)
    state.refused(ANSWERED)
    state.waiting("503", "it is tried again", 60)
    found = State(spool)
    assert found.last_answer == ANSWERED
    assert set(found.trouble) == set(TROUBLE)
    assert (found.trouble["what"], found.trouble["mend"]) == ("503", "it is tried again")
    assert 55 < found.not_before - time.time() <= 60
    since = found.trouble["since"]
    found.waiting("504", "x", 1)
    assert State(spool).trouble == {"since": since, "what": "504", "mend": "x"}


def test_only_the_last_deliveries_are_kept(spool):
    state = State(spool)
    state.delivered([delivery(number) for number in range(RECENT * 2)])
    assert State(spool).recent == [delivery(number) for number in range(RECENT, RECENT * 2)]
    assert len(json.loads(spool.read("state", "sender.json").decode())["recent"]) == RECENT
    assert len(write(spool, recent=[delivery(number) for number in range(1000)]).recent) == RECENT


@pytest.mark.parametrize("name", sorted(DELIVERY))
@pytest.mark.parametrize("wrong", [None, [], {}, "missing"])
def test_a_delivery_that_lacks_something_or_has_it_of_another_kind_is_not_believed(spool, name, wrong):
    entry = dict(delivery(1), **{name: wrong})
    if wrong == "missing":
        del entry[name]
    believed = [dict(entry, **{name: ""})] if wrong == "missing" and name in ADDED else []
    assert write(spool, recent=[entry, delivery(2)]).recent == [*believed, delivery(2)]


@pytest.mark.parametrize("wrong", [1e300, -1e300, float("nan"), float("inf"), -1])
def test_a_time_that_no_clock_shows_is_not_believed(spool, wrong):
    assert write(spool, recent=[dict(delivery(1), delivered_at=wrong), delivery(2)]).recent == [delivery(2)]


@pytest.mark.parametrize("wrong", [1e300, float("nan"), float("inf"), -1, True, "5", None, []])
def test_a_wait_until_a_time_that_no_clock_shows_is_none(spool, wrong):
    found = write(spool, not_before=wrong, agreed_at=wrong, asked=True)
    assert found.seconds_left(asked=True) == 0
    assert write(spool, not_before=time.time() + 30, agreed_at=0, asked=True).seconds_left(asked=True) > 29


@pytest.mark.parametrize("wrong", [[], "x", {}, {"what": "x"}, {"since": "x", "what": "x", "mend": "x"}])
def test_trouble_and_answers_of_another_form_are_not_believed(spool, wrong):
    found = write(spool, trouble=wrong, last_answer=wrong)
    assert (found.trouble, found.last_answer) == (None, None)


def test_no_more_is_taken_than_is_known_and_no_text_does_anything_to_a_terminal(spool):
    hostile = "\x1b[2J" + "x" * 5000
    found = write(spool, recent=[dict(delivery(1), user=hostile, more="y")], last_answer=dict(ANSWERED, mend=hostile))
    assert set(found.recent[0]) == set(DELIVERY)
    for text in (found.recent[0]["user"], found.last_answer["mend"]):
        assert text.startswith("\\x1b[2J")
        assert len(text) <= 300
    assert set(found.last_answer) == set(ANSWER)


@pytest.mark.each
@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize("raw", [b"[" * 100000, b"\xff", b'{"recent": 1}', b'{"recent": {}}', b"7", b""])
def test_a_file_of_another_form_is_as_good_as_none(spool, raw):
    spool.write("state", "sender.json", raw, 0o640)
    assert State(spool).recent == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(DELIVERY)), inner, max_size=6),
    max_leaves=8,
)


class Memory:
    """A spool with one file."""

    def __init__(self, value):
        self.value = value

    def read(self, *_):
        return json.dumps(self.value).encode()


@given(recent=JSON, trouble=JSON, last_answer=JSON, not_before=JSON)
def test_no_contents_make_it_fail(recent, trouble, last_answer, not_before):
    kept = {"recent": recent, "trouble": trouble, "last_answer": last_answer, "not_before": not_before}
    found = State(Memory(kept))
    assert isinstance(found.not_before, float)
    assert isinstance(found.recent, list)
