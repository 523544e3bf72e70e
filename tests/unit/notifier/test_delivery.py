# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""delivery: alerts leave in order, none is lost, none blocks another, and Slack's requests are obeyed."""

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import parts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import OK, alert, answer, configuration, drip, library, raw, reset
from ssh_login_notify import delivery, transport
from ssh_login_notify import queue as queue_module
from ssh_login_notify.alert import TEST, to_json
from ssh_login_notify.channels import LONGEST_ASKED_SECONDS, retry_after
from ssh_login_notify.delivery import (
    AFTER_LAST_RETRY_SECONDS,
    CLOSED_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_RUN_SECONDS,
    RETRY_SECONDS,
)
from ssh_login_notify.identity import key_of
from ssh_login_notify.retries import FEW_TRIES, LONGEST_STUCK_SECONDS, MOST_UNSURE
from ssh_login_notify.state import RECENT, State

# A request that Slack answers in its own words without posting anything.
KNOCK = b"{}"


@pytest.fixture(autouse=True)
def even(monkeypatch):
    """Remove the randomness from the waits."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)


class Queue:
    """A spool, a webhook's server, and senders between them."""

    def __init__(self, spool, webhook):
        self.spool, self.webhook = spool, webhook
        self.last = None

    def put(self, *numbers, **changes):
        for number in numbers:
            self.write(alert(number, **changes)["id"], to_json(alert(number, **changes)))

    def write(self, name, contents):
        self.spool.write("outgoing", name, contents, 0o640)

    def send(self, patient=True, **values):
        found = configuration(self.webhook.url, **values)
        self.last = parts.delivery(self.spool, found)
        return self.last.run(patient)

    def will(self, *instructions):
        self.webhook.instructions.extend(instructions)

    @property
    def messages(self):
        return [json.loads(request.body.decode()) for request in self.webhook.requests if request.body != KNOCK]

    @property
    def knocks(self):
        """How often Slack was asked for an answer alone."""
        return sum(request.body == KNOCK for request in self.webhook.requests)

    @property
    def ids(self):
        """The ids in each message."""
        return [ids_of(message) for message in self.messages]

    def names(self, directory="outgoing"):
        return self.spool.names(directory)


def ids_of(message):
    texts = [block["text"]["text"] for block in message["blocks"] if block["type"] == "section" and "text" in block]
    texts += [element["text"] for block in message["blocks"] for element in block.get("elements", [])]
    return [text.rpartition("id ")[2] for text in texts if "id " in text]


def ids(*numbers):
    return [alert(number)["id"] for number in numbers]


@pytest.fixture
def queue(spool, webhook):
    return Queue(spool, webhook)


def test_what_waits_is_sent_in_its_order_over_one_connection(queue):
    queue.put(3, 1, 2)
    assert queue.send() is True
    assert queue.ids == [ids(1), ids(2), ids(3)]
    assert queue.names() == []
    assert queue.webhook.connections == 1
    assert queue.last.delivered == 3


def test_nothing_to_send_is_done_at_once(queue):
    queue.spool.wake()
    assert queue.send() is True
    assert queue.messages == []
    assert not os.path.exists(queue.spool.path("state", "wake"))


def test_what_was_delivered_is_remembered(queue):
    queue.put(1, user="ada", name="client.example")
    before = time.time()
    queue.send()
    (entry,) = State(queue.spool).recent
    assert before <= entry.pop("delivered_at") <= time.time()
    assert entry == {
        "id": alert(1)["id"], "user": "ada", "from": "203.0.113.50 port 45006 (client.example)",
        "login_time": alert(1)["time"], "status": 200, "address": "203.0.113.50", "key": key_of(alert(1)),
        "type": alert(1)["type"],
    }  # fmt: skip


@pytest.mark.whole
def test_only_the_last_deliveries_are_remembered(queue):
    for start in range(0, RECENT + 40, 8):
        queue.put(*range(start, start + 8))
        queue.send()
    recent = State(queue.spool).recent
    assert [entry["id"] for entry in recent] == ids(*range(40, RECENT + 40))


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"recent": [{}, 3], "trouble": {}, "not_before": 0}',
        b'{"recent": 3, "trouble": null, "not_before": null}',
    ],
)
def test_a_memory_that_is_damaged_is_no_trouble(queue, kept):
    queue.spool.write("state", "sender.json", kept, 0o640)
    state = State(queue.spool)
    assert (state.recent, state.trouble, state.not_before) == ([], None, 0)
    queue.put(1)
    assert queue.send() is True


@pytest.mark.parametrize(("number", "messages"), [(10, 10), (11, 1), (12, 1), (40, 1), (45, 6), (51, 2), (95, 3)])
def test_a_backlog_of_eleven_or_more_goes_in_digests(queue, number, messages):
    queue.put(*range(number))
    assert queue.send() is True
    assert [name for message in queue.ids for name in message] == ids(*range(number))
    assert len(queue.messages) == messages
    assert queue.last.delivered == number


