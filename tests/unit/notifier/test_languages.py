# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""languages: each language says all that English says, with the same values, and no user's text is a template."""

import importlib
import json
import re
import string
import subprocess
import sys

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import FILES, FINGERPRINT, alert, configuration, logout
from ssh_login_notify import channels, languages, settings, wording
from ssh_login_notify.alert import HEARTBEAT, MUTE, REPEATS, SELF_CHECK, SUMMARY, TEST, missed, own
from ssh_login_notify.channels import slack
from ssh_login_notify.languages import en
from ssh_login_notify.text import printable
from ssh_login_notify.weights import WEIGHTS

from tests.lab import chats

NOW = 1763884862.0
PACKAGE = FILES / "ssh_login_notify"
# The kinds of channels for which tests.lab.chats has settings.
CHATS = ("teams", "discord", "google_chat", "telegram", "mattermost", "ntfy")
OTHERS = [code for code in settings.LANGUAGES if code != "en"]
# Texts that could be mistaken for templates.
HOSTILE = ["{", "}", "{}", "{0}", "{server}", "{who.__class__}", "{0.__init__.__globals__}", "{value!r:>9999}", "%s"]
REASONS = [
    {"key": "password"}, {"key": "unknown_key"}, {"key": "unknown_key_comment", "comment": "ada@laptop"},
    {"key": "failures", "count": 12}, {"key": "first_user", "since": "2026-11-27"},
    {"key": "first", "what": ["key", "network", "type"], "networks": "192.0.2.0/24", "since": "2026-11-27"},
]  # fmt: skip


def placeholders(template):
    return sorted({name for _text, name, _form, _conversion in string.Formatter().parse(template) if name is not None})


def test_each_language_is_a_file_and_each_file_a_language_that_can_be_chosen():
    assert sorted(path.stem for path in (PACKAGE / "languages").glob("[a-z]*.py")) == sorted(settings.LANGUAGES)


@pytest.mark.parametrize("code", OTHERS)
def test_each_language_has_the_keys_and_the_placeholders_of_english(code):
    texts = importlib.import_module("ssh_login_notify.languages." + code).TEXTS
    assert list(texts) == list(en.TEXTS)
    for key, template in en.TEXTS.items():
        assert placeholders(texts[key]) == placeholders(template), key


@pytest.mark.parametrize("code", settings.LANGUAGES)
def test_a_text_is_one_line_without_what_separates_values_and_names_its_placeholders(code):
    for key, template in importlib.import_module("ssh_login_notify.languages." + code).TEXTS.items():
        assert template.strip() == template != "", key
        assert not set('\n\r·<>&"') & set(template), key
        assert all(name.isidentifier() for name in placeholders(template)), key


def test_every_text_is_used_and_every_key_that_is_used_is_a_text():
    """A key is written as a whole, or as a beginning to which a name is added."""
    used = set()
    for path in (PACKAGE / "wording.py", PACKAGE / "channels" / "slack.py"):
        used |= set(re.findall(r'"([a-z_. A-Z]+)"', path.read_text(encoding="utf-8")))
    begun = ("label.", "line.", "weight.", "reason.", "first.", "key.")
    assert {key for key in en.TEXTS if key not in used and not key.startswith(begun)} == set()
    assert {f"weight.{weight}" for weight in WEIGHTS} < set(en.TEXTS)


def every_message():
    login = {"weights": list(WEIGHTS), "reasons": REASONS, "notes": ["a note"], "name": "client.example"}
    yield alert(**login)
    yield alert(about=REPEATS, notes=["3 more logins"])
    yield alert(2, follows="1.1-1", was="rsync", type="SSH (interactive)")
    yield logout()
    yield from (logout(seconds=seconds, unwatched=20) for seconds in (50, 500, 50000, 500000))
    yield alert(user="", address="", port=0, methods=[])
    yield alert(type="PAM session", service="login", terminal="tty1", requester="ada", address="", port=0)
    yield from (own(about, []) for about in (TEST, HEARTBEAT, SELF_CHECK))
    yield from (own(about, ["x: y"]) for about in (HEARTBEAT, SELF_CHECK, MUTE, SUMMARY))
    yield own(SELF_CHECK, ["x: y", "z"])
    yield from (missed(count, ["x: y"]) for count in (1, 2))


@pytest.mark.parametrize("code", settings.LANGUAGES)
def test_every_message_can_be_said(code):
    found = configuration(language=code, people={FINGERPRINT: "Ada Lovelace"})
    for told in every_message():
        headline, fields = wording.single(told, found, NOW, lambda text: len(text) < 150)
        assert headline
        assert all(field.label and field.value for field in fields)
        assert "{" not in "".join([headline, wording.text(told, found, NOW), *map(str, fields)])
    assert wording.dropped(1, found.say) != wording.dropped(2, found.say)


