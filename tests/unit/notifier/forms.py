# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of what the notifier shows, which follow only the forms in docs/messages.md."""

import json
import re

from hypothesis import strategies as st
from ssh_login_notify.peer import is_address
from ssh_login_notify.text import printable

WORD = re.compile(r'[^ ",;()]+')
LOGFMT_WORD = re.compile(r'[^ "=\\]+')
FACTS = {
    "certificate serial": "serial",
    "CA": "ca",
    "signature count": "signature_count",
    "principal": "principal",
    "key id": "key_id",
    "client user": "client_user",
    "client host": "client_host",
    "detail": "detail",
}
# Parts with which a stranger could imitate our own texts.
FORGING = [
    '"', "\\", "'", "''", " · ", "·", ", ", "; ", ": ", " (", ")", "=", " from ", " port ", "serial 4711",
    "CA SHA256:x", "Person: ", "Note: ", "key id ", ", then ", "certificate ", "id 1.1-1", "…", "an unknown user",
    "not known", "user=", " as ", " on ", " logged in on ", "Alice as root",
    'alice@corp", serial 4711, CA SHA256:GOOD) · Alice (on call) · Note: "reviewed',
    "\u201d", "\u2033", "\uff02", "\u2022", "\u22c5", "\u30fb", "\u318d", "\u0660", "\u2800", "\u3164", "\u05d0",
    "\u0300", "&", "&amp;", "<", ">", "\\u0022", "\\n", "\n", "\x1b[2J", "\U0001f511", "Größe", "日本語",
    "Ключ", "alice",
]  # fmt: skip
# Any text, in the form in which an alert stores it.
CHOSEN = st.one_of(
    st.lists(st.sampled_from(FORGING), max_size=5).map("".join), st.text(max_size=20), st.binary(max_size=20)
).map(printable)


def take(text, pattern=WORD):
    """Return the first value of a text, and the rest."""
    if text.startswith('"'):
        value, end = json.JSONDecoder().raw_decode(text)
        return value, text[end:]
    word = pattern.match(text)
    assert word, text
    return word.group(), text[word.end() :]


def behind(text, start):
    """Return the rest of a text that must begin with these words."""
    assert text.startswith(start), (text, start)
    return text[len(start) :]


def phrase(text):
    return json.loads(text) if text.startswith('"') else text


def read_log_line(line):
    """Return the event and the pairs of a line of the system's log."""
    event, _space, rest = line.partition(" ")
    pairs = []
    while rest:
        name, _equals, rest = rest.partition("=")
        value, rest = take(rest, LOGFMT_WORD)
        assert not rest or rest.startswith(" ")
        rest = rest[1:]
        pairs.append((name, value))
    return event, pairs


def read_origin(text):
    """Return address, port and name. A value that comes from PAM_RHOST alone is an address if it looks like one."""
    local = "a local socket"
    if text in ("not known", local):
        return "local" if text == local else "", 0, ""
    if text.startswith(local):
        name, rest = take(behind(text, local + " ("))
        assert rest == ")"
        return "local", 0, name
    first, rest = take(text)
    if rest == " (by PAM_RHOST, port not known)":
        return (first, 0, "") if is_address(first.encode()) else ("", 0, first)
    port = re.match(r" port (\d+)", rest)
    rest = rest[port.end() :]
    name = ""
    if rest:
        name, rest = take(behind(rest, " ("))
        assert rest == ")"
    return first, int(port.group(1)), name


def read_key(text):
    """Return the authentication methods."""
    methods = []
    while text != "sshd did not say":
        words = []
        while text and not text.startswith((",", "(")):
            word, text = take(text)
            words.append(word)
            text = text[1:] if text.startswith(" ") else text
        method = dict(zip(("method", "key_type", "fingerprint"), words))
        if text.startswith("("):
            text = _read_facts(text[1:], method)
        methods.append(method)
        if not text:
            break
        text = behind(text, ", then ")
    return methods


def _read_facts(text, method):
    facts = {}
    while True:
        label = max((label for label in FACTS if text.startswith(label + " ")), key=len)
        value, text = take(text[len(label) + 1 :])
        facts[FACTS[label]] = int(value) if label in ("certificate serial", "signature count") else value
        if text.startswith(")"):
            break
        text = behind(text, ", ")
    if "serial" in facts:
        method["certificate"] = {name: facts.pop(name) for name in ("key_id", "serial", "ca")}
    method.update(facts)
    return text[1:]


def read_who(text):
    """Return the person, the user, and the rest, which begins with a blank or with a colon and a blank."""
    person = ""
    first, rest = _until_as(text)
    if rest:
        person, text = first, rest
    unknown = "an unknown user"
    if text.startswith(unknown):
        return person, "", text[len(unknown) :]
    if text.startswith('"'):
        return (person, *take(text))
    end = min(index for index in (text.find(": "), text.find(" ")) if index >= 0)
    return person, text[:end], text[end:]


def _until_as(text):
    """Return the name before the words ` as `, and the rest. Both are empty if there is no such name."""
    if text.startswith('"'):
        name, rest = take(text)
        return (name, rest[len(" as ") :]) if rest.startswith(" as ") else ("", "")
    name, words, rest = text.partition(" as ")
    return (name, rest) if words and ": " not in name else ("", "")


def read_line(text):
    """Return the labels and values of a login's line, from what follows the person and the user."""
    items = text.split(" · ")
    found = {"note": phrase(behind(items.pop(0), "Note: ")) if items[0].startswith("Note: ") else "", "id": ""}
    found["type"] = phrase(items.pop(0))
    found["from"] = read_origin(behind(items.pop(0), "from "))
    found["time"] = items.pop(0)
    found["methods"] = read_key(items.pop(0))
    if items:
        found["id"] = behind(items.pop(0), "id ")
    assert items == []
    return found