@pytest.mark.parametrize(
    ("status", "text"),
    [(400, "invalid_payload"), (400, "invalid_blocks"), (400, "no_text"), (413, "msg_blocks_too_long")],
)
def test_what_slack_refuses_for_the_messages_sake_is_set_aside_with_its_words_and_blocks_nothing(
    queue, slept, status, text
):
    queue.put(1, 2)
    queue.will(answer(status, text))
    assert queue.send() is True
    assert queue.names("failed") == ids(1)
    reason = queue.spool.read("failed", ids(1)[0] + ".answer").decode()
    assert reason.startswith(f"{status} {text}: ")
    assert "report it" in reason
    assert queue.ids == [ids(1), ids(2)]
    assert (queue.names(), slept) == ([], [])


PAGE = "<!DOCTYPE html><html><body>403 Forbidden</body></html>"
FOR_A_WHILE = [
    (404, "no_service", "create a new one"), (410, "channel_is_archived", "unarchive"),
    (403, "action_prohibited", "administrators"), (403, "invalid_token", "copy it"),
    (403, PAGE, "a proxy, a filter or a portal"), (404, PAGE, "a proxy, a filter or a portal"), (400, "", "a filter"),
    (400, PAGE, "a filter"), (410, "gone", "a filter"), (413, "too large", "a filter"), (200, PAGE, "a filter"),
    (503, PAGE, "a filter"), (418, "no_servic", "a filter"), (407, "x", "a proxy"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "text", "part"), FOR_A_WHILE)
def test_what_may_be_put_right_waits_and_goes_by_itself(queue, slept, status, text, part):
    queue.put(1, 2)
    queue.will(*[answer(status, text)] * 4)
    queue.send(patient=False)
    assert part in State(queue.spool).trouble["mend"]
    assert (queue.names(), queue.names("failed")) == (ids(1, 2), [])
    assert queue.send() is True
    assert (queue.names(), queue.names("failed")) == ([], [])


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 408, 410, 413, 429, 500])
@pytest.mark.parametrize("text", ["", "okay", "OK", "no_service", PAGE, '{"ok":true}', "invalid_payload"])
def test_only_slacks_own_words_settle_a_message(queue, slept, status, text):
    queue.put(1)
    queue.will(*[answer(status, text)] * 500)
    for _run in range(4):
        queue.send()
    settled = text == "invalid_payload" and 400 <= status < 429
    assert (queue.names(), queue.names("failed")) == (([], ids(1)) if settled else (ids(1), []))


@pytest.mark.parametrize(
    ("status", "text"),
    [*itertools.product((200, 201, 202), ("", '{"ok":true}', "OK", "queued", "{}", "1")), (204, "")],
)
def test_what_may_have_been_taken_is_not_repeated_without_end(queue, slept, monkeypatch, said, status, text):
    """A workflow's webhook answers in this way, and posts each message."""
    queue.put(1, 2)
    queue.will(*[answer(status, text)] * 500)
    assert queue.send() is True
    assert [queue.ids.count(ids(number)) for number in (1, 2)] == [FEW_TRIES, FEW_TRIES]
    assert "may be in the channel" in said[0][1]
    now = time.time
    for hour in range(100):
        monkeypatch.setattr(time, "time", lambda hour=hour: now() + 3600 * 1.3 * hour)
        queue.send()
    assert [queue.ids.count(ids(number)) for number in (1, 2)] == [MOST_UNSURE, MOST_UNSURE]
    assert queue.names() == ids(1, 2)
    queue.webhook.instructions.clear()
    monkeypatch.setattr("ssh_login_notify.config.changed_at", lambda: now() + 3600 * 1000)
    queue.send()
    assert queue.names() == [], "another configuration has it sent once more"


def filtered(pattern, refusal):
    """Return a webhook behind a filter that blocks messages with this text."""

    class Filtered(parts.Webhook):
        def serve(self, connection, number):
            file = connection.makefile("rb")
            while True:
                line, headers = self.read_head(file)
                if not line:
                    break
                body = file.read(int(headers.get("content-length", 0)))
                self.requests.append(parts.Request(line, headers, body, number))
                if not (refusal if pattern in body else OK)(connection):
                    break
            file.close()

    return Filtered()


REFUSALS = {
    "a page with 200": answer(200, "<html>blocked</html>"),
    "a page with 403": answer(403, PAGE),
    "413": answer(413, "Request Entity Too Large"),
    "500": answer(500, "rollup_error"),
    "502": answer(502, ""),
    "Slack's word": answer(404, "no_service"),
    "reset": reset,
    "nothing": raw(b"", keep=False),
    "200 and some text": answer(200, "blocked"),
}


