# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""slack: Slack accepts every message, and each shows everything that is known and has no side effect."""

import json
import re
import sys

import forms
import parts
import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import wording
from ssh_login_notify.alert import HEARTBEAT, REPEATS, SELF_CHECK, TEST, own
from ssh_login_notify.channels import slack
from ssh_login_notify.languages import ENGLISH
from ssh_login_notify.text import printable
from ssh_login_notify.weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY, WEIGHTS

NOW = 1763884862.0
# The only part that is not plain text, which mentions nobody: the time in the reader's zone.
DATE = re.compile(r"<!date\^[0-9]+\^\{date_num\} \{time_secs\} your time\|[0-9]{4}-[0-9-]+ [0-9:]+ UTC>\Z")
RED, ORANGE = "\U0001f534", "\U0001f7e0"
if sys.version_info >= (3, 9):
    # The receiver's rules are Slack's documented ones. The receiver itself needs a newer Python.
    from tests.lab.receiver.validation import judge
    from tests.lab.receiver.view import of_line, view
else:
    judge = view = None


def check(message, mentions=()):
    """Have a message judged as by Slack, or on the oldest Pythons by the limits alone."""
    body = json.dumps(message).encode()
    if judge:
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "ssh-login-notify/0"}
        verdict = judge("POST", parts.PATH, headers, body)
        assert verdict.accepted, verdict.findings.problems
        assert not verdict.findings.problems
        assert not verdict.warnings
        assert list(verdict.findings.mentions) == list(mentions)
        assert not verdict.findings.links
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert len(block.get("fields", [])) <= 10
    for text in texts(message):
        if mentions and text["text"] == " ".join(mentions):
            continue
        assert 0 < len(text["text"]) <= 3000
        if DATE.match(text["text"]) and text["type"] == "mrkdwn":
            continue
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", text["text"])
    return message


def texts(message):
    for block in message["blocks"]:
        for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            if text:
                yield text


def shown(message):
    """Return the labels and values of a message."""
    cells = [cell["text"] for block in message["blocks"] for cell in block.get("fields", [])]
    return {label.strip("*"): value for label, value in zip(cells[::2], cells[1::2])}


def single(now=NOW, values=None, **changes):
    mentions = changes.get("mentions", ())
    return check(slack.single(alert(**changes), configuration(**(values or {})), now), mentions)


def test_what_the_notifier_says_of_itself_is_a_message_too():
    for about, notes in ((TEST, []), (HEARTBEAT, []), (SELF_CHECK, ["x is gone: mend it"]), (SELF_CHECK, ["x", "y"])):
        found = own(about, notes)
        message = check(slack.single(found, configuration(), found["time"]))
        assert message["blocks"][0]["text"]["text"] == wording.headline(found, configuration())


PEOPLE = {"people": {FINGERPRINT: "Ada Lovelace"}}


def test_no_value_is_in_a_message_twice():
    message = single(values=PEOPLE, notes=["a note"], name="client.example")
    words = [message["text"], " ".join(text["text"] for text in texts(message))]
    values = ["Ada Lovelace", "deploy", "web-3", "203.0.113.50", "client.example", "SSH (", FINGERPRINT, "a note"]
    for text in words:
        assert [text.count(value) for value in values] == [1] * len(values)


def test_all_that_is_asked_first_is_in_one_section_of_few_rows():
    """A phone shows each label and each value in a row of its own."""
    message = single(values=PEOPLE, notes=["a note"])
    assert [block["type"] for block in message["blocks"]] == ["header", "section", "context"]
    assert message["blocks"][-1]["elements"][0]["text"] == "id 1763884801.123456-4242"


@pytest.mark.parametrize(
    ("label", "changes"),
    [("web-3", {"user": "d" * 130}), ("w" * 130, {}), ("web-3", {"user": "<" * 40}), ("<" * 40, {})],
)
def test_what_the_headline_has_no_room_for_is_a_field(label, changes):
    message = single(values=dict(PEOPLE, host_label=label), notes=["a note"], **changes)
    found = shown(message)
    assert list(found) == ["Note", "Person", "User", "Server", "Type", "From", "Time", "Key"]
    user = slack.escape(changes.get("user", "deploy"))
    assert (found["Person"], found["User"], found["Server"]) == ("Ada Lovelace", user, slack.escape(label))
    assert message["blocks"][0]["text"]["text"].startswith("Ada Lovelace as ")


