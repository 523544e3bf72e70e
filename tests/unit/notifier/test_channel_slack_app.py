# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels/slack_app: a message is a reply to that of its login, and Slack's `ok` counts, not the HTTP status."""

import json
import os
import time

import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, answer, configuration, logout
from ssh_login_notify import channels
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, UNSURE, slack, slack_app
from ssh_login_notify.channels.slack_app import MOST_THREADS, Threads
from ssh_login_notify.delivery import Delivery
from ssh_login_notify.queue import Queue
from ssh_login_notify.spool import Spool
from ssh_login_notify.transport import Answer, TransportError
from ssh_login_notify.triage import Triage

NOW = 1763884862.0
TOKEN = "xoxb-0-not-a-real-token"
FIRST, SECOND = "1763884862.000100", "1763884863.000200"
LOGIN = alert(1, weights=[])
FOLLOW_UP = alert(2, weights=[], follows=LOGIN["id"], was="Tunnel (no session)")


def settings(url="https://slack.com/api/chat.postMessage", **more):
    return dict({"name": "ops", "kind": "slack_app", "token": TOKEN, "channel": "C0123456789", "api_url": url}, **more)


def make(spool=None, url="https://slack.com/api/chat.postMessage", **more):
    return channels.load(settings(url, **more), configuration(), spool)


def said(document, status=200, *headers):
    return answer(status, json.dumps(document), *headers)


def posted(timestamp=FIRST):
    return said({"ok": True, "channel": "C0123456789", "ts": timestamp, "message": {"text": "x" * 9000}})


def message(channel, *alerts, **more):
    return json.loads(channel.message(list(alerts), NOW, **more).decode())


def send(channel, *alerts):
    found = channel.send(channel.message(list(alerts), NOW), list(alerts))
    if channel.read(found).kind == DELIVERED:
        channel.delivered(list(alerts), found)
    return found


@pytest.fixture
def api(webhook):
    """Slack's Web API on loopback. Its instructions are its answers."""
    webhook.api = f"http://127.0.0.1:{webhook.port}/api/chat.postMessage"
    return webhook


def test_a_message_is_that_of_the_webhook_with_its_channel_and_the_token_is_in_a_header_only(api):
    api.instructions = [posted()]
    channel = make(url=api.api)
    found = send(channel, LOGIN)
    (request,) = api.requests
    assert request.line == "POST /api/chat.postMessage HTTP/1.1"
    assert request.headers["authorization"] == "Bearer " + TOKEN
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    body = json.loads(request.body.decode())
    assert body.pop("channel") == "C0123456789"
    assert body == slack.single(LOGIN, configuration(), NOW)
    assert TOKEN not in request.body.decode()
    assert str(found) == '200 "{\\"ok\\": true, \\"ts\\": \\"1763884862.000100\\"}"'


def test_an_answer_that_repeats_the_longest_message_is_read_whole(api):
    channel = make(url=api.api)
    alerts = [alert(number, weights=[], user="\U0001f511" * 300) for number in range(1, 41)]
    whole = channel.message(channel.fitting(alerts, NOW), NOW).decode()
    api.instructions = [said({"ok": True, "message": json.loads(whole), "ts": FIRST})]
    found = channel.send(whole.encode(), alerts)
    assert channel.read(found).kind == DELIVERED


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (200, {"ok": True, "ts": FIRST}, DELIVERED),
        *[(200, {"ok": False, "error": error}, CLOSED) for error in slack_app.CLOSING],
        *[(200, {"ok": False, "error": error}, REFUSED) for error in slack_app.REFUSING],
        (200, {"ok": False, "error": "ratelimited"}, LIMITED),
        (429, {"ok": False, "error": "ratelimited"}, LIMITED),
        (429, {}, LIMITED),
        (200, {"ok": False, "error": "internal_error"}, FAILED),
        (200, {"ok": False, "error": "an error of next year"}, FAILED),
        (200, {"ok": False}, FAILED),
        (200, {"ok": False, "error": ["invalid_auth"]}, FAILED),
        (200, {"ok": "true"}, UNSURE),
        (200, [], UNSURE),
        (503, {"ok": True}, FAILED),
        (500, {}, FAILED),
        (302, {}, FAILED),
    ],
)
def test_slacks_own_words_settle_a_message(status, document, kind):
    found = make().read(Answer(status, json.dumps(document)))
    assert found.kind == kind
    assert bool(found.mend) == (kind != DELIVERED)


