# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An alert as a person reads it, extracted from its message."""

from __future__ import annotations

import json
import re
from itertools import takewhile
from typing import Any, Iterator

from .mrkdwn import unescape

LABEL = re.compile(r"\*([^*\n]+)\*")
IDS = re.compile(r"ids? (.+)")
ID = re.compile(r"[\w.-]*\d[\w.-]*")
# At the end of a digest's line, where no text of a stranger can follow.
LINE_ID = re.compile(r" · id ([\w.-]*\d[\w.-]*)$")

# The forms of files/ssh_login_notify/wording.py. A name that is not one plain word can be a JSON string.
STRING = r'"(?:[^"\\]|\\.)*"'
WEIGHT = r"(?:(?P<Weight>[\U0001f534\U0001f7e0] [^·]*) · )?"
WHO = WEIGHT + rf'(?:(?P<Person>{STRING}|[^"].*?) as )?(?P<User>{STRING}|an unknown user|[^\s",;()]+)'
SERVER = rf"(?P<Server>{STRING}|.+?)"
LOGIN = re.compile(rf"{WHO}(?: logged in| logged in again| opened more)? on {SERVER}")
OWN = re.compile(rf"(?:Test alert|Heartbeat|Daily summary) from {SERVER}(?:: (?:all is well|something is wrong))?")
MISSED = re.compile(rf"\U0001f534 \d+ logins? on {SERVER} (?:was|were) not reported")
SELF_CHECK = re.compile(rf"{SERVER}(?: is well again|: .*)")
# A login's line in a digest. None of its values contains the separator.
LINE = re.compile(
    WHO + ": (?:Note: (?P<Note>[^·]*) · )?(?:Attention: (?P<Attention>[^·]*) · )?(?P<Type>[^·]*)"
    " · from (?P<From>[^·]*)(?: · hint: (?P<Hint>[^·]*))? · (?P<Time>[^·]*) · (?P<Key>[^·]*) · id [^·]*"
)


def view(payload: Any) -> dict[str, Any]:
    """Return the content of a message, unescaped.

    text: the fallback
    header: the first header block, or None
    fields: label -> value, of the pairs "*Label*", value in sections; and Weight, Person, User, Server of the header
    lines: the texts of sections, in order, without those that only notify somebody
    notes: the texts of context blocks, in order
    ids: what follows "id" or "ids" in a context block, or "· id" at the end of a section's text
    """
    blocks = payload.get("blocks") if isinstance(payload, dict) else None
    blocks = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    notes = [text for block in blocks if block.get("type") == "context" for text in _texts(block.get("elements"))]
    headers = [text for block in blocks if block.get("type") == "header" for text in _texts([block.get("text")])]
    sections = [block for block in blocks if block.get("type") == "section"]
    lines = [line for block in sections if not _is_mrkdwn(block.get("text")) for line in _texts([block.get("text")])]
    text = payload.get("text") if isinstance(payload, dict) else None
    fields = {label: value for block in sections for label, value in _pairs(block.get("fields"))}
    return {
        "text": unescape(text) if isinstance(text, str) else None,
        "header": headers[0] if headers else None,
        "fields": {**(of_headline(headers[0], fields) if headers else {}), **fields},
        "lines": lines,
        "notes": notes,
        "ids": ids_of(notes, lines),
    }


def ids_of(notes: list[str], lines: list[str]) -> list[str]:
    """Return the ids of the alerts in a message."""
    found = [token for note in notes for token in _ids(note)]
    return found + [token for line in lines for token in LINE_ID.findall(line)]


def of_headline(headline: str, fields: dict[str, str]) -> dict[str, str]:
    """Return what a headline says, keyed by label: whose login on which server, or the server that it is about."""
    if "From" in fields:
        match = LOGIN.fullmatch(headline)
    elif fields:
        match = OWN.fullmatch(headline) or MISSED.fullmatch(headline) or SELF_CHECK.fullmatch(headline)
    else:
        return {}
    return {label: name(value) for label, value in match.groupdict().items() if value} if match else {}


def of_line(line: str) -> dict[str, str]:
    """Return what a login's line in a digest says, keyed by label. Raises ValueError for any other line."""
    match = LINE.fullmatch(line)
    if not match:
        raise ValueError(f"not a login's line: {line}")
    names = {
        label: name(match[label]) for label in ("Weight", "Person", "User", "Note", "Attention", "Type") if match[label]
    }
    return {**{label: value for label, value in match.groupdict().items() if value}, **names}


def name(text: str) -> str:
    """Return a name without its quotes, if it has any. A name that was cut stays as it is."""
    return json.loads(text) if re.fullmatch(STRING, text) else text


def _is_mrkdwn(text: Any) -> bool:
    return isinstance(text, dict) and text.get("type") == "mrkdwn"


def _texts(objects: Any) -> list[str]:
    """Return the texts of a list of text objects, unescaped."""
    things = objects if isinstance(objects, list) else []
    texts = [thing.get("text") for thing in things if isinstance(thing, dict)]
    return [unescape(text) for text in texts if isinstance(text, str)]


def _pairs(fields: Any) -> Iterator[tuple[str, str]]:
    texts = _texts(fields)
    for label, value in zip(texts[::2], texts[1::2]):
        match = LABEL.fullmatch(label)
        if match:
            yield match.group(1), value


def _ids(note: str) -> list[str]:
    match = IDS.match(note)
    return list(takewhile(ID.fullmatch, re.split(r"[,\s]+", match.group(1)))) if match else []
