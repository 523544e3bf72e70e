# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels: each service accepts every message, which shows wording's texts unchanged and does nothing else.

The receiver parses messages by the service's documented rules, not with the channel's code. It needs a newer Python.
On older ones the messages are only built, and their sizes are checked.
"""

import copy
import json
import sys
from functools import lru_cache

import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import channels, wording
from ssh_login_notify.alert import HEARTBEAT, MISSED, MUTE, SELF_CHECK, SUMMARY, TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, OWN_WORDS, REFUSED, UNSURE, layout
from ssh_login_notify.text import CUT, printable
from ssh_login_notify.transport import Answer
from ssh_login_notify.weights import ROOT, UNKNOWN_KEY

from tests.lab import chats
from tests.lab.hostile import TEXTS

KINDS = ("teams", "discord", "google_chat", "telegram", "mattermost", "ntfy")
NOW = 1763884862.0
# The largest message that each service accepts, in bytes of JSON, or more if its limit counts something else.
LARGEST_BYTES = {
    "teams": 28 * 1024, "discord": 40000, "google_chat": 32000 + 4000, "telegram": 40000, "mattermost": 4 * 7900,
    "ntfy": 20000,
}  # fmt: skip
HEADERS = {"content-type": "application/json; charset=utf-8", "user-agent": "ssh-login-notify/0"}
PEOPLE = {"people": {FINGERPRINT: "Ada Lovelace"}}
if sys.version_info >= (3, 9):
    from tests.lab.receiver.vendors import VENDORS
    from tests.lab.receiver.vendors import channel as channel_of
else:
    VENDORS = None

every_kind = pytest.mark.parametrize("kind", KINDS)


@lru_cache(maxsize=None)
def of_kind(kind):
    return channels.load(chats.settings(kind, "https://receiver.example:8443"), configuration(), None)


def make(kind, values=None):
    channel = copy.copy(of_kind(kind))  # reading the authorities for each would take most of the time
    channel.configuration = configuration(**(values or {}))
    return channel


def judge(channel, message):
    """Have a message judged as by its service. Returns None if that is not possible on this Python."""
    assert len(message) <= LARGEST_BYTES[channel.settings["kind"]]
    if not VENDORS:
        return None
    path = channel.url[len("https://receiver.example:8443") :]
    found = channel_of(path)
    assert found.name == channel.settings["kind"] + "/ops"
    sent = dict(HEADERS, **{name.lower(): value for name, value in channel.headers(message).items()})
    verdict = found.vendor.judge("POST", found.path, sent, message)
    assert verdict.accepted, verdict.findings.problems
    assert not verdict.findings.problems
    assert not verdict.findings.mentions
    assert not verdict.findings.controls
    return verdict


def shown(channel, alerts, dropped=0):
    """Return what a person sees of a message, after all checks, or None if that is not possible on this Python."""
    verdict = judge(channel, channel.message(alerts, NOW, dropped))
    if verdict is None:
        return None
    assert not verdict.findings.links
    return verdict.shown


def assert_is(seen, value):
    """Assert that a value is shown completely, or as far as there is room."""
    if len(value) > 300 and seen.endswith(CUT):
        assert value.startswith(seen[: -len(CUT)])
        assert len(seen) > 300
    else:
        assert seen == value


def assert_shows(channel, one):
    """Assert that a message shows the alert's headline, each field and the id."""
    found = shown(channel, [one])
    headline, fields = wording.single(one, channel.configuration, NOW, lambda text: True)
    if found is None:
        return
    assert found["ids"] == [one["id"]]
    if found["header"] != headline:  # too long for the service: the fields have what a shorter one lacks
        headline, fields = wording.single(one, channel.configuration, NOW, lambda text: False)
        assert headline.startswith(found["header"].rstrip(CUT))
    labelled = {part["label"]: part["text"] for part in found["look"]["parts"] if part["role"] == "field"}
    assert list(labelled) == [field.label for field in fields]
    for field in fields:
        assert_is(labelled[field.label], field.value or "-")


def hostile(text):
    """Return an alert in which a stranger has set every possible value to this text."""
    said = printable(text)
    certificate = {"serial": 0, "ca": "SHA256:x", "key_id": said}
    method = {"method": "publickey", "key_type": said, "fingerprint": FINGERPRINT, "certificate": certificate}
    return alert(user=said, name=said, methods=[dict(method, principal=said)], notes=[said], host=said)