def test_in_japanese_no_word_of_ours_is_english():
    found = configuration(language="ja", people={FINGERPRINT: "Ada Lovelace"})
    text = wording.text(alert(weights=["first"], reasons=REASONS, notes=[]), found, NOW + 9999)
    start = "\U0001f7e0 初回 · Ada Lovelace（deploy） が web-3 にログイン: 注意: 送信が 2 時間 遅れました · 理由: "  # noqa: RUF001
    assert text.startswith(start)
    for word in (" as ", " on ", "from ", " port ", "first ", "Note", "Attention", "late"):
        assert word not in text.replace("SSH (interactive)", "")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("code", settings.LANGUAGES)
def test_no_text_of_a_stranger_is_a_template(code, hostile):
    method = {"method": hostile, "key_type": hostile, "fingerprint": hostile, "detail": hostile}
    reasons = [{"key": "unknown_key_comment", "comment": hostile}]
    told = alert(user=hostile, name=hostile, address=hostile, type=hostile, notes=[hostile], methods=[method])
    told.update(reasons=reasons, weights=["unknown_key"], was=hostile, follows=hostile)
    found = configuration(language=code, host_label=hostile)
    text = wording.text(told, found, NOW)
    assert text.count(hostile) >= 8


@given(*[st.text(max_size=60)] * 3, st.sampled_from(settings.LANGUAGES))
def test_any_text_stands_in_a_message_of_any_language_as_in_the_english_one(user, name, detail, code):
    told = alert(user=printable(user), name=printable(name), notes=[printable(detail) or "-"])
    values = {field.name: field.value for field in wording.fields(told, configuration(language=code), NOW)}
    english = {field.name: field.value for field in wording.fields(told, configuration(), NOW)}
    for label in ("Note", "User", "Type", "Key"):
        assert values[label] == english[label] or (label == "User" and not user)
    if name:
        assert values["From"].endswith(english["From"].partition(" port 45006")[2])


@pytest.mark.parametrize("size", [1, 2, 40])
def test_messages_in_japanese_keep_slacks_limits(size):
    found = configuration(language="ja", host_label="本番" * 40)
    long = "漢" * 300
    alerts = [
        alert(number, user=long, name=long, notes=[long] * 9, weights=list(WEIGHTS), reasons=REASONS)
        for number in range(size)
    ]
    channel = slack.Channel(found.channels[0], found, None)
    fitting = channel.fitting(alerts, NOW + 9999)
    message = json.loads(channel.message(fitting, NOW + 9999, dropped=7).decode("ascii"))
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    assert len(message["text"]) <= 3200
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= 13200
    for block in message["blocks"]:
        for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            assert text is None or 0 < len(text["text"]) <= 3000


@pytest.mark.parametrize("code", settings.LANGUAGES)
def test_no_other_language_is_loaded(code):
    values = json.dumps({"webhook_url": parts.WEBHOOK, "language": code})
    program = (
        f"import json, sys; sys.path.insert(0, {parts.library()!r}); from ssh_login_notify import config, wording\n"
        f"config.Configuration(json.loads({values!r}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('ssh_login_notify.languages.')))"
    )
    found = subprocess.check_output([sys.executable, "-ISB", "-c", program], universal_newlines=True)
    expected = sorted({"ssh_login_notify.languages.en", "ssh_login_notify.languages." + code})
    assert found.strip() == str(expected)


def test_a_language_that_there_is_none_of_is_refused_with_those_that_there_are():
    assert settings.problems({"webhook_url": parts.WEBHOOK, "language": "xx"}) == [
        "ssh_login_notify_language is unknown: use one of en, ja"
    ]


def test_what_status_shows_stays_english():
    assert languages.load("en") is languages.ENGLISH
    assert wording.origin(alert()) == "203.0.113.50 port 45006"


@pytest.mark.parametrize("kind", [*CHATS, "slack", "pagerduty"])
@pytest.mark.parametrize("code", settings.LANGUAGES)
def test_each_channel_speaks_the_language_and_shows_the_context(kind, code):
    entry = chats.settings(kind, "https://receiver.example") if kind in CHATS else {"kind": kind, "name": "x"}
    entry = dict({"url": parts.WEBHOOK, "key": "k" * 32, "light": "info"}, **entry)
    found = configuration(language=code, link="https://wiki.example/?u={user}")
    channel = channels.load(entry, found, None)
    told = alert(weights=["root"], reasons=[{"key": "password"}], context={"labels": {"environment": "production"}})
    shown = "".join(map(str, strings(json.loads(channel.message([told], NOW, 3).decode("utf-8")))))
    for said in ("environment", "production", "https://wiki.example/?u=deploy"):
        assert said in shown
    assert found.say("reason.password") in shown
    assert found.say("label.Attention") in shown
    # Some services have escapes of their own for the text after that.
    assert found.say("dropped.many", count=3)[:18] in shown


def strings(thing):
    """Return all texts in a JSON value."""
    if isinstance(thing, dict):
        for name, value in thing.items():
            yield name
            yield from strings(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from strings(value)
    else:
        yield str(thing)