def test_labels_are_bold_and_values_are_plain_text_without_emoji():
    message = single()
    for block in message["blocks"]:
        for label, value in zip(block.get("fields", [])[::2], block.get("fields", [])[1::2]):
            assert label["type"] == "mrkdwn"
            assert value == {"type": "plain_text", "text": value["text"], "emoji": False}
    assert {key: message[key] for key in ("mrkdwn", "unfurl_links", "unfurl_media")} == {
        "mrkdwn": False, "unfurl_links": False, "unfurl_media": False,
    }  # fmt: skip
    assert set(message) == {"text", "blocks", "mrkdwn", "unfurl_links", "unfurl_media"}


def test_a_label_is_part_of_no_pair_that_a_section_tears_apart():
    for block in single(notes=["x"], values={"people": {FINGERPRINT: "A" * 200}})["blocks"]:
        assert len(block.get("fields", [])) % 2 == 0


def test_the_characters_that_slack_reads_are_escaped_and_no_others():
    assert slack.escape("<!channel> & \"x\" 'y' `z` *b* _i_") == "&lt;!channel&gt; &amp; \"x\" 'y' `z` *b* _i_"
    message = single(user="<!channel>", name="<https://evil.example|click>", notes=["a & b"])
    assert message["blocks"][0]["text"]["text"] == "&lt;!channel&gt; logged in on web-3"
    assert "<" not in message["text"]


@pytest.mark.parametrize("hostile", ["<!channel>", "<@U123>", "https://evil.example", ":fire:", "*bold*", "@here", "&"])
def test_nothing_that_strangers_choose_mentions_links_or_formats(hostile):
    method = {
        "method": "publickey",
        "key_type": "RSA-CERT",
        "fingerprint": FINGERPRINT,
        "certificate": {"key_id": hostile, "serial": 1, "ca": "SHA256:ca"},
    }
    label = {"host_label": hostile, "people": {FINGERPRINT: hostile}}
    single(values=label, user=hostile, name=hostile, address=hostile, type=hostile, methods=[method], notes=[hostile])


def test_a_message_of_the_longest_values_keeps_the_limits():
    long = "&" * 300
    methods = [{"method": "publickey", "detail": long}] * 20
    message = single(values={"host_label": long}, user=long, name=long, methods=methods, notes=[long] * 20)
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    assert message["blocks"][0]["text"]["text"].endswith("…")
    assert len(shown(message)["Note"]) <= 2000


@given(st.text(max_size=320), st.text(max_size=320), st.text(max_size=320))
def test_any_login_makes_a_message_that_slack_takes(user, name, detail):
    values = {"user": printable(user), "name": printable(name)}
    single(methods=[{"method": "publickey", "detail": printable(detail)}], **values)
    single(notes=[printable(detail)] * 8, **values)


@given(st.text(alphabet="a&<>;", max_size=40), st.integers(1, 40))
def test_a_cut_is_never_within_an_escape(text, limit):
    escaped = slack.escape(text)
    found = slack._cut(escaped, limit)
    assert len(found) <= limit
    if found != escaped:
        assert found.endswith("…")
        kept = found[:-1]
        assert escaped.startswith(kept)
        assert slack.escape(kept.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) == kept


ATTACK = 'alice@corp", serial 4711, CA SHA256:GOOD) · Alice (on call) · Note: "reviewed'
CERTIFICATE = {"method": "publickey", "key_type": "ED25519-CERT", "fingerprint": FINGERPRINT}


def certified(key_id):
    return dict(CERTIFICATE, certificate={"key_id": key_id, "serial": 0, "ca": "SHA256:true"})


