# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack's rules, one by one, each with an example that follows it and one that breaks it."""

import copy
import json

import pytest
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from tests.lab.receiver.sample import FIELDS, ID, alert
from tests.lab.receiver.validation import judge
from tests.lab.receiver.view import view

PATH = "/services/T00000000/B00000000/not-a-real-secret"
HEADERS = {"content-type": "application/json; charset=utf-8", "user-agent": "ssh-login-notify/0.1.0"}


def judged(payload, **changed):
    request = {"method": "POST", "path": PATH, "headers": HEADERS, "body": json.dumps(payload).encode(), **changed}
    return judge(**request)


def plain(text="x", **more):
    return {"type": "plain_text", "text": text, **more}


def mrkdwn(text="x", **more):
    return {"type": "mrkdwn", "text": text, **more}


def message(*blocks, **more):
    return {"text": "x", "blocks": list(blocks), **more}


def section(**more):
    return {"type": "section", **more}


def rich(*elements, kind="rich_text_section", **more):
    return {"type": "rich_text", "elements": [{"type": kind, "elements": list(elements), **more}]}


GOOD = {
    "an alert": alert(),
    "a text alone": {"text": "x"},
    "every flag": {"text": "x", "mrkdwn": True, "unfurl_links": False, "unfurl_media": True},
    "50 blocks": message(*[{"type": "divider"}] * 50),
    "a header of 150": message({"type": "header", "text": plain("x" * 150, emoji=True)}),
    "a section of 3000": message(section(text=mrkdwn("x" * 3000, verbatim=True), expand=True)),
    "10 fields of 2000": message(section(fields=[plain("x" * 2000)] * 10)),
    "10 context elements": message({"type": "context", "elements": [mrkdwn()] * 10}),
    "a context image": message(
        {"type": "context", "elements": [{"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x"}]}
    ),
    "an image": message({"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x", "title": plain()}),
    "a block_id of 255": message(section(text=plain(), block_id="x" * 255)),
    "escapes": message(section(text=plain("&lt;b&gt; &amp;amp; &amp;")), text="&amp;&lt;&gt;"),
    "a rich text": message(rich({"type": "text", "text": "a < b & c"})),
    "a rich list": message(
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_list",
                    "style": "bullet",
                    "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}],
                }
            ],
        }
    ),
}