@pytest.mark.parametrize("text", ["", "ok", "[" * 4000, '{"ok": true', "\x00"])
def test_what_is_not_slacks_json_is_not_trusted(text):
    assert make().read(Answer(200, text)).kind == UNSURE
    assert make().read(Answer(200, "<!DOCTYPE html><p>Sign in")).kind == FAILED


def test_the_pause_that_slack_asks_for_is_obeyed():
    found = make().read(Answer(429, '{"ok":false,"error":"ratelimited"}', "30"))
    assert (found.kind, found.asked) == (LIMITED, 30)


def test_a_follow_up_is_a_reply_to_the_message_of_its_login(spool):
    channel = make(spool)
    assert "thread_ts" not in message(channel, LOGIN)
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    found = message(channel, FOLLOW_UP)
    assert (found["thread_ts"], found["reply_broadcast"]) == (FIRST, False)
    assert message(channel, dict(FOLLOW_UP, weights=["root"]))["reply_broadcast"] is True
    # Also for the next run of the sender, and for repeats of the follow-up.
    channel.delivered([FOLLOW_UP], Answer(200, json.dumps({"ok": True, "ts": SECOND})))
    repeats = alert(3, weights=[], about="repeats", follows=FOLLOW_UP["id"], notes=["2 more logins"])
    assert message(make(spool), repeats)["thread_ts"] == FIRST


