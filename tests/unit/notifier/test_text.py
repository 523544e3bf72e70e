# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""text: what strangers choose can be shown, and does nothing to who sees it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.text import LONGEST, printable


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