# The numbers of waiting alerts, and the blocked ones among them.
BACKLOGS = [
    (2, [0]), (3, [1]), (5, [0, 1, 2, 3]), (14, [0]), (14, [13]), (30, [2, 3, 5, 7, 11]), (45, [44]),
    (60, range(0, 60, 2)), (13, range(12)),
]  # fmt: skip
# Each backlog with two refusals, and each refusal with two backlogs: reading an answer does not depend on the backlog.
REFUSED = [
    (refusal, *BACKLOGS[(place + shift) % len(BACKLOGS)]) for place, refusal in enumerate(REFUSALS) for shift in (2, 7)
]


@pytest.mark.parametrize(("refusal", "number", "bad"), REFUSED)
def test_a_message_whose_contents_do_not_pass_is_overtaken(spool, slept, said, refusal, number, bad):
    webhook = filtered(b"EICAR", REFUSALS[refusal])
    queue = Queue(spool, webhook)
    for each in range(number):
        queue.put(each, user="EICAR" if each in bad else "deploy")
    for _run in range(30):
        if queue.send():
            break
    # If no other message is left that gets through, the next one shows that the channel works.
    queue.put(number)
    assert queue.send()
    webhook.close()
    assert queue.names() == ids(*bad), "all others are delivered"
    assert queue.names("failed") == []
    state = State(spool)
    assert all(map(state.retries.is_stuck, ids(*bad)))
    assert "is stuck" in said[0][1]
    delivered = [name for entry in state.recent for name in [entry["id"]]]
    assert len(set(delivered)) == len(delivered) == number + 1 - len(bad)
    assert max(queue.ids.count(ids(each)) for each in bad) < 50


def test_what_overtakes_keeps_its_order(spool, slept):
    webhook = filtered(b"EICAR", answer(413, ""))
    queue = Queue(spool, webhook)
    queue.put(1, user="EICAR")
    queue.put(2, 3, 4, 5)
    assert queue.send() is True
    webhook.close()
    assert [found for found in queue.ids if found != ids(1)] == [ids(2), ids(3), ids(4), ids(5)]


def test_the_newest_does_not_wait_behind_many_that_do_not_pass(spool, slept):
    webhook = filtered(b"EICAR", answer(413, ""))
    queue = Queue(spool, webhook)
    queue.put(*range(9), user="EICAR")
    queue.put(9)
    queue.send()
    webhook.close()
    assert queue.ids.index(ids(9)) <= FEW_TRIES + 1


def test_after_it_was_overtaken_nothing_waits_for_it(spool, slept):
    webhook = filtered(b"EICAR", reset)
    queue = Queue(spool, webhook)
    queue.put(1, user="EICAR")
    queue.put(2)
    assert queue.send() is True
    assert sum(slept) < 10
    before = len(webhook.requests), len(slept)
    queue.put(3)
    assert queue.send() is True
    assert (len(webhook.requests), len(slept)) == (before[0] + 1, before[1])
    assert queue.names() == ids(1)
    webhook.close()


