# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that strangers choose (user names, key ids, host names), made safe to show to people.

One rule applies to every form (Slack's fields and lines, the system's log, `status`). A value is either a single plain
word, or a JSON string in double quotes (RFC 8259) in which quotes, backslashes, the separator and all lookalikes are
escaped. So a value can't end its own quotes, and a program that splits the form gets exactly the value back.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

LONGEST = 300
# For a text with escapes, which take up to twelve characters each.
LONGEST_SHOWN = 2 * LONGEST
LONGEST_PHRASE = 10 * LONGEST
# How Slack and HTML write these characters.
ENTITY_LENGTHS = {"&": len("&amp;"), "<": len("&lt;"), ">": len("&gt;")}
# Between the parts of a line. No value contains it.
SEPARATOR = " · "
CUT = "…"
# The characters that end a word in our forms, and in logfmt.
WORD_ENDS = ' ",;()'
LOGFMT_ENDS = ' "=\\'
# Letters beyond ASCII that are not escaped: Latin, Greek, Cyrillic, Georgian, kana, Han, Hangul. All others are:
# right-to-left letters move the text next to them, and some scripts have letters that look like a quote, a dot or a
# blank.
LETTERS = (
    ("\u00c0", "\u024f"),
    ("\u0386", "\u052f"),
    ("\u10d0", "\u10ff"),
    ("\u1e00", "\u1fff"),
    ("\u3041", "\u30ff"),
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\uac00", "\ud7a3"),
)


def printable(raw: "bytes | str", longest: int = LONGEST) -> str:
    """Return the text with every byte and character that does not print as itself shown as an escape such as \\x1b.

    These are control characters, line ends, ANSI escapes, right-to-left marks and invalid UTF-8 (str.isprintable:
    Unicode's "Other" and "Separator" characters except the space). A longer text is truncated, and ends in an ellipsis.
    """
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: longest + 1]
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + CUT


def escape(text: str) -> str:
    """Return the text with the three characters escaped that are special in Slack and in HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoted(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return the text as a JSON string of printable characters. A longer text is truncated, and ends in an ellipsis."""
    shown = []
    left = longest
    for character in text:
        piece = character if _is_plain(character) and character not in '"\\' else _escape(character)
        left -= ENTITY_LENGTHS.get(piece, len(piece))
        if left < 0:
            shown.append(CUT)
            break
        shown.append(piece)
    return '"{}"'.format("".join(shown))


def plain_or_quoted(text: str, ends: str = WORD_ENDS, longest: int = LONGEST_SHOWN) -> str:
    """Return the text unchanged if it is one plain word, else quoted. Only a quoted text begins with a quote.

    ends: the characters that end a word in the form
    """
    plain = text and all(_is_plain(character) and character not in ends for character in text)
    return text if plain and len(text) <= longest else quoted(text, longest)


def phrase(text: str, ends: "Tuple[str, ...]" = ()) -> str:
    """Return a text of the notifier or the administrator for a line. It is quoted only if its end would be unclear.

    ends: the texts, besides the separator, that can follow it in the form
    """
    is_unclear = text.startswith('"') or any(end in text for end in (SEPARATOR.strip(), *ends))
    return quoted(text, LONGEST_PHRASE) if is_unclear else text


def _is_plain(character: str) -> bool:
    if character == CUT or " " <= character <= "~":
        return True
    return character.isalpha() and any(first <= character <= last for first, last in LETTERS)


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    # A pair of surrogates, as in JSON (RFC 8259, 7).
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
