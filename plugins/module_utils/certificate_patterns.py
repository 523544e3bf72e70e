# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate in a rule or in the map of people: its authority, and a pattern for its key id or for a principal.

``SHA256:AUTHORITY key id vault-ci-*`` or ``SHA256:AUTHORITY principal ada``. The authority is required, because the
signer of a certificate chooses its key id and its principals. sshd accepts not only the authorities of
TrustedUserCAKeys, but also those that a user names in a ``cert-authority`` line of ``authorized_keys`` (sshd(8)).

Patterns are those of OpenSSH (ssh_config(5), PATTERNS; match.c, match_pattern): ``*`` matches any text, even an empty
one, and ``?`` matches one character. All other characters match themselves, brackets too, and case matters. A pattern
must match a whole value.
"""

import re
from typing import Any, Mapping, Optional, Tuple  # noqa: F401 - Optional, for a type comment

FORM = re.compile(r"(?P<authority>SHA256:[A-Za-z0-9+/]{43}) (?P<what>key id|principal) (?P<pattern>.+)\Z", re.DOTALL)
WILDCARDS = "*?"
# Values that contain these can't be compared: the escape of a character that does not print, and the mark at the end of
# a truncated value (text.py on the host).
ESCAPE, CUT = "\\", "…"
METHOD = "publickey"


def problem(text: str) -> str:
    """Return why this is not a valid certificate pattern, and what to write; "" if it is valid."""
    match = FORM.match(text)
    if not match:
        return (
            f"{text!r} names no certificate; write the fingerprint of its authority, then `key id` or `principal`, then"
            " the value, as in SHA256:… key id ada@example.org"
        )
    pattern = match.group("pattern")
    if not pattern.strip(WILDCARDS):
        return f"{text!r} matches every certificate of this authority; write its fingerprint alone, as a key"
    if pattern != pattern.strip() or not pattern.isprintable() or ESCAPE in pattern or pattern.endswith(CUT):
        return f"{text!r} matches nothing; write the value without a backslash, a line break, or a space around it"
    return ""


def holds(text: str, method: Mapping[str, Any]) -> bool:
    """Return whether a method of authentication (authinfo.py on the host) used a certificate that this pattern matches.

    A host's certificate, which a hostbased login has, never counts, because its principals are names of hosts.
    """
    certificate = method.get("certificate")
    if not certificate or method.get("method") != METHOD:
        return False
    match = FORM.match(text)
    if not match or match.group("authority") != certificate["ca"]:
        return False
    values = [certificate["key_id"]] if match.group("what") == "key id" else certificate.get("principals", [])
    return any(_is_whole(value) and is_like(value, match.group("pattern")) for value in values)


def exactness(text: str) -> Tuple[bool, bool, int, str]:
    """Return a sort key: of several matching patterns, the greatest identifies the certificate's owner best."""
    pattern = text.partition(" ")[2]
    return pattern.startswith("key id "), not _has_wildcard(pattern), len(pattern), pattern


def is_like(value: str, pattern: str) -> bool:
    """Return whether a pattern matches the whole of a value.

    The time is at most proportional to the product of their lengths, whatever the value is.
    """
    position = at = 0
    star = None  # type: Optional[int]
    taken = 0
    while position < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, taken = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", value[position]):
            position, at = position + 1, at + 1
        elif star is not None:
            # Let the last star match one more character.
            taken += 1
            position, at = taken, star + 1
        else:
            return False
    return not pattern[at:].strip("*")


def looks_like_pattern(text: str) -> bool:
    """Return whether a text that is compared as a whole value looks like a pattern, of OpenSSH or of a shell."""
    return _has_wildcard(text) or "[" in text


def _has_wildcard(text: str) -> bool:
    return any(character in text for character in WILDCARDS)


def _is_whole(value: str) -> bool:
    """Return whether a value is shown exactly as in the certificate: not truncated, and without escapes."""
    return ESCAPE not in value and not value.endswith(CUT)