@every_kind
@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_shown_as_it_is_and_does_nothing(kind, name):
    assert_shows(make(kind), hostile(TEXTS[name]))
    text = printable(TEXTS[name])
    assert_shows(make(kind, {"host_label": text, "people": {FINGERPRINT: text}}), alert())


@pytest.mark.whole
@every_kind
@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_in_a_digest_is_shown_as_it_is(kind, name):
    channel = make(kind)
    alerts = [alert(1, user=printable(TEXTS[name])), alert(2, name=printable(TEXTS[name]))]
    found = shown(channel, alerts)
    if found:
        ends = [" \xb7 id " + one["id"] for one in alerts]
        expected = [wording.login(one, channel.configuration, NOW) + end for one, end in zip(alerts, ends)]
        assert found["lines"] == expected
        assert found["header"] == wording.digest_headline(alerts, channel.configuration)


@pytest.mark.whole
@every_kind
@given(st.data())
def test_whatever_a_stranger_chooses_is_shown_as_it_is(kind, data):
    user, name, note, label, person = (data.draw(CHOSEN) for _text in range(5))
    channel = make(kind, {"host_label": label, "people": {FINGERPRINT: person.strip() or "Ada"}})
    assert_shows(channel, alert(user=user, name=name, notes=[note] if note else []))


@every_kind
@pytest.mark.parametrize("about", [TEST, HEARTBEAT, SELF_CHECK, MUTE, SUMMARY, MISSED])
def test_what_the_notifier_says_of_itself(kind, about):
    assert_shows(make(kind), own(about, []))
    assert_shows(make(kind), own(about, ["the disk is full: make room", "a second problem"]))
    assert_shows(make(kind), own(about, ["<!channel> *b* @everyone: https://evil.example"]))


LONGEST = {
    "user": "\U0001f511" * 300, "name": "`" * 300, "notes": ["<" * 300] * 20, "host": "&" * 300,
    "methods": [
        {"method": "publickey", "certificate": {"serial": 0, "ca": "x" * 300, "key_id": "{{DATE(" * 40}},
        *[{"method": "*" * 300, "key_type": "_" * 300, "fingerprint": "\u65e5" * 300}] * 8,
    ],
}  # fmt: skip


@every_kind
def test_the_longest_alert_is_within_the_limits_and_says_which_it_is(kind):
    channel = make(kind, {"host_label": "]" * 300, "people": {FINGERPRINT: "#" * 300}})
    one = alert(weights=[ROOT, UNKNOWN_KEY], reasons=["r" * 3000] * 3, **LONGEST)
    found = shown(channel, [one], dropped=123456)
    if found:
        assert found["ids"] == [one["id"]]
        assert "123456 older alerts were dropped" in "".join(found["notes"])


@every_kind
@pytest.mark.parametrize("changes", [{}, LONGEST])
def test_a_digest_has_as_many_logins_as_fit_and_each_of_them_is_there(kind, changes):
    channel = make(kind)
    alerts = [alert(number, **changes) for number in range(1, 60)]
    chosen = channel.fitting(alerts, NOW)
    assert chosen == alerts[: len(chosen)]
    assert len(chosen) >= (8 if not changes else 1)
    assert len(chosen) <= channel.DIGEST_LIMIT
    found = shown(channel, chosen, dropped=7)
    if found:
        assert found["ids"] == [one["id"] for one in chosen]
        assert "7 older alerts were dropped" in "".join(found["notes"])


@every_kind
def test_another_language(kind):
    channel = make(kind, {"language": "ja"})
    assert_shows(channel, alert(weights=[ROOT], reasons=["\u65e5\u672c\u8a9e"]))
    found = shown(channel, [alert(1), alert(2)], dropped=3)
    if found:
        assert wording.dropped(3, channel.configuration.say) in found["notes"]


@every_kind
def test_one_alert_always_fits(kind):
    channel = make(kind)
    assert channel.fitting([alert(**LONGEST)], NOW) == [alert(**LONGEST)]


@every_kind
def test_a_grave_login_stands_out(kind):
    messages = [make(kind).message([alert(weights=weights)], NOW) for weights in ([], [ROOT], [UNKNOWN_KEY])]
    sizes = {message.replace(b"unknown key", b"").replace(b"root", b"") for message in messages}
    assert len(sizes) == 3


