# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A message as its readers see it, in parts. The tests read them, and the page draws them.

Each vendor extracts the parts from its own markup. Their texts are what a person sees, not what was sent.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Callable, Union

from .mrkdwn import CONTROL, SURROGATE, Findings
from .view import ids_of, of_headline

# What a part of a message is. LINE: a login of a digest. BUTTON: something to click.
TITLE, FIELD, LINE, NOTE, BUTTON = "title", "field", "line", "note", "button"
# At the end of a digest's line, where no text of a stranger can follow.
LINE_ID = re.compile(r" · id [\w.-]*\d[\w.-]*$")


@dataclass(frozen=True)
class Part:
    """One part of a message.

    label: the label of a field
    url: the address of a button
    local: a time shown after the text, which each reader sees in their own zone, in seconds since the epoch
    """

    role: str
    text: str
    label: str = ""
    url: str = ""
    local: float | None = None


def shown(parts: list[Part], *, text: str | None = None, colour: str | None = None) -> dict[str, Any]:
    """Return the parts of a message, with the keys of `view.view`, and what the page draws under `look`.

    text: what a notification shows, if not the title. colour: the colour of the message's edge, in CSS
    """
    header = next((part.text for part in parts if part.role == TITLE), None)
    fields = {part.label: part.text for part in parts if part.role == FIELD}
    lines = [part.text for part in parts if part.role == LINE]
    notes = [part.text for part in parts if part.role == NOTE]
    return {
        "text": header if text is None else text,
        "header": header,
        "fields": {**(of_headline(header, fields) if header else {}), **fields},
        "lines": lines,
        "notes": notes,
        "ids": ids_of(notes, lines),
        "look": {"colour": colour, "parts": [asdict(part) for part in parts]},
    }


def line_or_note(text: str) -> Part:
    """Return the part for a text on its own: a login's line of a digest, or a note."""
    return Part(LINE if LINE_ID.search(text) else NOTE, text)


def inspect(text: str, where: str, findings: Findings) -> None:
    """Add what no vendor shows properly to `findings`: invisible characters, half of a surrogate pair."""
    if SURROGATE.search(text):
        findings.add(where, "half of a surrogate pair: this is not a Unicode text")
    findings.controls += [f"U+{ord(character):04X}" for character in CONTROL.findall(text) if character != "\n"]


# The expected shape of a value: a check that returns what is wrong with it, a list of one shape, or an object by its
# keys. An optional key ends in "?".
Shape = Union[Callable[[Any], "str | None"], list, dict]


def conform(value: Any, shape: Shape, where: str, findings: Findings) -> bool:
    """Add every mismatch with a shape to `findings`. Return whether there was none."""
    before = len(findings.problems)
    if isinstance(shape, dict):
        _conform_object(value, shape, where, findings)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            findings.add(where, "must be a list")
        else:
            for number, item in enumerate(value):
                conform(item, shape[0], f"{where}[{number}]", findings)
    else:
        problem = shape(value)
        if problem:
            findings.add(where, problem)
    return len(findings.problems) == before


def _conform_object(value: Any, shape: dict[str, Any], where: str, findings: Findings) -> None:
    if not isinstance(value, dict):
        findings.add(where, "must be an object")
        return
    keys = {key.rstrip("?"): below for key, below in shape.items()}
    for key in sorted(set(value) - set(keys)):
        findings.add(where, f"unknown key {key[:40]!r}")
    for key in sorted(key for key in shape if not key.endswith("?") and key not in value):
        findings.add(where, f"{key} is missing")
    for key in sorted(set(value) & set(keys)):
        conform(value[key], keys[key], f"{where}.{key}".lstrip("."), findings)


def text(most: int = 10**9, *, least: int = 1, size: Callable[[str], int] = len) -> Shape:
    """Return the shape of a text with `least` to `most` characters, or units of `size`."""

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a text"
        return None if least <= size(value) <= most else f"takes {size(value)}, must be {least} to {most}"

    return check


def one_of(*values: Any) -> Shape:
    """Return the shape of a choice: one of these values."""
    return lambda value: None if value in values and type(value) in map(type, values) else f"must be one of {values}"


def whole(least: int, most: int) -> Shape:
    """Return the shape of a whole number from `least` to `most`."""
    return lambda value: None if type(value) is int and least <= value <= most else f"must be {least} to {most}"


def https(value: Any) -> str | None:
    """Check that a value is an https address in ASCII, for a link."""
    is_one = isinstance(value, str) and re.fullmatch(r"https://[!-~]+", value) and not re.search(r"[<>\"\\]", value)
    return None if is_one else "must be an https address in ASCII"


def utf16(value: str) -> int:
    """Return a text's length in UTF-16 code units."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2
