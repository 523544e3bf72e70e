# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of authorized_keys, of authorized_principals and of a file of trusted authorities, read as sshd reads them.

sshd(8), AUTHORIZED_KEYS FILE FORMAT: ``options type key comment``, where options and comment are optional. The rules
are those of OpenSSH's source: auth2-pubkeyfile.c (auth_check_authkey_line, auth_check_principals_line), auth-options.c
(sshauthopt_parse), misc.c (opt_dequote) and sshkey.c (sshkey_read).

The owner of an account writes these lines. So only a key or a principal is shown, with its options and comment:
otherwise a link to another file would reveal its content. All of it is made printable, and truncated (text.py).
"""

import calendar
import re
import time

from . import authinfo
from .text import LONGEST_PHRASE, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    # A name and its value; None for an option without a value, such as `restrict`.
    Options = List[Tuple[str, Optional[str]]]

BLANKS = b" \t"
# What sshd's Base64 decoder also skips (openbsd-compat/base64.c, b64_pton): a line may end in CR LF.
SKIPPED = b"\r\n\v\f"
# Names of signature types, and the types of their keys (ssh-rsa.c and ssh-ecdsa-sk.c, `sigonly`).
SIGNATURES = {
    b"rsa-sha2-256": b"ssh-rsa",
    b"rsa-sha2-512": b"ssh-rsa",
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com": b"sk-ecdsa-sha2-nistp256@openssh.com",
}
# Bits of the types that have only one size, and names of the curves of ECDSA (sshkey_size; sshkey_curve_name_to_nid).
SIZES = {
    b"ssh-ed25519": 256,
    b"sk-ssh-ed25519@openssh.com": 256,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 256,
    b"ecdsa-sha2-nistp256": 256,
    b"ecdsa-sha2-nistp384": 384,
    b"ecdsa-sha2-nistp521": 521,
}
# sshkey.h, SSH_RSA_MINIMUM_MODULUS_SIZE.
LEAST_RSA_BITS = 1024
# A newer sshd may know the option.
UNKNOWN_OPTION = "it has an unknown option, so sshd refuses the line"
# Options without a value. SWITCHES can have the prefix `no-` (sshauthopt_parse).
SWITCHES = (
    "port-forwarding", "agent-forwarding", "x11-forwarding", "touch-required", "verify-required", "pty", "user-rc",
)  # fmt: skip
FLAGS = ("restrict", "cert-authority")
# Options with a value in quotes. Those in ONCE can occur only once.
ONCE = ("command", "principals", "from")
VALUED = (*ONCE, "expiry-time", "environment", "permitopen", "permitlisten", "tunnel")
AUTHORITY = "cert-authority"
ENVIRONMENT = re.compile(r"[A-Za-z0-9_]+=")
# parse_absolute_time (misc.c): a date, with or without a time, in the host's time zone unless it ends in Z or UTC.
MOMENT = re.compile(r"([0-9]{8})(?:([0-9]{4})([0-9]{2})?)?(Z|UTC)?\Z", re.ASCII | re.IGNORECASE)


class MalformedError(Exception):
    """sshd ignores this line. The text is the reason, without a full stop, and shows nothing of the line."""


class Key:
    """The key of one line. The texts are printable.

    key_type: as `ssh-keygen -lf` prints it. bits: None if the type is unknown. options: in their order. fault: why sshd
    refuses the options, which are then not listed. comment: "" for none. is_certificate: whether the line contains a
    certificate instead of a key.
    """

    def __init__(self, name: bytes, blob: bytes, comment: bytes) -> None:
        known = authinfo.key(name, blob)
        self.name = name.decode("ascii")
        self.key_type = known["key_type"]
        self.fingerprint = known["fingerprint"]
        self.is_certificate = "certificate" in known
        self.bits = _bits(name, blob)
        self.options: Options = []
        self.fault = ""
        self.comment = printable(comment.strip())

    def has(self, option: str) -> bool:
        """Return whether the line has an option."""
        return any(name == option for name, _value in self.options)

    def value(self, option: str) -> "Optional[str]":
        """Return the first value of an option, None if the line does not have it."""
        return next((value for name, value in self.options if name == option), None)

    def refusal(self, now: float) -> str:
        """Return why this line opens nothing under any settings of sshd, "" if it can open something.

        The text is a clause without a full stop. now: seconds since the epoch.
        """
        if self.fault:
            return self.fault
        if self.is_certificate:
            return f"it is a certificate, and sshd takes the key of its authority here, with {AUTHORITY}"
        if self.bits is not None and self.name == "ssh-rsa" and self.bits < LEAST_RSA_BITS:
            return f"RSA keys with fewer than {LEAST_RSA_BITS} bits are refused"
        if self.has("principals") and not self.has(AUTHORITY):
            return f"the option principals needs {AUTHORITY}"
        return expired(self.options, now)


def parse(line: bytes) -> "Optional[Key]":
    """Return the key of a line of authorized_keys, None for an empty line or a comment. Raise MalformedError."""
    text = _content(line)
    if not text:
        return None
    try:
        return _key(text)
    except MalformedError as error:
        # As in sshd, a line that does not begin with a key begins with options.
        is_key = _known(text.split(None, 1)[0])
        end = _end_of_options(text)
        if end is None:
            raise MalformedError("a quote in its options is not closed") from None
        try:
            key = _key(text[end:].lstrip(BLANKS))
        except MalformedError as another:
            raise (error if is_key else another) from None
        try:
            key.options = parse_options(text[:end])
        except MalformedError as another:
            key.fault = str(another)
        return key


def parse_principal(line: bytes) -> "Optional[Tuple[str, Options]]":
    """Return the principal of a line of authorized_principals and its options, None for a line without one.

    Raise MalformedError. sshd cuts a line at the first `#`, even in quotes, and uses the last word as the principal.
    """
    text = _content(line).partition(b"#")[0].rstrip(BLANKS)
    if not text:
        return None
    # The last space; the last tab only if there is no space (auth_check_principals_line).
    at = text.rfind(b" ") if b" " in text else text.rfind(b"\t")
    options = parse_options(text[:at]) if at >= 0 else []
    if any(name == AUTHORITY for name, _value in options):
        raise MalformedError(f"{AUTHORITY} is not allowed for a principal")
    return printable(text[at + 1 :].lstrip(BLANKS)), options


def parse_authority(line: bytes) -> "Optional[Key]":
    """Return the key of a line of TrustedUserCAKeys, None for a line without one. Raise MalformedError."""
    key = parse(line)
    if key is not None and (key.options or key.fault):
        raise MalformedError("options are not allowed for a trusted authority")  # authfile.c, sshkey_in_file
    return key


def parse_options(text: bytes) -> "Options":
    """Return the options of a line and their values, as sshd parses them. Raise MalformedError if sshd refuses one."""
    found: Options = []
    rest = text
    while rest and rest[:1] not in (b" ", b"\t"):
        name, value, rest = _option(rest)
        if name in ONCE and any(name == other for other, _value in found):
            raise MalformedError(f"the option {name} is given twice")
        found.append((name, value))
        if rest[:1] == b",":
            rest = rest[1:]
        elif rest and rest[:1] not in (b" ", b"\t"):
            raise MalformedError(UNKNOWN_OPTION)
    return found


def shown(options: "Options") -> "List[Dict[str, Optional[str]]]":
    """Return the options for JSON."""
    return [{"name": name, "value": value} for name, value in options]


def expired(options: "Options", now: float) -> str:
    """Return a clause that says when a line has expired by its options, "" if not. now: seconds since the epoch."""
    ends = [_moment(value or "") for name, value in options if name == "expiry-time"]
    if not ends or min(ends) >= now:
        return ""
    return "it has expired at {} UTC".format(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(min(ends))))


# -- options ----------------------------------------------------------------------------------------------------------


def _option(text: bytes) -> "Tuple[str, Optional[str], bytes]":
    """Return name and value of the first option, and the rest. sshd ignores the case of names."""
    lower = text[:40].lower().decode("ascii", "replace")
    for name in VALUED:
        if lower.startswith(name + "="):
            raw, rest = _unquoted(name, text[len(name) + 1 :])
            value = raw.decode("utf-8", "surrogateescape")
            if not _is_valid(name, value):
                raise MalformedError(f"the value of {name} is not valid")
            return name, printable(raw, LONGEST_PHRASE), rest
    for name in (*FLAGS, *SWITCHES, *("no-" + name for name in SWITCHES)):
        if lower.startswith(name):
            return name, None, text[len(name) :]
    raise MalformedError(UNKNOWN_OPTION)


def _unquoted(name: str, text: bytes) -> "Tuple[bytes, bytes]":
    """Return a value without its quotes, and the rest (misc.c, opt_dequote: a backslash escapes only a quote)."""
    match = re.match(rb'"((?:[^"\\]|\\"|\\(?!"))*)"', text)
    if not match:
        raise MalformedError(f"the value of {name} is not in quotes")
    return match.group(1).replace(b'\\"', b'"'), text[match.end() :]


def _is_valid(name: str, value: str) -> bool:
    if name == "expiry-time":
        return bool(_moment(value))
    return name != "environment" or ENVIRONMENT.match(value) is not None


def _moment(text: str) -> float:
    """Return a time in seconds since the epoch, 0 if the text is not a valid time."""
    match = MOMENT.match(text)
    if not match:
        return 0
    date, clock, seconds, zone = match.groups()
    try:
        parsed = time.strptime(date + (clock or "0000") + (seconds or "00"), "%Y%m%d%H%M%S")
        return calendar.timegm(parsed) if zone else time.mktime(parsed)
    except (ValueError, OverflowError):
        return 0


# -- keys -------------------------------------------------------------------------------------------------------------


def _content(line: bytes) -> bytes:
    """Return the part of a line that sshd uses: up to a NUL, without surrounding blanks; "" for a comment."""
    text = line.partition(b"\0")[0].lstrip(BLANKS).rstrip(BLANKS + SKIPPED)
    return b"" if text.startswith(b"#") else text


def _end_of_options(text: bytes) -> "Optional[int]":
    """Return where the options end, None if a quote is not closed (sshkey.c, sshkey_advance_past_options)."""
    is_quoted = False
    position = 0
    while position < len(text) and (is_quoted or text[position : position + 1] not in (b" ", b"\t")):
        if text[position : position + 2] == b'\\"':
            position += 1
        elif text[position : position + 1] == b'"':
            is_quoted = not is_quoted
        position += 1
    return None if is_quoted else min(position, len(text))


def _key(text: bytes) -> Key:
    """Return the key at the beginning of a text, parsed as sshkey_read does. Raise MalformedError."""
    words = re.split(rb"[ \t]+", text, maxsplit=2)
    word = words[0]
    if len(words) < 2 or not _known(word):
        raise MalformedError("it contains no key of a known type")
    name = SIGNATURES.get(word, word)
    try:
        blob = authinfo.decoded(words[1].translate(None, SKIPPED))
    except ValueError:
        raise MalformedError("its key is not complete Base64") from None
    try:
        return Key(name, blob, words[2] if len(words) > 2 else b"")
    except ValueError:
        raise MalformedError("its key is damaged, or of another type than the line says") from None


def _known(word: bytes) -> bool:
    name = SIGNATURES.get(word, word)
    return name in authinfo.KEY_FIELDS or name in authinfo.PLAIN_TYPES


def _bits(name: bytes, blob: bytes) -> "Optional[int]":
    """Return the size of a key as `ssh-keygen -lf` prints it. Raise ValueError for an unexpected size or curve."""
    position = authinfo.skip(blob, 0, 2 if name in authinfo.PLAIN_TYPES else 1)  # a certificate has a nonce
    plain = authinfo.PLAIN_TYPES.get(name, name)
    if plain in (b"ssh-rsa", b"ssh-dss"):
        # The modulus: after the exponent; in a DSA key the first field.
        position = authinfo.skip(blob, position, 1 if plain == b"ssh-rsa" else 0)
        return int.from_bytes(authinfo.string(blob, position)[0], "big").bit_length()
    field, position = authinfo.string(blob, position)
    if plain.endswith(b"ssh-ed25519@openssh.com") or plain == b"ssh-ed25519":
        if len(field) != 32:
            raise ValueError("another length")
    elif plain in SIZES:
        curve = plain.partition(b"@")[0].rpartition(b"-")[2]
        point, _position = authinfo.string(blob, position)
        if field != curve or len(point) != 1 + 2 * ((SIZES[plain] + 7) // 8) or point[:1] != b"\x04":
            raise ValueError("another curve")
    return SIZES.get(plain)