def test_what_is_stuck_is_tried_now_and_then_and_goes_once_it_passes(queue, slept, monkeypatch):
    queue.put(1)
    state = State(queue.spool)
    state.in_vain(ids(1) * (FEW_TRIES + 1), 413, unsure=False)
    state.stick(ids(1)[0])
    now = time.time
    at = []
    queue.will(*[answer(413, "")] * 5)
    for minute in range(0, 400, 5):
        monkeypatch.setattr(time, "time", lambda minute=minute: now() + 60 * minute)
        before = len(queue.messages)
        assert queue.send() is True
        at += [minute] * (len(queue.messages) - before)
    gaps = [later - earlier for earlier, later in zip(at, at[1:])]
    assert len(at) == 6
    assert gaps == sorted(gaps)
    assert (at[0], gaps[-1]) == (10, LONGEST_STUCK_SECONDS // 60)
    assert queue.names() == []


def test_a_person_who_flushes_has_what_is_stuck_tried_as_well_and_once(queue, slept):
    queue.put(1, 2)
    state = State(queue.spool)
    for name in ids(1, 2):
        state.in_vain([name] * 4, 413, unsure=False)
        state.stick(name)
    queue.will(answer(413, ""))
    assert queue.send(patient=False) is True
    assert queue.ids == [ids(1), ids(2)]
    assert queue.names() == ids(1)


@pytest.mark.parametrize("tries", [5000, 10**30, 10**400])
def test_no_number_of_tries_makes_it_fail(queue, slept, tries):
    """An outage of a week causes thousands, and the service user can write any number."""
    queue.put(1, 2)
    state = State(queue.spool)
    state.in_vain(ids(1), 413, unsure=False)
    state.retries.entries[ids(1)[0]]["tries"] = tries
    state.stick(ids(1)[0])
    queue.will(OK, answer(413, ""))
    assert queue.send(patient=False) is True
    assert queue.names() == ids(1)


def test_a_configuration_of_the_future_has_no_stuck_alert_tried_without_end(queue, slept, monkeypatch, tmp_path):
    monkeypatch.setattr("ssh_login_notify.config.PATH", str(tmp_path / "conf"))
    (tmp_path / "conf").touch()
    os.utime(str(tmp_path / "conf"), (time.time() + 5000,) * 2)
    queue.put(1)
    state = State(queue.spool)
    state.in_vain(ids(1) * 5, 413, unsure=False)
    state.stick(ids(1)[0])
    assert queue.send() is True
    assert queue.messages == []
    assert not queue.last.is_due()


NO_TEXT = answer(400, "no_text")


def each_minute(queue, monkeypatch, minutes):
    """Run a sender each minute, as the timer does."""
    now = time.time
    for minute in range(minutes):
        monkeypatch.setattr(time, "time", lambda minute=minute: now() + 60 * minute)
        queue.send()


@pytest.mark.whole
@pytest.mark.parametrize(
    ("lost", "numbers"), [(reset, [1]), (raw(b"", keep=False), [1, 2, 3]), (reset, range(20))],
    ids=["reset-1", "closed-3", "reset-20"],
)  # fmt: skip
def test_what_no_answer_comes_to_is_repeated_once_an_hour_in_the_end(queue, slept, monkeypatch, numbers, lost):
    queue.put(*numbers)
    queue.will(*[lost] * 5000)
    each_minute(queue, monkeypatch, 5 * 60)
    for name in ids(*numbers):
        # A persistent connection that was closed is tried twice (transport.py).
        assert sum(name in each for each in queue.ids) <= 2 * (FEW_TRIES + 5)
    assert queue.knocks > 5 * 50
    assert queue.names() == ids(*numbers), "none is dropped"
    what = State(queue.spool).trouble["what"]
    assert "is stuck" in what
    assert "it may be in the channel already" in what


def test_what_no_answer_came_to_goes_as_soon_as_slack_answers_again(queue, slept):
    queue.put(1)
    queue.will(*[reset] * (FEW_TRIES + 3), NO_TEXT, OK)
    assert queue.send() is True
    assert queue.names() == []
    assert (queue.ids, queue.knocks) == ([ids(1)] * (FEW_TRIES + 1), 4)


@pytest.mark.whole
def test_what_no_answer_comes_to_although_slack_answers_is_stuck(spool, slept, monkeypatch):
    webhook = filtered(b"EICAR", reset)
    queue = Queue(spool, webhook)
    queue.put(1, user="EICAR")
    each_minute(queue, monkeypatch, 5 * 60)
    webhook.close()
    assert State(spool).retries.is_stuck(ids(1)[0])
    assert FEW_TRIES + 5 <= len(queue.ids) <= FEW_TRIES + 9
    assert queue.names() == ids(1)


@pytest.mark.parametrize("said", [answer(503, "x"), answer(403, PAGE), answer(302, "")])
def test_only_slacks_own_answer_tells_that_answers_come_again(queue, slept, said):
    queue.put(1)
    queue.will(*[reset] * FEW_TRIES, *[said] * 100)
    assert queue.send() is False
    assert queue.ids == [ids(1)] * FEW_TRIES


def test_a_person_who_flushes_has_it_sent_at_once(queue, slept):
    queue.put(1)
    queue.will(*[reset] * 100)
    queue.send()
    queue.webhook.instructions.clear()
    before = queue.knocks
    assert queue.send(patient=False) is True
    assert (queue.names(), queue.knocks) == ([], before)


def test_an_outage_is_nobodys_fault_and_the_order_stays(queue, slept):
    queue.put(1, 2, 3, 4)
    queue.will(*[answer(503, "x")] * 40)
    runs = 0
    while not queue.send():
        runs += 1
        if runs == 5:
            queue.webhook.instructions.clear()
    assert queue.names() == []
    assert queue.ids[-4:] == [ids(1), ids(2), ids(3), ids(4)]
    assert State(queue.spool).retries.entries == {}


def test_where_nobody_has_seen_the_message_it_is_not_to_blame(queue, slept, monkeypatch):
    queue.put(1, 2)
    error = transport.TransportError("refused")
    monkeypatch.setattr(transport.Transport, "post", lambda *_: (_ for _ in ()).throw(error))
    for _run in range(5):
        assert queue.send() is False
    assert State(queue.spool).retries.entries == {}


def test_a_later_run_of_an_outage_tries_once_and_is_soon_back(queue, slept):
    queue.put(1)
    queue.will(*[answer(503, "")] * 50)
    queue.send()
    before = len(queue.messages)
    for run in range(1, 4):
        queue.send()
        assert len(queue.messages) == before + run
        assert 30 < State(queue.spool).not_before - time.time() <= 45
    assert max(slept) <= 45, "the rest of the wait, at the beginning of a run"


def test_a_webhook_that_is_closed_is_asked_less_after_an_hour(queue, slept, monkeypatch):
    queue.put(1)
    queue.will(*[answer(404, "no_service")] * 50)
    queue.send()
    assert State(queue.spool).seconds_left() <= AFTER_LAST_RETRY_SECONDS
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 4000)
    queue.send()
    assert AFTER_LAST_RETRY_SECONDS < State(queue.spool).seconds_left() <= CLOSED_SECONDS
    monkeypatch.setattr("ssh_login_notify.config.changed_at", lambda: now() + 4001)
    before = len(slept)
    queue.webhook.instructions.clear()
    monkeypatch.setattr(time, "time", lambda: now() + 4002)
    assert queue.send() is True, "another configuration is tried at once"
    assert len(slept) == before


