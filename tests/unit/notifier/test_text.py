# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""text: text that strangers choose can be shown without harm to the reader."""

import json
import unicodedata

import pytest
from forms import CHOSEN, FORGING
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.text import (
    LOGFMT_ENDS,
    LONGEST,
    LONGEST_SHOWN,
    WORD_ENDS,
    phrase,
    plain_or_quoted,
    printable,
    quoted,
)

# Python itself can affect each case.
pytestmark = pytest.mark.each


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"deploy", "deploy"),
        ("Jörg Größe".encode(), "Jörg Größe"),
        ("日本語".encode(), "日本語"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"two\nlines", "two\\nlines"),
        (b"a\0b", "a\\x00b"),
        (b"latin \xe9", "latin \\xe9"),
        ("\u202eevil".encode(), "\\u202eevil"),
        ("zero\u200bwidth".encode(), "zero\\u200bwidth"),
        ("nbsp\u00a0here".encode(), "nbsp\\xa0here"),
        ("\u2028".encode(), "\\u2028"),
        ("\ud800", "\\ud800"),
        (b"", ""),
        ("", ""),
    ],
)
def test_what_prints_as_itself_stays_and_all_else_is_shown_as_an_escape(raw, shown):
    assert printable(raw) == shown


@given(st.one_of(st.binary(max_size=400), st.text(max_size=400)), st.integers(1, 50))
def test_every_text_is_short_and_of_one_line_of_printing_characters(raw, longest):
    shown = printable(raw, longest)
    assert len(shown) <= longest
    assert all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in shown)
    shown.encode("utf-8")


def test_a_long_text_is_cut_and_says_so():
    assert printable("x" * LONGEST) == "x" * LONGEST
    assert printable("x" * (LONGEST + 1)) == "x" * (LONGEST - 1) + "…"
    assert printable(b"\0" * 200, 20) == ("\\x00" * 5)[:19] + "…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("deploy", "deploy"),
        ("CORP\\ada", "CORP\\ada"),
        ("jörg", "jörg"),
        ("日本語", "日本語"),
        ("", '""'),
        ("Ada Lovelace", '"Ada Lovelace"'),
        ("a,b", '"a,b"'),
        ("(x)", '"(x)"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a \\ b", '"a \\\\ b"'),
        ("a · b", '"a \\u00b7 b"'),
        ("a·b", '"a\\u00b7b"'),
        ("\u201cx\u201d", '"\\u201cx\\u201d"'),
        ("\u05d0\u05d1", '"\\u05d0\\u05d1"'),
        ("\U0001f511", '"\\ud83d\\udd11"'),
    ],
)
def test_what_is_no_plain_word_is_in_quotes(text, shown):
    assert plain_or_quoted(text) == shown


@given(CHOSEN, st.sampled_from([WORD_ENDS, LOGFMT_ENDS]))
def test_a_value_comes_back_as_it_was_and_ends_where_it_ends(text, ends):
    shown = plain_or_quoted(text, ends, 12 * LONGEST)
    if shown.startswith('"'):
        assert json.JSONDecoder().raw_decode(shown + '" · x') == (text, len(shown))
    else:
        assert shown == text
        assert not set(ends) & set(shown)
    assert "·" not in shown
    assert shown.isprintable()


@pytest.mark.whole
def test_beyond_ascii_only_letters_that_are_written_from_left_to_right_stand_for_themselves():
    standing = []
    for character in map(chr, range(0x20, 0x20000)):
        shown = quoted(character)
        if character.isprintable():
            assert json.loads(shown) == character
        if character in shown[1:-1] and not character.isprintable():
            raise AssertionError(hex(ord(character)))
        if character in shown[1:-1] and ord(character) > 127 and character != "…":
            standing.append(character)
    assert {unicodedata.category(character)[0] for character in standing} == {"L"}
    assert {unicodedata.bidirectional(character) for character in standing} == {"L"}
    # A blank, dots, quotes: all of them are letters in Unicode.
    assert not set("\u3164\u115f\uffa0\u318d\u119e\u1427\ua78f\u02ba\u02ee\u2d4f") & set(standing)


@given(st.text(max_size=400), st.integers(1, 50))
def test_what_is_longer_when_it_is_shown_is_cut_and_still_ends_in_its_quote(text, longest):
    shown = quoted(printable(text), longest)
    assert len(shown) <= longest + len('"…"')
    assert printable(text).startswith(json.loads(shown).rstrip("…").rstrip("…"))
    assert json.loads(shown) == printable(text) or shown.endswith('…"')


def test_a_long_word_is_cut_too():
    assert plain_or_quoted("x" * LONGEST_SHOWN) == "x" * LONGEST_SHOWN
    assert plain_or_quoted("x" * 30, longest=10) == '"' + "x" * 10 + '…"'


@given(st.one_of(CHOSEN, st.sampled_from(FORGING)))
def test_a_phrase_never_holds_the_separator(text):
    shown = phrase(text)
    assert "·" not in shown
    assert (json.loads(shown) if shown.startswith('"') else shown) == text