@every_kind
def test_links_are_there_to_click(kind, monkeypatch):
    links = [("Console", "https://console.example/x?y=(z)"), ("Runbook", "https://runbook.example/")]
    monkeypatch.setattr(wording, "links", lambda alert, configuration: links)
    channel = make(kind)
    verdict = judge(channel, channel.message([alert()], NOW))
    if verdict:
        buttons = [part for part in verdict.shown["look"]["parts"] if part["role"] == "button"]
        clicked = [(part["text"], part["url"].replace("%28", "(").replace("%29", ")")) for part in buttons]
        assert clicked == links


@pytest.mark.parametrize("kind", ["teams", "discord"])
def test_the_reader_sees_the_time_in_their_own_zone_too(kind):
    found = shown(make(kind), [alert()])
    if found:
        (local,) = [part["local"] for part in found["look"]["parts"] if part["local"] is not None]
        assert local == int(alert()["time"])


MEANINGS = {"refused": REFUSED, "closed": CLOSED, "limited": LIMITED, "broken": FAILED}
PAUSES = {"google_chat": None, "ntfy": None}  # they request none


@every_kind
@pytest.mark.parametrize("how", MEANINGS)
def test_the_service_says_no_in_its_own_words(kind, how):
    if not VENDORS:
        return
    said = VENDORS[kind].answer(how, 7)
    headers = dict(said.headers)
    found = make(kind).read(Answer(said.status, said.body, headers.get("Retry-After")))
    assert found.kind == MEANINGS[how]
    assert found.mend
    if how == "limited":
        assert found.asked == PAUSES.get(kind, 7)


CLOSING = [
    ("teams", 400, {"error": {"code": "WorkflowTriggerIsNotEnabled"}}, "turned off"),
    ("teams", 401, {"error": {"code": "DirectApiAuthorizationRequired"}}, "signature"),
    ("teams", 404, {"error": {"code": "WorkflowNotFound"}}, "deleted"),
    ("discord", 404, {"code": 10015}, "deleted"),
    ("discord", 401, {"code": 50027}, "URL is wrong"),
    ("google_chat", 404, {"error": {"status": "NOT_FOUND"}}, "deleted"),
    (
        "google_chat",
        400,
        {"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}},
        "wrong",
    ),
    ("telegram", 401, {"ok": False, "description": "Unauthorized"}, "token"),
    ("telegram", 404, {"ok": False, "description": "Not Found"}, "token"),
    ("telegram", 400, {"ok": False, "description": "Bad Request: chat not found"}, "does not exist"),
    ("telegram", 403, {"ok": False, "description": "Forbidden: bot was kicked from the group chat"}, "removed"),
    ("mattermost", 400, {"id": "web.incoming_webhook.invalid.app_error"}, "deleted"),
    ("mattermost", 501, {"id": "web.incoming_webhook.disabled.app_error"}, "switched off"),
    ("mattermost", 404, {"success": False, "error": "Invalid integration id or token provided."}, "deleted"),
    ("ntfy", 401, {"code": 40101, "http": 401}, "token"),
    ("ntfy", 403, {"code": 40301, "http": 403}, "token"),
    ("ntfy", 400, {"code": 40009, "http": 400}, "topic"),
]


@pytest.mark.parametrize(("kind", "status", "body", "words"), CLOSING)
def test_a_channel_that_is_gone_says_what_to_do(kind, status, body, words):
    found = make(kind).read(Answer(status, json.dumps(body)))
    assert found.kind == CLOSED
    assert words in found.mend


@every_kind
@pytest.mark.parametrize(
    ("status", "body", "kind_of_answer"),
    [
        (200, "<!DOCTYPE html><title>log in</title>", FAILED),
        (202, "<html>", FAILED),
        (200, "{}", UNSURE),
        (201, "created", UNSURE),
        (302, "", FAILED),
        (400, "Bad Request", FAILED),
        (403, "<html>blocked by the proxy", FAILED),
        (404, "", FAILED),
        (404, '{"code": {"a": [1]}, "error": [], "ok": false, "description": {}}', FAILED),
        (404, "[" * 4000, FAILED),
        (407, "{}", FAILED),
        (429, "slow down", LIMITED),
        (500, "oops", FAILED),
        (503, "[]", FAILED),
    ],
)
def test_what_others_say_settles_nothing(kind, status, body, kind_of_answer):
    found = make(kind).read(Answer(status, body, "9" if status == 429 else None))
    assert found.kind == kind_of_answer
    assert found.asked == (9 if status == 429 else None)


@pytest.mark.whole
@given(st.sampled_from(KINDS), st.integers(200, 599), st.one_of(st.text(max_size=30), st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(
        st.sampled_from(["ok", "code", "error", "status", "id", "description", "parameters", "retry_after", "name"]),
        inside, max_size=4), max_leaves=8).map(json.dumps)))  # fmt: skip