def test_another_configuration_does_not_end_the_wait_that_slack_has_asked_for(queue, slept, monkeypatch):
    queue.put(1)
    State(queue.spool).waiting("429", "Slack allows", 600, asked=True)
    monkeypatch.setattr("ssh_login_notify.config.changed_at", lambda: time.time() + 1)
    assert queue.send() is False
    assert queue.messages == []


def test_a_test_that_is_refused_is_no_alert_to_keep_and_leaves_its_answer(queue):
    queue.put(1, about=TEST)
    queue.will(answer(404, "no_service"))
    assert queue.send() is True
    assert queue.names() == queue.names("failed") == []
    found = State(queue.spool).last_answer
    assert (found["id"], found["status"]) == (ids(1)[0], 404)
    assert "create a new one" in found["mend"]


def test_a_digest_that_is_refused_as_it_is_goes_one_by_one(queue):
    queue.put(*range(12))
    queue.will(answer(400, "invalid_blocks"), OK, answer(400, "invalid_blocks"))
    assert queue.send() is True
    assert queue.names("failed") == ids(1)
    assert queue.ids[1:] == [ids(number) for number in range(12)]


def test_a_digest_that_is_not_taken_for_a_while_stays_one(queue, slept):
    queue.put(*range(12))
    queue.will(answer(404, "no_service"), answer(404, "no_service"))
    assert queue.send() is True
    assert [len(found) for found in queue.ids] == [12, 12, 12]