def test_the_follow_ups_of_logins_of_a_digest_are_replies_to_it(spool):
    channel = make(spool)
    logins = [alert(number, weights=[]) for number in (1, 2, 3)]
    channel.delivered(logins, Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    for login in logins:
        assert message(channel, alert(9, weights=[], follows=login["id"]))["thread_ts"] == FIRST


def test_a_message_holds_what_belongs_in_one_thread_only(spool):
    channel = make(spool)
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    other = alert(5, weights=[])
    more = dict(FOLLOW_UP, id=alert(6)["id"])
    assert channel.fitting([FOLLOW_UP, more, other], NOW) == [FOLLOW_UP, more]
    assert channel.fitting([other, FOLLOW_UP], NOW) == [other]
    assert message(channel, FOLLOW_UP, more)["thread_ts"] == FIRST


@pytest.mark.parametrize("more", [{"threads": False}, {"trial": True}])
def test_without_threads_all_is_posted_to_the_channel(spool, more):
    channel = make(None if more.pop("trial", False) else spool, **more)
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    assert "thread_ts" not in message(channel, FOLLOW_UP)
    assert not os.path.exists(spool.path("state", "channel.json"))


@pytest.mark.parametrize("error", slack_app.THREADLESS)
def test_a_reply_to_a_thread_that_is_gone_is_posted_to_the_channel(api, spool, error):
    channel = make(spool, api.api)
    api.instructions = [posted(), said({"ok": False, "error": error}), posted(SECOND), posted()]
    for sent in (LOGIN, FOLLOW_UP):
        assert channel.read(send(channel, sent)).kind == DELIVERED
    replies = [json.loads(request.body.decode()) for request in api.requests]
    assert [reply.get("thread_ts") for reply in replies] == [None, FIRST, None]
    assert "reply_broadcast" not in replies[2]
    # The next follow-up is a reply to that message.
    assert message(channel, alert(4, weights=[], follows=FOLLOW_UP["id"]))["thread_ts"] == SECOND


def test_a_refusal_of_a_message_without_a_thread_is_not_repeated(api):
    api.instructions = [said({"ok": False, "error": "message_not_found"})] * 2
    assert make(url=api.api).read(send(make(url=api.api), LOGIN)).kind == FAILED
    assert len(api.requests) == 1


def test_no_more_threads_are_kept_than_are_of_use(spool):
    threads = Threads(spool, "C1")
    threads.remember([alert(number) for number in range(MOST_THREADS + 20)], FIRST)
    kept = json.loads(spool.read("state", "channel.json").decode())["threads"]
    assert sorted(kept) == [alert(number)["id"] for number in range(20, MOST_THREADS + 20)]
    assert len(spool.read("state", "channel.json")) < slack_app.LARGEST_FILE_BYTES
    assert Threads(spool, "C1").of(alert(0, follows=alert(1019)["id"])) == FIRST
    assert Threads(spool, "C2").of(alert(0, follows=alert(1019)["id"])) == "", "another channel has other threads"


@pytest.mark.each
@pytest.mark.parametrize(
    "contents",
    [b"", b"no json", b"[]", b'{"channel": "C1"}', b'{"channel": "C1", "threads": []}', b"[" * 100000, b"\xff",
     b'{"channel": "C1", "threads": {"1763884801.123456-4242": 5}}',
     b'{"channel": "C1", "threads": {"1763884801.123456-4242": "1763884862.000100, then"}}'],
)  # fmt: skip
def test_what_the_service_users_file_holds_is_used_only_in_its_form(spool, said, without_garbage, contents):
    spool.write("state", "channel.json", contents, 0o640)
    threads = Threads(spool, "C1")
    assert threads.of(FOLLOW_UP) == ""
    threads.remember([LOGIN], SECOND)
    assert Threads(spool, "C1").of(FOLLOW_UP) == SECOND


@pytest.mark.parametrize("timestamp", [None, 5, "", "now", "1763884862.000100\n", ["1763884862.000100"]])
def test_an_answer_without_a_timestamp_makes_no_thread(spool, timestamp):
    channel = make(spool)
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": timestamp})))
    assert "thread_ts" not in message(channel, FOLLOW_UP)


def test_a_spool_that_takes_no_file_delays_no_message(tmp_path, said):
    channel = make(Spool(str(tmp_path / "missing")))
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    assert message(channel, FOLLOW_UP)["thread_ts"] == FIRST
    assert "could not be noted" in said[0][1]


def test_a_knock_asks_about_the_token_and_posts_nothing(api):
    api.instructions = [said({"ok": True, "team": "loginwatch"})]
    channel = make(url=api.api)
    assert channel.read(channel.knock()).kind == DELIVERED
    (request,) = api.requests
    assert (request.line, request.body) == ("POST /api/auth.test HTTP/1.1", b"{}")
    assert request.headers["authorization"] == "Bearer " + TOKEN


def test_a_knock_trusts_what_the_channel_trusts(secure_webhook, certificates):
    url = f"https://127.0.0.1:{secure_webhook.port}/api/chat.postMessage"
    channel = channels.load(settings(url), configuration(ca_file=certificates.authority), None)
    assert channel.knock().text == "ok"
    secure_webhook.certificate = "unknown"
    with pytest.raises(TransportError, match="is not accepted"):
        channel.knock()


LOGOUT = logout()


def test_the_end_of_a_connection_is_a_reply_to_the_message_of_its_login_once(spool):
    channel = make(spool, logouts=True)
    assert not channel.wants(LOGOUT), "no message has told of the login"
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    assert channel.wants(LOGOUT)
    found = message(channel, dict(LOGOUT, weights=[]))
    assert (found["thread_ts"], found["reply_broadcast"]) == (FIRST, False)
    channel.delivered([LOGOUT], Answer(200, json.dumps({"ok": True, "ts": SECOND})))
    assert not make(spool, logouts=True).wants(LOGOUT), "a follower that was killed has queued it once more"


def test_the_end_of_a_connection_is_told_beside_its_login_in_a_message_of_many(spool):
    channel = make(spool, logouts=True)
    assert channel.wants(LOGOUT, [alert(3), LOGIN])
    assert not channel.wants(LOGOUT, [alert(3)])
    assert channel.fitting([LOGIN, LOGOUT], NOW) == [LOGIN, LOGOUT]


@pytest.mark.parametrize("more", [{}, {"logouts": False}])
def test_without_logouts_no_end_is_told(spool, more):
    channel = make(spool, **more)
    channel.delivered([LOGIN], Answer(200, json.dumps({"ok": True, "ts": FIRST})))
    assert not channel.wants(LOGOUT)
    assert all(channel.wants(other) for other in (LOGIN, FOLLOW_UP, alert(3, about="test")))


@pytest.mark.parametrize("logouts", [True, False])
def test_a_run_tells_the_ends_that_are_wanted_and_removes_the_others(api, spool, logouts):
    api.instructions = [posted(), posted(SECOND)]
    waiting = [alert(1, time=time.time()), logout(), logout(10, follows=alert(5)["id"])]
    for found in waiting:
        spool.write("outgoing", found["id"], json.dumps(found).encode(), 0o640)
    rule = {"user": "deploy", "mention": "<!here>"}
    values = configuration(mentions=[rule])
    assert Delivery(Queue(spool), values, make(spool, api.api, logouts=logouts), Triage(spool, values)).run()
    assert spool.names("outgoing") == []
    found = [json.loads(request.body.decode()) for request in api.requests]
    assert [body.get("thread_ts") for body in found] == [None, FIRST][: 1 + logouts]
    assert ["<!here>" in json.dumps(body) for body in found] == [True, False][: 1 + logouts]
    assert "deploy logged out of web-3 after 2 min 0 s" in found[-1]["text"] or not logouts


def test_the_end_of_a_connection_whose_login_waits_still_is_not_lost(api, spool):
    """Slack refuses the login for now, and the end of the connection is sent to test whether the channel works."""
    api.instructions = [answer(503, "")] * 40
    login = alert(1, time=time.time())
    for found in (login, logout()):
        spool.write("outgoing", found["id"], json.dumps(found).encode(), 0o640)
    values = configuration()
    for _run in range(6):
        Delivery(Queue(spool), values, make(spool, api.api, logouts=True), Triage(spool, values)).run(patient=False)
    assert spool.names("outgoing") == sorted([login["id"], logout()["id"]])


WITHOUT_STATE = make()


@given(user=CHOSEN, note=CHOSEN, name=CHOSEN, follows=st.booleans())
def test_no_text_that_strangers_choose_is_more_than_text(user, note, name, follows):
    hostile = alert(1, weights=[], user=user, notes=[note], name=name, follows=LOGIN["id"] if follows else "")
    found = message(WITHOUT_STATE, hostile)
    assert {name: found.pop(name) for name in ("channel", "mrkdwn")} == {"channel": "C0123456789", "mrkdwn": False}
    expected = slack.single(hostile, configuration(), NOW)
    assert found == {name: expected[name] for name in found}
    kinds = {text["type"] for block in found["blocks"] for text in block.get("fields", [block.get("text")]) if text}
    assert kinds <= {"plain_text", "mrkdwn"}
    assert "<" not in found["text"]


def test_a_run_delivers_a_login_and_what_followed_in_its_thread(api, spool, slept):
    api.instructions = [said({"ok": False, "error": "internal_error"}), posted(), posted(SECOND)]
    follow_up = alert(2, follows=LOGIN["id"], was="Tunnel (no session)", time=time.time())
    for waiting in (alert(1, time=time.time()), follow_up):
        spool.write("outgoing", waiting["id"], json.dumps(waiting).encode(), 0o640)
    assert Delivery(Queue(spool), configuration(), make(spool, api.api), Triage(spool, configuration())).run()
    threads = [json.loads(request.body.decode()).get("thread_ts") for request in api.requests]
    assert threads == [None, None, FIRST]
    assert spool.names("outgoing") == []
