"""Text that strangers choose (user names, key ids, host names), made safe to show to people."""

LONGEST = 300


def printable(raw: "bytes | str", longest: int = LONGEST) -> str:
    """Return the text with every byte and character that does not print as itself shown as an escape such as \\x1b.

    That takes control characters, line ends, ANSI escapes, right-to-left marks and invalid UTF-8 (str.isprintable:
    Unicode's "Other" and "Separator" characters except the space). Longer texts are cut, and end in an ellipsis.
    """
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: longest + 1]
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