def test_a_key_id_invents_no_serial_no_authority_no_person_and_no_note():
    values = alert(methods=[certified(ATTACK)])
    for text in (single(methods=[certified(ATTACK)])["text"], slack._digest_line(values, configuration(), NOW)):
        assert "·" not in text[text.index("key id ") :].partition(" · id ")[0]
        assert [item for item in text.split(" · ") if item.startswith(("Alice", "Person", "Note"))] == []
        assert text.index("serial 0, CA SHA256:true") < text.index("serial 4711")
    assert shown(single(methods=[certified(ATTACK)]))["Key"] == (
        f"publickey ED25519-CERT {FINGERPRINT} (certificate serial 0, CA SHA256:true, key id "
        r'"alice@corp\", serial 4711, CA SHA256:GOOD) \u00b7 Alice (on call) \u00b7 Note: \"reviewed")'
    )


WORDS = st.sampled_from(["publickey", "password", "ED25519", "SHA256:abc+/9"]) | CHOSEN.filter(bool)
METHODS = st.one_of(
    st.fixed_dictionaries({"method": WORDS}),
    st.fixed_dictionaries({"method": WORDS, "key_type": WORDS, "fingerprint": WORDS}),
    st.fixed_dictionaries({"method": WORDS, "detail": CHOSEN}),
    st.fixed_dictionaries(
        {"method": WORDS, "key_type": WORDS, "fingerprint": WORDS, "client_user": CHOSEN, "client_host": CHOSEN}
    ),
    st.fixed_dictionaries(
        {
            "method": WORDS,
            "key_type": WORDS,
            "fingerprint": WORDS,
            "certificate": st.fixed_dictionaries({"key_id": CHOSEN, "serial": st.integers(0, 1 << 63), "ca": WORDS}),
            "signature_count": st.integers(0, 1 << 31),
        }
    ),
)


@pytest.mark.parametrize("notes", [["x" * 5000], ["a first one"] + ["&" * 300] * 64])
def test_long_notes_leave_room_in_a_line_for_where_and_when(notes):
    """They come first. A message about one login has them in its field."""
    found = alert(notes=notes)
    message = check(slack.single(found, configuration(), NOW))
    cells = shown(message)
    for text in (slack._digest_line(found, configuration(), NOW), message["text"]):
        told = uncut(text)
        assert "in the system's log (authpriv)" in told
        for label in ("From", "Time", "Key"):
            assert uncut(cells[label]) in told
    assert notes[0][:1000] in uncut(cells["Note"])