@pytest.mark.parametrize(
    "instruction",
    [
        answer(500, ""), answer(503, "x"), answer(200, "<html>portal</html>"), answer(302, "", "Location: /x"), reset,
        raw(b"garbage\r\n\r\n", keep=False), answer(408, ""),
        raw(b"HTTP/1.1 200 F\r\nContent-Length: 2\r\n\r\no", keep=False),
    ],
    ids=["500", "503", "portal", "redirect", "reset", "garbage", "408", "cut short"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(queue, slept, instruction):
    queue.put(1, 2)
    queue.will(instruction)
    assert queue.send() is True
    assert queue.ids[-2:] == [ids(1), ids(2)]
    assert slept == [RETRY_SECONDS[0]]
    assert State(queue.spool).trouble is None


def test_each_wait_is_longer_and_at_last_it_is_left_to_the_next_run(queue, slept):
    queue.put(1)
    queue.will(*[answer(500, "")] * 50)
    assert queue.send() is False
    assert slept == list(RETRY_SECONDS)
    assert len(queue.messages) == len(RETRY_SECONDS) + 1
    assert queue.names() == ids(1)
    state = State(queue.spool)
    assert state.trouble["what"] == "500"
    assert "status.slack.com" in state.trouble["mend"]
    assert 0 < state.not_before - time.time() <= AFTER_LAST_RETRY_SECONDS


def test_trouble_is_remembered_from_its_beginning(queue, slept):
    queue.put(1)
    queue.will(answer(500, ""), answer(500, ""))
    queue.send(patient=False)
    since = State(queue.spool).trouble["since"]
    queue.send(patient=False)
    assert State(queue.spool).trouble["since"] == since


@pytest.mark.parametrize("asked", ["7", formatdate(time.time() + 100000, usegmt=True)], ids=["seconds", "a date"])
def test_a_wait_that_slack_asks_for_is_obeyed(queue, slept, monkeypatch, asked):
    if asked != "7":
        asked = formatdate(time.time() + 60, usegmt=True)
    queue.put(1)
    queue.will(answer(429, "rate_limited", "Retry-After: " + asked))
    assert queue.send() is True
    assert len(slept) == 1
    # Never too early, and less than a second late.
    assert 59 <= slept[0] < 61 if asked != "7" else 7 <= slept[0] < 8


def test_a_real_second_is_waited_when_slack_asks_for_it(queue):
    queue.put(1)
    queue.will(answer(429, "rate_limited", "Retry-After: 1"))
    began = time.monotonic()
    assert queue.send() is True
    assert 1 <= time.monotonic() - began < 4


def test_a_wait_longer_than_a_run_is_obeyed_by_the_next_runs_too(queue, slept):
    queue.put(1)
    queue.will(answer(429, "rate_limited", "Retry-After: 600"))
    assert queue.send() is False
    assert queue.send() is False
    assert len(queue.messages) == 1
    assert slept == []
    assert "Slack allows" in State(queue.spool).trouble["mend"]


def test_a_person_who_flushes_does_not_wait_for_what_was_nobodys_wish(queue, slept):
    queue.put(1)
    State(queue.spool).waiting("500", "it is tried again", 600)
    queue.will(answer(500, ""))
    assert queue.send(patient=False) is False
    assert len(queue.messages) == 1
    assert queue.send(patient=False) is True
    assert slept == []


def test_a_person_who_flushes_waits_as_slack_has_asked(queue, slept):
    queue.put(1)
    queue.will(answer(429, "rate_limited", "Retry-After: 600"))
    assert queue.send() is False
    assert queue.send(patient=False) is False
    assert len(queue.messages) == 1
    State(queue.spool).waiting("429", "Slack allows", 20, asked=True)
    assert queue.send(patient=False) is True
    assert 19 < slept[0] <= 20


def test_hosts_that_share_a_webhook_spread_out_the_more_the_longer_it_is_too_much(queue, slept, monkeypatch):
    queue.put(1)
    queue.will(*[answer(429, "rate_limited", "Retry-After: 1")] * 9)
    ranges = []
    monkeypatch.setattr(delivery.random, "uniform", lambda low, high: ranges.append((low, high)) or high)
    assert queue.send() is True
    assert [high for _, high in ranges] == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert slept == [1 + high for _, high in ranges]


def test_a_backlog_of_two_is_one_message_once_slack_has_said_that_it_is_too_much(queue, slept):
    queue.put(1, 2, 3)
    queue.will(answer(429, "rate_limited", "Retry-After: 1"))
    assert queue.send() is True
    assert queue.ids == [ids(1), ids(1, 2, 3)]
    queue.put(4, 5)
    queue.send()
    assert queue.ids[2:] == [ids(4), ids(5)], "that is over"


def test_a_run_after_one_that_had_to_wait_makes_one_message_of_two(queue, slept):
    queue.put(1, 2)
    queue.will(answer(429, "rate_limited", "Retry-After: 600"))
    queue.send()
    State(queue.spool).waiting("429", "Slack allows", 0, asked=True)
    queue.send()
    assert queue.ids == [ids(1), ids(1, 2)]


@pytest.mark.parametrize("asked", ["3600", "86400", formatdate(time.time() + 100000, usegmt=True)])
def test_a_very_long_wait_is_one_too(queue, slept, monkeypatch, asked):
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    queue.put(1)
    queue.will(*[answer(429, "rate_limited", "Retry-After: " + asked)] * 3)
    assert queue.send() is False
    assert queue.send() is False
    assert queue.send(patient=False) is False
    assert len(queue.messages) == 1
    assert slept == []


def test_a_wait_ends_when_the_clock_was_set_back(queue, slept, monkeypatch):
    queue.put(1)
    State(queue.spool).waiting("500", "x", 60)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3500)
    assert queue.send() is True
    assert slept == []


def test_a_run_ends_before_systemd_takes_it_for_stuck_and_has_another_started(queue, slept, monkeypatch):
    queue.put(1, 2, 3)
    clock = iter(range(0, 10000, LONGEST_RUN_SECONDS // 2 + 1))
    monkeypatch.setattr(delivery.time, "monotonic", lambda: next(clock))
    assert queue.send() is False
    assert queue.ids == [ids(1)]
    assert os.path.exists(queue.spool.path("state", "wake"))


def test_what_is_beyond_the_limit_goes_the_oldest_first_and_the_next_message_says_so(queue):
    queue.put(*range(30))
    assert queue.send(most_waiting=20) is True
    assert [name for message in queue.ids for name in message] == ids(*range(10, 30))
    assert "10 older alerts were dropped" in str(queue.messages[0])
    assert "dropped" not in str(queue.messages[1:])
    state = State(queue.spool)
    assert (state.dropped, state.untold) == (10, 0)


def test_the_limit_in_bytes_counts_as_well_and_in_failed_too(queue, monkeypatch):
    monkeypatch.setattr(queue_module, "MIB_BYTES", 2000)
    size = len(to_json(alert(1)))
    queue.put(*range(10), notes=["x" * (500 - size)])
    for number in range(10, 20):
        queue.spool.write("failed", ids(number)[0], b"x" * 500, 0o640)
        queue.spool.write("failed", ids(number)[0] + ".answer", b"404", 0o640)
    queue.will(answer(500, ""))
    queue.send(patient=False, most_waiting_mib=1)
    assert len(queue.names()) in (3, 4)
    assert queue.names() == ids(*range(10))[-len(queue.names()) :]
    assert queue.names("failed") == ids(16, 17, 18, 19)
    assert len(os.listdir(queue.spool.path("failed"))) == 8
    assert State(queue.spool).untold == 16 - len(queue.names())


@pytest.mark.whole
def test_ten_thousand_may_wait_and_no_more(queue):
    for number in range(10003):
        parts.Path(queue.spool.path("outgoing", f"{1763884800 + number}.5-1")).touch()
    found = parts.configuration()
    queue_module.enforce_limits(queue.spool, State(queue.spool), found.most_waiting, found.most_waiting_mib)
    assert len(queue.names()) == 10000
    assert queue.names()[0] == "1763884803.5-1"
    assert State(queue.spool).untold == 3


def test_what_was_dropped_is_counted_before_it_goes(queue, monkeypatch):
    queue.put(1, 2)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(queue.spool, "forget", killed)
    with pytest.raises(KeyboardInterrupt):
        queue.send(most_waiting=1)
    assert State(queue.spool).untold == 1


def test_a_memory_that_can_not_be_written_stops_nothing(queue, monkeypatch, said):
    write = queue.spool.write

    def full(directory, *values, **more):
        if directory == "state":
            raise OSError(28, "No space left on device")
        write(directory, *values, **more)

    monkeypatch.setattr(queue.spool, "write", full)
    queue.put(1, 2)
    assert queue.send() is True
    assert queue.ids == [ids(1), ids(2)]
    assert "could not be saved" in said[0][1]


def test_what_is_set_aside_is_told_to_the_systems_log(queue, said):
    queue.put(1)
    queue.will(answer(400, "invalid_payload"))
    queue.send()
    assert ids(1)[0] in said[0][1]
    assert "400 invalid_payload" in said[0][1]


@pytest.mark.parametrize("seconds", [-5000, LONGEST_ASKED_SECONDS * 2, 1e12])
def test_a_wait_from_a_clock_that_jumped_is_none(queue, slept, seconds):
    state = State(queue.spool)
    state.waiting("x", "y", seconds)
    queue.put(1)
    assert queue.send() is True
    assert slept == []


def test_what_is_left_of_an_earlier_wait_is_waited(queue, slept):
    State(queue.spool).waiting("x", "y", LONGEST_PAUSE_SECONDS - 20)
    queue.put(1)
    assert queue.send() is True
    assert LONGEST_PAUSE_SECONDS - 25 < slept[0] <= LONGEST_PAUSE_SECONDS - 20


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("0", 0), ("30", 30), (" 30 ", 30), ("3600", 3600), ("86400", LONGEST_ASKED_SECONDS),
        ("9" * 5000, LONGEST_ASKED_SECONDS), ("-1", None), ("1.5", None), ("²", None), ("soon", None),
        ("Mon, 99 Foo 2020", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_ASKED_SECONDS),
    ],
)  # fmt: skip
def test_what_retry_after_says(header, seconds):
    assert retry_after(header) == seconds


@settings(max_examples=settings().max_examples * 3)
@given(st.one_of(st.text(max_size=40), st.text("0123456789 -+:,GMTJanFebSun()", max_size=40)))
def test_no_retry_after_makes_it_fail(header):
    asked = retry_after(header)
    assert asked is None or 0 <= asked <= LONGEST_ASKED_SECONDS


@pytest.mark.each
@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize(
    "contents",
    [
        b"", b"{", b"null", b"\xff\xfe", b"[" * 100000, to_json(alert(1))[:100], to_json(alert(2)),
        to_json(dict(alert(1), version=2)), to_json(dict(alert(1), methods=[3])),
        to_json(dict(alert(1), methods=[{"certificate": {"key_id": "x"}, "method": "x"}])),
        to_json(dict(alert(1), notes=[None])),
        to_json(dict(alert(1), time=1e300)), to_json(dict(alert(1), time=float("nan"))),
    ],
    ids=["empty", "cut", "null", "no text", "deep", "half", "another's", "of the future", "odd method",
         "odd certificate", "odd note", "beyond time", "no time"],
)  # fmt: skip
def test_a_damaged_alert_is_set_aside_with_the_reason_and_blocks_nothing(queue, contents):
    queue.write(ids(1)[0], contents)
    queue.put(2)
    assert queue.send() is True
    assert queue.ids == [ids(2)]
    assert queue.names("failed") == ids(1)
    reason = queue.spool.read("failed", ids(1)[0] + ".answer").decode()
    assert reason.strip()
    assert len(reason) < 400


def test_a_damaged_alert_in_a_backlog_blocks_nothing(queue):
    queue.put(*range(20))
    queue.write(ids(0)[0], b"{")
    assert queue.send() is True
    assert queue.names("failed") == ids(0)
    assert [name for message in queue.ids for name in message] == ids(*range(1, 20))


def test_what_is_no_file_of_ours_is_left_alone(queue, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(to_json(alert(1)))
    path = queue.spool.path
    os.symlink(str(secret), path("outgoing", ids(1)[0]))
    os.mkfifo(path("outgoing", ids(2)[0]))
    os.mkdir(path("outgoing", ids(3)[0]))
    parts.Path(path("outgoing", "README")).touch()
    parts.Path(path("outgoing", ".hidden")).touch()
    queue.put(4)
    assert queue.send() is True
    assert queue.ids == [ids(4)]
    assert sorted(os.listdir(path("outgoing"))) == sorted([".hidden", "README", *ids(1, 2, 3)])
    assert queue.names("failed") == []
    assert secret.exists()


def test_what_the_rules_ignore_is_done_with_and_not_sent(queue):
    queue.put(1, user="backup")
    queue.put(2, user="ada")
    queue.put(3, user="backup", notes=["the login's environment tried to forge PAM_USER"])
    assert queue.send(ignore=[{"user": "backup", "weight": "first"}]) is True
    assert queue.ids == [ids(2), ids(3)]
    assert queue.names() == queue.names("failed") == []


def test_whoever_waits_for_a_login_that_a_rule_ignores_finds_out_which_rule(queue):
    """The playbook verify does so, because its own login can be ignored."""
    queue.put(1, user="ada", port=50001)
    queue.put(2, user="backup", port=50002)
    assert queue.send(ignore=[{"user": "root"}, {"user": "backup", "weight": "first"}]) is True
    state = State(queue.spool)
    assert [(entry["id"], entry["from"], entry["rule"]) for entry in state.ignored] == [
        (alert(2)["id"], "203.0.113.50 port 50002", 2)
    ]
    assert [entry["id"] for entry in state.recent] == ids(1)


def test_a_backlog_of_ignored_logins_is_no_message(queue):
    queue.put(*range(30), user="backup")
    assert queue.send(ignore=[{"user": "backup", "weight": ["first"]}]) is True
    assert queue.messages == []
    assert queue.names() == []


def test_an_alert_that_comes_while_one_is_sent_is_sent_by_the_same_run(queue):
    queue.put(1)

    def another_comes(connection):
        queue.put(2)
        queue.spool.wake()
        return OK(connection)

    queue.will(another_comes)
    assert queue.send() is True
    assert queue.ids == [ids(1), ids(2)]
    assert not os.path.exists(queue.spool.path("state", "wake"))


def test_the_sign_to_wake_is_taken_away_before_the_look_not_after(queue, monkeypatch):
    # An alert that arrives after the look must find the wake-up file gone, or the sender would not be woken.
    looked = []
    names = queue.spool.names

    def look_then_another_comes(directory):
        found = names(directory)
        if not looked:
            looked.append(True)
            queue.put(2)
            queue.spool.wake()
        return found

    monkeypatch.setattr(queue.spool, "names", look_then_another_comes)
    assert queue.send() is True
    assert os.path.exists(queue.spool.path("state", "wake"))
    assert names("outgoing") == ids(2)


def test_an_alert_is_in_the_spool_until_slack_has_taken_it(queue):
    waiting = []
    queue.put(1)
    queue.will(lambda connection: waiting.append(queue.names()) or OK(connection))
    queue.send()
    assert waiting == [ids(1)]


def test_a_sender_that_is_killed_while_slack_answers_loses_nothing(queue):
    queue.put(1)
    received = threading.Event()
    queue.will(lambda connection: received.set() or drip(b"", 0.1)(connection))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ssh_login_notify import channels, config, delivery, queue, spool, triage\n"
        "found = config.Configuration({'webhook_url': sys.argv[3]})\n"
        "there = spool.Spool(sys.argv[2])\n"
        "channel = channels.load(found.channels[0], found, there)\n"
        "delivery.Delivery(queue.Queue(there), found, channel, triage.Triage(there, found)).run()\n"
    )
    arguments = [library(), queue.spool.root, queue.webhook.url]
    process = subprocess.Popen([sys.executable, "-ISBc", code, *arguments])
    assert received.wait(parts.LONGEST_WAIT)
    process.kill()
    process.wait()
    assert queue.names() == ids(1)


def test_the_memory_holds_no_secret(queue, slept):
    queue.put(1)
    queue.will(answer(500, ""))
    queue.send(patient=False)
    queue.send()
    assert b"not-a-real-secret" not in queue.spool.read("state", "sender.json")