def test_every_answer_can_be_read(kind, status, body):
    found = make(kind).read(Answer(status, body))
    assert found.asked is None or 0 <= found.asked <= 3600
    assert (found.mend == "") == (found.kind == DELIVERED)


@pytest.mark.parametrize(
    ("seconds", "asked"), [("-1", 0), ("0.5", 0.5), ("1e9", 3600), ("NaN", 0), ("Infinity", 3600), ("9" * 400, 3600)]
)
def test_no_pause_is_longer_than_an_hour_or_odd(seconds, asked):
    bodies = {"discord": '{"retry_after": %s}', "telegram": '{"ok": false, "parameters": {"retry_after": %s}}'}
    for kind, body in bodies.items():
        assert make(kind).read(Answer(429, body % seconds)) == (LIMITED, layout.LATER, asked)


DONE = {
    "teams": (202, ""), "discord": (200, '{"id": "1"}'), "google_chat": (200, '{"name": "spaces/A/messages/B"}'),
    "telegram": (200, '{"ok":true,"result":{}}'), "mattermost": (200, "ok"), "ntfy": (200, '{"id": "x"}'),
}  # fmt: skip


@every_kind
def test_a_delivered_message_is_delivered(kind):
    assert make(kind).read(Answer(*DONE[kind])) == (DELIVERED, "", None)


@pytest.mark.parametrize(("kind", "answer"), [("discord", (204, "")), ("mattermost", (200, '{"success":true}'))])
def test_other_ways_to_say_so(kind, answer):
    assert make(kind).read(Answer(*answer)).kind == DELIVERED


class Way:
    """A transport without a network, with scripted answers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []

    def post(self, body, headers=None):
        self.bodies.append(body)
        return self.answers.pop(0)


def test_a_group_that_became_a_supergroup_gets_the_message_at_once():
    channel = make("telegram")
    moved = {"ok": False, "description": "Bad Request: group chat was upgraded to a supergroup chat"}
    moved["parameters"] = {"migrate_to_chat_id": -100999}
    channel.transport = Way(Answer(400, json.dumps(moved)), Answer(200, '{"ok":true}'))
    answer = channel.send(channel.message([alert()], NOW), [alert()])
    assert channel.read(answer).kind == DELIVERED
    assert [json.loads(body)["chat_id"] for body in channel.transport.bodies] == [-1001234567890, -100999]
    assert json.loads(channel.message([alert()], NOW))["chat_id"] == -100999


def test_a_topic_of_a_chat():
    entry = dict(chats.settings("telegram", "https://receiver.example"), topic=17)
    message = channels.load(entry, configuration(), None).message([alert()], NOW)
    assert json.loads(message)["message_thread_id"] == 17


def test_without_a_server_of_ones_own_it_is_telegrams():
    entry = dict(chats.settings("telegram", ""), api_url="")
    assert channels.load(entry, configuration(), None).url.startswith("https://api.telegram.org/bot123456:")


@every_kind
def test_a_knock_posts_nothing_and_gets_an_answer_in_the_services_words(kind):
    channel = make(kind)
    channel.transport = Way(Answer(200, ""))
    channel.knock()
    (body,) = channel.transport.bodies
    if not VENDORS:
        return
    found = channel_of(channel.url[len("https://receiver.example:8443") :])
    verdict = found.vendor.judge("POST", found.path, HEADERS, body)
    assert not verdict.shown.get("header")
    assert channel.read(Answer(verdict.status, verdict.answer)).kind in OWN_WORDS


def test_the_knock_at_a_workflow_is_a_message_with_no_card():
    """It starts a run, which fails for anything but a message. Workflows that fail are switched off."""
    channel = make("teams")
    channel.transport = Way(Answer(202, ""))
    channel.knock()
    assert json.loads(channel.transport.bodies[0]) == {"type": "message", "attachments": []}
