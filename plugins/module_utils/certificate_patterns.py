# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate in a rule or in the map of people: its authority, and a pattern for its key id or for a principal.

``SHA256:AUTHORITY key id vault-ci-*`` or ``SHA256:AUTHORITY principal ada``. The authority is required, because whoever
signs a certificate chooses its key id and its principals: sshd accepts not only the authorities of TrustedUserCAKeys,
but also those that a user names in a line ``cert-authority`` of ``authorized_keys`` (sshd(8)).

Patterns are OpenSSH's (ssh_config(5), PATTERNS; match.c, match_pattern): ``*`` is any text, also none, and ``?`` is one
character. All other characters, brackets too, are themselves, in the same case. A pattern matches a whole value.
"""

import re
from typing import Any, Mapping, Optional, Tuple  # noqa: F401 - Optional, for a type comment

FORM = re.compile(r"(?P<authority>SHA256:[A-Za-z0-9+/]{43}) (?P<what>key id|principal) (?P<pattern>.+)\Z", re.DOTALL)
WILDCARDS = "*?"
# What no value that can be compared has: the escape of a character that does not print, and the end of what was cut
# (text.py on the host).
ESCAPE, CUT = "\\", "…"
METHOD = "publickey"


def problem(text: str) -> str:
    """Say why this names no certificate, and what to write; empty if it does."""
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
    """Tell whether a method of authentication (authinfo.py on the host) used a certificate that this names.

    A host's certificate, which a hostbased login has, never counts: its principals are names of hosts.
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
    """Return a key to sort by: of several that hold, the greatest says most about whose certificate it is."""
    pattern = text.partition(" ")[2]
    return pattern.startswith("key id "), not _has_wildcard(pattern), len(pattern), pattern


def is_like(value: str, pattern: str) -> bool:
    """Tell whether a pattern matches the whole of a value.

    The time that it takes is at most in proportion to the product of their lengths, whatever the value is.
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
            # The last star takes one character more.
            taken += 1
            position, at = taken, star + 1
        else:
            return False
    return not pattern[at:].strip("*")


def looks_like_pattern(text: str) -> bool:
    """Tell whether somebody wrote a pattern, of the shell's too, where a whole value is compared."""
    return _has_wildcard(text) or "[" in text


def _has_wildcard(text: str) -> bool:
    return any(character in text for character in WILDCARDS)


def _is_whole(value: str) -> bool:
    """Tell whether a value is shown as it is in the certificate: neither cut, nor with escapes in it."""
    return ESCAPE not in value and not value.endswith(CUT)