def uncut(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@given(CHOSEN, CHOSEN, st.sampled_from(["", "203.0.113.50"]) | CHOSEN, METHODS, st.lists(CHOSEN, max_size=2), CHOSEN)
def test_whatever_strangers_choose_each_form_gives_back_just_that(user, name, address, method, notes, person):
    values = {"user": user, "name": name, "address": address, "methods": [method], "notes": notes}
    values["port"] = 45006 if address else 0
    found = alert(**values)
    settings = configuration()
    # The role accepts only fingerprints and one-line names. The forms do not rely on that.
    settings.people = {method["fingerprint"]: person} if "fingerprint" in method else {}
    message = check(slack.single(found, settings, NOW))
    cells = {label: uncut(value) for label, value in shown(message).items()}
    *digest_who, line = forms.read_who(uncut(slack._digest_line(found, settings, NOW)))
    *text_who, text_line = forms.read_who(uncut(message["text"]))
    *headline_who, headline_rest = forms.read_who(uncut(message["blocks"][0]["text"]["text"]))
    expected = {
        "type": found["type"],
        "time": cells["Time"],
        "from": (address, values["port"], name),
        "note": "; ".join(notes),
        "methods": [method],
    }
    named = person if "fingerprint" in method else ""
    assert digest_who == text_who == [named, user]
    assert forms.read_line(forms.behind(line, ": ")) == dict(expected, id=found["id"])
    did = " on web-3" if named else " logged in on web-3"
    assert forms.read_line(forms.behind(text_line, did + ": ")) == dict(expected, id="")
    if "User" not in cells:
        assert (headline_who, headline_rest) == ([named, user], did)
    else:
        assert cells.get("Person", "") == named
        assert (cells["User"] == "not known") if not user else (forms.take(cells["User"]) == (user, ""))
    assert forms.read_origin(cells["From"]) == expected["from"]
    assert forms.read_key(cells["Key"]) == [method]


@given(CHOSEN, CHOSEN, st.sampled_from(["", "1.1-1"]), st.lists(CHOSEN.filter(bool), max_size=1), CHOSEN.filter(bool))
def test_the_receiver_reads_the_fields_out_of_the_headline_and_the_line(user, person, follows, notes, label):
    found = alert(user=user, follows=follows, was="rsync" if follows else "", notes=notes)
    settings = configuration(host_label=label)
    settings.people = {FINGERPRINT: person}
    message = check(slack.single(found, settings, NOW))
    known = user or "an unknown user"
    expected = {**{field.name: field.value for field in wording.fields(found, settings, NOW)}, "User": known}
    line = uncut(slack._digest_line(found, settings, NOW))
    cells = {name: uncut(value) for name, value in shown(message).items()}
    assert cells == {name: value for name, _label, value in wording.fields(found, settings, NOW) if name in cells}
    assert forms.read_who(line)[:2] == (person, user)
    if view:
        server = expected.pop("Server")
        assert of_line(line) == expected
        assert view(message)["fields"] == dict(expected, Server=server, User=cells.get("User", known))


def test_two_long_key_ids_leave_both_keys_in_the_alert():
    second = dict(certified("&" * 300), fingerprint="SHA256:second")
    found = single(methods=[certified("&" * 300), second], notes=["a note"])
    assert "SHA256:second (certificate serial 0, CA SHA256:true" in shown(found)["Key"]
    line = slack._digest_line(alert(methods=[certified("<" * 300), second], notes=["a note"]), configuration(), NOW)
    assert "Note: a note" in line
    assert "SHA256:second" in line


def test_a_digest_counts_as_logins_only_what_is_one():
    own_alert = own(SELF_CHECK, ["x is gone: mend it"])
    message = check(slack.digest([alert(1), own_alert], configuration(), NOW))
    assert message["blocks"][0]["text"]["text"] == "2 messages from web-3"
    assert "x is gone: mend it" in message["blocks"][2]["text"]["text"]


@pytest.mark.parametrize(("count", "words"), [(1, "an older alert was dropped"), (12, "12 older alerts were dropped")])
def test_a_message_tells_what_was_dropped_before_it(count, words):
    for message in (single(), slack.digest([alert(1), alert(2)], configuration(), NOW)):
        slack.add_dropped(message, count, ENGLISH)
        check(message)
        assert words in message["blocks"][1]["elements"][0]["text"]
        assert words in message["text"]


def test_a_digest_has_a_line_for_each_login_with_all_that_is_known():
    alerts = [alert(number, user=f"user{number}") for number in range(30)]
    message = check(slack.digest(alerts, configuration(), NOW))
    assert message["blocks"][0]["text"]["text"] == "30 logins on web-3"
    lines = [block["text"]["text"] for block in message["blocks"][1:]]
    for number, line in enumerate(lines):
        for part in (f"user{number}: ", "203.0.113.50 port 45006", FINGERPRINT, "id " + alerts[number]["id"]):
            assert part in line
    text = message["text"].split("\n")
    assert text[0] == "30 logins on web-3"
    assert text[1:-1] == [line.partition(" · id ")[0] for line in lines[: len(text) - 2]]
    assert text[-1] == f"and {32 - len(text)} more"
    assert len(text) > 8


def test_the_text_of_a_short_digest_has_all_its_lines_with_the_person_first():
    message = check(slack.digest([alert(1), alert(2, user="root", methods=[])], configuration(**PEOPLE), NOW))
    headline, first, second = message["text"].split("\n")
    assert headline == "2 logins on web-3"
    assert first.startswith("Ada Lovelace as deploy: SSH (interactive) · from 203.0.113.50 port 45006 · ")
    assert second.startswith("root: SSH (interactive) · ")


def wordy(number):
    long = printable("<" * 300)
    return alert(number, user=long, name=long, notes=[long], methods=[{"method": "x", "detail": long}])


def heavy(number):
    reasons = ["the first login with this key, from 203.0.113.0/24 and of this type (since 2026-11-27)", "x" * 60]
    mentions = ["<!here>", f"<@U{number:09}>"]
    return dict(alert(number), weights=list(WEIGHTS), reasons=reasons, mentions=mentions)


@pytest.mark.parametrize("make", [alert, wordy, heavy], ids=["usual", "longest", "heavy"])
@pytest.mark.parametrize("number", [1, 2, 11, 40, 99])
def test_a_digest_of_what_fits_is_one_that_slack_takes(make, number):
    alerts = [make(which) for which in range(number)]
    fitting = slack.fitting(alerts, configuration(), NOW + 9999)
    assert 1 <= len(fitting) <= 40
    assert fitting == alerts[: len(fitting)]
    message = slack.digest(fitting, configuration(), NOW + 9999)
    check(message, list(dict.fromkeys(mention for sent in fitting for mention in sent.get("mentions", ()))))
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= 13000
    # Whatever fills the first lines, phones and screen readers show some of them.
    assert len(message["text"].split("\n")) > min(len(fitting), 3)
    for sent in fitting:
        assert "id " + sent["id"] in json.dumps(message)


@pytest.mark.parametrize(
    ("status", "answer", "part"),
    [
        (404, "no_service", "create a new one"),
        (404, "channel_not_found", "channel was deleted"),
        (410, "channel_is_archived", "unarchive it"),
        (403, "action_prohibited", "administrators"),
        (403, "invalid_token", "copy it from Slack again"),
        (400, "invalid_payload", "report it"),
        (404, "<html>not found</html>", "a proxy, a filter or a portal"),
        (200, "<html>portal</html>", "a filter or a portal"),
        (302, "", "redirects are not followed"),
        (429, "rate_limited", "tried again when Slack allows it"),
        (429, "", "tried again when Slack allows it"),
        (500, "", "tried again"),
        (503, "x", "tried again"),
        (418, "", "a proxy, a filter or a portal"),
        (404, "", "check that the address is a webhook's"),
        (413, "<html>", "a filter"),
        (503, "<HTML>blocked", "a filter"),
        (200, '{"ok":true}', "may be in the channel"),
        (202, "", "an incoming webhook's"),
    ],
)
def test_every_answer_has_words_that_name_the_mend(status, answer, part):
    assert part in slack.mend(status, answer)


def test_slacks_own_models_take_the_messages():
    blocks = pytest.importorskip("slack_sdk.models.blocks")
    for message in (single(), slack.digest([alert(1), alert(2)], configuration(), NOW)):
        for block in message["blocks"]:
            parsed = blocks.Block.parse(block)
            parsed.validate_json()
            assert parsed.type == block["type"]
    too_long = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    with pytest.raises(Exception, match="150"):
        blocks.Block.parse(too_long).validate_json()


@pytest.mark.parametrize(
    ("weights", "mark"),
    [
        ([], ""),
        ([ROOT], ORANGE + " root · "),
        ([ROOT, FIRST], ORANGE + " root, first time · "),
        ([UNKNOWN_KEY], RED + " unknown key · "),
        ([PASSWORD, FIRST], RED + " password, first time · "),
        ([FAILURES], RED + " after failures · "),
        ([ANOMALY], RED + " suspicious · "),
    ],
)
def test_what_makes_a_login_heavy_stands_before_all_else(weights, mark):
    message = single(values=PEOPLE, weights=weights, reasons=["a reason"] if weights else [])
    assert message["blocks"][0]["text"]["text"] == mark + "Ada Lovelace as deploy on web-3"
    assert message["text"].startswith(mark + "Ada Lovelace as deploy on web-3: ")
    assert shown(message).get("Attention") == ("a reason" if weights else None)
    line = slack.digest([alert(weights=weights)] * 2, configuration(**PEOPLE), NOW)["blocks"][1]["text"]["text"]
    assert line.startswith(mark + "Ada Lovelace as deploy: ")
    if view:
        word = mark.partition(" · ")[0] or None
        assert view(message)["fields"].get("Weight") == of_line(line).get("Weight") == word


def test_a_note_of_the_login_comes_before_the_reasons_for_its_weight():
    message = single(weights=[ANOMALY, FIRST], notes=["a note"], reasons=["the first login of this type"])
    found = shown(message)
    assert list(found)[:2] == ["Note", "Attention"]
    assert (found["Note"], found["Attention"]) == ("a note", "the first login of this type")
    line = slack.digest([alert(weights=[ANOMALY], notes=["a note"], reasons=["why"])] * 2, configuration(), NOW)
    text = line["blocks"][1]["text"]["text"]
    assert text.startswith(RED + " suspicious · deploy: Note: a note · Attention: why · SSH (interactive) · from ")
    if view:
        assert (of_line(text)["Note"], of_line(text)["Attention"]) == ("a note", "why")


def test_whom_the_rules_name_is_notified_and_nobody_else():
    mentions = ["<!here>", "<@U0123ABCD>", "<!subteam^S0123ABCD>"]
    message = single(mentions=mentions)
    assert message["blocks"][1] == {"type": "section", "text": {"type": "mrkdwn", "text": " ".join(mentions)}}
    if view:
        assert view(message)["lines"] == []
    assert len(single()["blocks"]) == len(message["blocks"]) - 1
    alerts = [alert(1), alert(2, mentions=mentions[:2]), alert(3, mentions=mentions[1:])]
    check(slack.digest(alerts, configuration(), NOW), mentions)


def test_repeats_of_a_login_are_told_as_a_login_and_are_not_late():
    message = single(
        now=NOW + 9999,
        values=PEOPLE,
        about=REPEATS,
        notes=["3 more logins with the same address, key and type after 1.1-1: 12:00:01"],
    )
    assert message["blocks"][0]["text"]["text"] == "Ada Lovelace as deploy logged in again on web-3"
    assert shown(message)["Note"] == "3 more logins with the same address, key and type after 1.1-1: 12:00:01"
    assert shown(message)["From"] == "203.0.113.50 port 45006"
    if view:
        assert view(message)["fields"]["Person"] == "Ada Lovelace"
    digest = slack.digest([alert(1, about=REPEATS), alert(2)], configuration(), NOW)
    assert digest["blocks"][0]["text"]["text"] == "2 messages from web-3"


def test_the_time_is_also_told_as_the_readers_clock_has_it():
    for now, values in ((NOW, {}), (NOW + 9999, {"people": {FINGERPRINT: "Ada"}})):
        last = single(now=now, values=values)["blocks"][-1]["elements"][-1]
        shown = "<!date^1763884801^{date_num} {time_secs} your time|2025-11-23 08:00:01 UTC>"
        assert last == {"type": "mrkdwn", "text": shown, "verbatim": True}


@given(CHOSEN, CHOSEN, CHOSEN)
def test_the_receiver_reads_a_hint_out_of_the_line(name, country, owner):
    known = {"reverse_dns": {"name": name, "confirmed": True}, "network": {"country": country, "owner": owner}}
    found = alert(context=known)
    line = uncut(slack._digest_line(found, configuration(), NOW))
    if view:
        assert of_line(line).get("Hint", "") == wording.hint(found)


def test_links_are_titles_that_only_the_notifier_writes():
    message = slack.single(alert(user="><!here>|x"), configuration(link="https://x.example/?u={user}&i={id}"), NOW)
    assert message["blocks"][-2] == {
        "type": "context",
        "elements": [
            {
                "type": "mrkdwn",
                "text": "<https://x.example/?u=%3E%3C%21here%3E%7Cx&amp;i=1763884801.123456-4242|Your page>",
                "verbatim": True,
            }
        ],
    }
    if judge:
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "ssh-login-notify/0"}
        verdict = judge("POST", parts.PATH, headers, json.dumps(message).encode())
        assert verdict.accepted, verdict.findings.problems
        assert verdict.findings.mentions == []
        assert len(verdict.findings.links) == 1