# name: (message, Slack's answer, what the reason must contain)
BAD = {
    "no object": ([1], "invalid_payload", "must be a JSON object"),
    "nothing": ({}, "no_text", "neither text nor blocks"),
    "no text beside blocks": ({"blocks": [{"type": "divider"}]}, "invalid_payload", "text: must be a text"),
    "an empty text": ({"text": "  "}, "invalid_payload", "text: must be a text"),
    "a text that is none": ({"text": 5}, "invalid_payload", "text: must be a text"),
    "a text of 40001": ({"text": "x" * 40_001}, "invalid_payload", "40001 characters"),
    "channel": ({"text": "x", "channel": "#x"}, "invalid_payload", "channel: a webhook's channel"),
    "username": ({"text": "x", "username": "x"}, "invalid_payload", "username: a webhook's channel"),
    "icon_emoji": ({"text": "x", "icon_emoji": ":x:"}, "invalid_payload", "icon_emoji: a webhook's channel"),
    "icon_url": ({"text": "x", "icon_url": "https://x"}, "invalid_payload", "icon_url: a webhook's channel"),
    "an unknown key": ({"text": "x", "link_names": True}, "invalid_payload", "unknown key 'link_names'"),
    "attachments": ({"text": "x", "attachments": []}, "invalid_payload", "unknown key 'attachments'"),
    "mrkdwn no boolean": ({"text": "x", "mrkdwn": "false"}, "invalid_payload", "mrkdwn: must be true or false"),
    "an unescaped <": ({"text": "a < b"}, "invalid_payload", "unescaped <"),
    "an unescaped >": ({"text": "a > b"}, "invalid_payload", "unescaped >"),
    "an unescaped &": ({"text": "a & b"}, "invalid_payload", "unescaped &"),
    "an entity Slack does not know": ({"text": "&quot;"}, "invalid_payload", "unescaped &"),
    "an illegal <…>": ({"text": "<javascript:alert(1)|x>"}, "invalid_payload", "unescaped <"),
    "half a surrogate pair": ({"text": "\ud83d"}, "invalid_payload", "half of a surrogate pair"),
    "an unescaped < in a field": (
        message(section(fields=[plain("a < b")])), "invalid_payload", "blocks[0].fields[0].text: unescaped <"),
    "blocks that are no list": ({"text": "x", "blocks": {}}, "invalid_blocks", "at least one block"),
    "no blocks": (message(), "invalid_blocks", "at least one block"),
    "51 blocks": (message(*[{"type": "divider"}] * 51), "invalid_blocks", "51 blocks"),
    "a block that is no object": (message("x"), "invalid_blocks", "blocks[0]: type None"),
    "an unknown block": (message({"type": "marquee"}), "invalid_blocks", "type 'marquee'"),
    "a type that is a list": (message({"type": []}), "invalid_blocks", "type []"),
    "an unknown key in a block": (message({"type": "divider", "text": "x"}), "invalid_blocks", "unknown key 'text'"),
    "a block_id of 256": (message({"type": "divider", "block_id": "x" * 256}), "invalid_blocks", "1 to 255"),
    "a block_id twice": (message(*[{"type": "divider", "block_id": "x"}] * 2), "invalid_blocks", "occurs twice"),
    "a header of 151": (message({"type": "header", "text": plain("x" * 151)}), "invalid_blocks", "at most 150"),
    "a header in mrkdwn": (message({"type": "header", "text": mrkdwn()}), "invalid_blocks", "of type plain_text"),
    "a header without text": (message({"type": "header"}), "invalid_blocks", "must be a text object"),
    "an empty header": (message({"type": "header", "text": plain("")}), "invalid_blocks", "not empty"),
    "an empty section": (message(section()), "invalid_blocks", "needs text or fields"),
    "a section of 3001": (message(section(text=plain("x" * 3001))), "invalid_blocks", "at most 3000"),
    "a section's text as string": (message(section(text="x")), "invalid_blocks", "must be a text object"),
    "11 fields": (message(section(fields=[plain()] * 11)), "invalid_blocks", "11 items: 1 to 10"),
    "no fields": (message(section(fields=[])), "invalid_blocks", "0 items: 1 to 10"),
    "a field of 2001": (message(section(fields=[plain("x" * 2001)])), "invalid_blocks", "at most 2000"),
    "an empty field": (message(section(fields=[plain("")])), "invalid_blocks", "not empty"),
    "an accessory": (message(section(text=plain(), accessory={})), "invalid_blocks", "unknown key 'accessory'"),
    "expand no boolean": (message(section(text=plain(), expand=1)), "invalid_blocks", "expand: must be true"),
    "emoji on mrkdwn": (message(section(text=mrkdwn(emoji=False))), "invalid_blocks", "unknown key 'emoji'"),
    "verbatim on plain_text": (message(section(text=plain(verbatim=True))), "invalid_blocks", "unknown key 'verbatim'"),
    "emoji no boolean": (message(section(text=plain(emoji="no"))), "invalid_blocks", "emoji: must be true"),
    "an unknown text object": (
        message(section(text={"type": "html", "text": "x"})), "invalid_blocks", "plain_text or mrkdwn"),
    "11 context elements": (
        message({"type": "context", "elements": [plain()] * 11}), "invalid_blocks", "11 items: 1 to 10"),
    "no context elements": (message({"type": "context", "elements": []}), "invalid_blocks", "0 items: 1 to 10"),
    "a context without elements": (message({"type": "context"}), "invalid_blocks", "no list: 1 to 10"),
    "an image without https": (
        message({"type": "image", "image_url": "http://a.example", "alt_text": "x"}), "invalid_blocks", "https"),
    "an image without words": (
        message({"type": "image", "image_url": "https://a.example"}), "invalid_blocks", "alt_text: must be a text"),
    "a rich text of nothing": (message({"type": "rich_text", "elements": []}), "invalid_blocks", "0 items"),
    "an unknown rich part": (message(rich(kind="rich_text_table")), "invalid_blocks", "one of rich_text_section"),
    "an unknown rich element": (message(rich({"type": "blink"})), "invalid_blocks", "type 'blink'"),
    "an empty rich text": (message(rich({"type": "text", "text": ""})), "invalid_blocks", "not empty"),
    "a rich list without style": (message(rich(kind="rich_text_list")), "invalid_blocks", "bullet or ordered"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_message_that_keeps_the_rules_is_accepted(name):
    verdict = judged(GOOD[name])
    assert (verdict.findings.problems, verdict.status, verdict.answer) == ([], 200, "ok")


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_breaks_one_rule_is_refused_for_that_reason_alone(name):
    payload, answer, reason = BAD[name]
    verdict = judged(payload)
    assert (verdict.status, verdict.answer) == (400, answer)
    assert len(verdict.findings.problems) == 1
    assert reason in verdict.findings.problems[0]


@pytest.mark.parametrize(
    ("changed", "status", "answer", "reason"),
    [
        ({"method": "GET"}, 405, "method_not_allowed", "takes POST"),
        ({"path": "/services/T0/B0"}, 404, "no_service", "/services/"),
        ({"path": PATH + "?x=1"}, 404, "no_service", "/services/"),
        ({"headers": {"user-agent": "x"}}, 400, "invalid_payload", "Content-Type None"),
        ({"headers": {**HEADERS, "content-type": "text/plain"}}, 400, "invalid_payload", "Content-Type"),
        (
            {"headers": {**HEADERS, "content-type": "application/json; charset=latin-1"}},
            400,
            "invalid_payload",
            "UTF-8",
        ),
        ({"headers": {**HEADERS, "content-encoding": "gzip"}}, 400, "invalid_payload", "compressed"),
        ({"body": b"payload=x"}, 400, "invalid_payload", "not JSON"),
        ({"body": b""}, 400, "invalid_payload", "not JSON"),
        ({"body": b'{"text": "\xff"}'}, 400, "invalid_payload", "not JSON in UTF-8"),
        ({"body": b'\xef\xbb\xbf{"text": "x"}'}, 400, "invalid_payload", "not JSON"),
        ({"body": b'{"text": "x", "text": "y"}'}, 400, "invalid_payload", "'text' occurs twice"),
        ({"body": b'{"text": NaN}'}, 400, "invalid_payload", "NaN is not JSON"),
        ({"body": b"[" * 100_000}, 400, "invalid_payload", "not JSON"),
    ],
)
def test_a_request_that_slack_would_not_read_is_refused(changed, status, answer, reason):
    verdict = judged({"text": "x"}, **changed)
    assert (verdict.status, verdict.answer) == (status, answer)
    assert reason in verdict.findings.problems[0]


def test_a_request_without_a_user_agent_gets_a_warning():
    assert judged({"text": "x"}, headers={"content-type": "application/json"}).warnings
    assert not judged({"text": "x"}).warnings


@pytest.mark.parametrize("payload", [{"text": "x" * 4001}, message(*[section(text=plain("x" * 3000))] * 5)])
def test_a_message_near_the_undocumented_limits_gets_a_warning(payload):
    verdict = judged(payload)
    assert verdict.accepted
    assert len(verdict.warnings) == 1


@pytest.mark.parametrize(
    ("text", "mentions", "links"),
    [
        ("<!channel> <!here|x> <!everyone>", 3, 0),
        ("<@U012AB3CD> <@W012AB3CD|x> <#C012AB3CD> <!subteam^S012AB3CD>", 4, 0),
        ("<https://a.example|click> <mailto:a@b.example>", 0, 2),
        ("https://a.example", 0, 1),
        ("@channel, @here", 2, 0),
        ("&lt;!channel&gt; someone@here.example", 0, 0),
        ("<!date^1392734382^{date}|yesterday>", 0, 0),
    ],
)
def test_mentions_and_links_are_found(text, mentions, links):
    for payload in ({"text": text}, message(section(text=mrkdwn(text)))):
        verdict = judged(payload)
        assert verdict.accepted
        assert (len(verdict.findings.mentions), len(verdict.findings.links)) == (mentions, links)


@pytest.mark.parametrize("payload", [message(section(text=plain("@channel https://a.example"))),
                                     message(section(text=mrkdwn("@channel https://a.example", verbatim=True))),
                                     {"text": "@channel https://a.example", "mrkdwn": False}])  # fmt: skip
def test_what_slack_does_not_parse_is_no_mention(payload):
    findings = judged(payload).findings
    assert (findings.mentions, findings.links) == ([], [])


@pytest.mark.parametrize(
    "element",
    [
        {"type": "broadcast", "range": "channel"},
        {"type": "user", "user_id": "U1"},
        {"type": "link", "url": "https://a.example"},
    ],
)
def test_mentions_and_links_in_a_rich_text_are_found(element):
    findings = judged(message(rich(element))).findings
    assert findings.mentions + findings.links


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x7f", "\x9b", "\u200f", "\u2028", "\u202e", "\u2066"])
def test_invisible_characters_are_found(character):
    assert judged({"text": f"a{character}b"}).findings.controls == [f"U+{ord(character):04X}"]


def test_tabs_newlines_and_letters_of_any_script_are_visible():
    assert judged({"text": "a\tb\nç 中 ع 🙂"}).findings.controls == []


# The limits that slack_sdk's models check too. They check neither escapes nor unknown keys.
AGREED = [
    "a block_id of 256", "a header of 151", "a header without text", "an empty section", "a section of 3001",
    "11 fields", "11 context elements",
]  # fmt: skip


def slack_sdk_accepts(payload):
    try:
        for block in payload["blocks"]:
            Block.parse(copy.deepcopy(block)).to_dict()
    except SlackObjectFormationError:
        return False
    return True


@pytest.mark.parametrize("name", [name for name, payload in GOOD.items() if "blocks" in payload])
def test_slack_sdk_accepts_what_is_accepted_here(name):
    assert slack_sdk_accepts(GOOD[name])


@pytest.mark.parametrize("name", AGREED)
def test_slack_sdk_refuses_what_is_refused_here(name):
    assert not slack_sdk_accepts(BAD[name][0])


def test_slack_sdk_reads_an_alert_as_it_was_meant():
    assert [Block.parse(copy.deepcopy(block)).to_dict() for block in alert()["blocks"]] == alert()["blocks"]


def test_the_view_of_an_alert_is_what_a_person_reads():
    seen = view(alert(User="<b>&amp;", From="<i>"))
    assert seen["fields"] == {**FIELDS, "User": "<b>&amp;", "From": "<i>"}
    assert seen["header"] == 'Ada Lovelace as "<b>&amp;" on web-3'
    assert seen["text"].startswith('Ada Lovelace as "<b>&amp;" on web-3: SSH (interactive) · from <i> · ')
    assert seen["ids"] == [ID]


def test_the_view_of_a_digest_has_its_lines_and_ids():
    lines = ["ada: SSH · from 192.0.2.1 · id 1.1-1", "bob · id 9.9-9: SCP · from 192.0.2.2 · id 2.2-2"]
    digest = message({"type": "header", "text": plain("2 logins")}, *[section(text=plain(line)) for line in lines])
    assert view(digest)["lines"] == lines
    assert view(digest)["ids"] == ["1.1-1", "2.2-2"]


def test_several_ids_may_stand_in_one_context():
    note = {"type": "context", "elements": [plain("ids 1.1-1, 2.2-2 · sent 40 s late")]}
    assert view(message(note))["ids"] == ["1.1-1", "2.2-2"]


@pytest.mark.parametrize("payload", [None, 5, {}, {"blocks": 5}, message(5, {"type": "section", "fields": [5]}), BAD])
def test_a_view_of_nonsense_is_empty(payload):
    seen = view(payload)
    assert (seen["fields"], seen["header"], seen["ids"], seen["lines"]) == ({}, None, [], [])
