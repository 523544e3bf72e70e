# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the user authenticated, and with which key: the content of SSH_AUTH_INFO_0.

It has one line for each method that was needed, in order (OpenSSH, auth2.c, auth2_update_session_info). A line has the
method, with its device after a slash; the key, as a type and a blob; and anything else that sshd recorded
(auth2_record_info: auth2-pubkey.c, auth2-hostbased.c, monitor.c). These are all the forms that exist:

    publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…
    publickey sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9w… signature count = 17
    hostbased ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… client user "alice", client host "node1.example.org"
    gssapi-with-mic alice@EXAMPLE.ORG      and gssapi-keyex, if the distribution has added it
    keyboard-interactive/pam               or /bsdauth
    password
    none                                   an empty password (mm_answer_authpassword), with PermitEmptyPasswords

sshd sets the variable since OpenSSH 7.6 (commit 94bc1e7ff). Earlier versions do not show how the user authenticated.

sshd 9.2 and 10.0 drop everything after the key (seen with real logins): the monitor forgets it between the message
that asks for the key and the one that verifies the signature (monitor.c, monitor_child_preauth). Other versions may
keep it.

Blobs have the SSH wire format (RFC 4251, section 5; RFC 4253, 6.6; OpenSSH, PROTOCOL.certkeys, PROTOCOL.u2f). A key is
named only if its blob could be read to the last byte.
"""

import binascii
import re

from .text import LONGEST_PHRASE, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

CERTIFICATE = b"-cert-v01@openssh.com"
# Part of the name of every certificate type. The fingerprint is that of the key inside, so the format must be known.
ANY_CERTIFICATE = b"-cert-"
# How many fields follow the type in a public key; in a certificate, how many are between nonce and serial number.
KEY_FIELDS = {
    b"ssh-rsa": 2,
    b"ssh-dss": 4,
    b"ssh-ed25519": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
    b"ssh-mldsa44-ed25519@openssh.com": 1,
    b"ssh-xmss@openssh.com": 2,
}
# The names that `ssh-keygen -lf` prints (sshkey.c, the keytypes' short names).
SHORT_NAMES = {
    b"ssh-rsa": "RSA",
    b"ssh-dss": "DSA",
    b"ssh-ed25519": "ED25519",
    b"ecdsa-sha2-nistp256": "ECDSA",
    b"ecdsa-sha2-nistp384": "ECDSA",
    b"ecdsa-sha2-nistp521": "ECDSA",
    b"sk-ssh-ed25519@openssh.com": "ED25519-SK",
    b"sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
    b"ssh-mldsa44-ed25519@openssh.com": "MLDSA44-ED25519",
    b"ssh-xmss@openssh.com": "XMSS",
}
# The names of certificate types have `@openssh.com` only once, at the end.
PLAIN_TYPES = {name.replace(b"@openssh.com", b"") + CERTIFICATE: name for name in KEY_FIELDS}
SIGNATURE_COUNT = re.compile(rb"signature count = ([0-9]{1,10})\Z")
# The methods that have a key. The text after another method is not a key, even if a principal's name looks like one.
METHODS_WITH_A_KEY = (b"publickey", b"hostbased")
# The methods for which sshd records the name that the user has proven to own, such as a Kerberos principal (monitor.c,
# mm_answer_gss_userok).
METHODS_WITH_A_PRINCIPAL = (b"gssapi-with-mic", b"gssapi-keyex")
CLIENT_USER, CLIENT_HOST, CLIENT_END = b'client user "', b'", client host "', b'"'


def parse(text: bytes) -> "List[Dict[str, Any]]":
    """Return a dictionary for each method. Each has `method`.

    A key has `key_type` and `fingerprint`; a certificate also `certificate`, with `key_id`, `principals`, `serial` and
    `ca`, the authority's fingerprint. A FIDO key's signature has `signature_count`; a hostbased login has
    `client_user` and `client_host`, as the client's host claims. A GSSAPI login has `principal`. Any other text from
    sshd is `detail`: text that can't be parsed for certain is shown unchanged.
    """
    # Split only at line feeds, which sshd's own words never contain: a client user's name can contain a CR.
    return [_method(line) for line in text.split(b"\n") if line]


def fingerprint(blob: bytes) -> str:
    """Return the SHA256 fingerprint of a key's blob as `ssh-keygen -lf` prints it."""
    return "SHA256:" + binascii.b2a_base64(_sha256(blob)).decode("ascii").rstrip("=\n")


def _method(line: bytes) -> "Dict[str, Any]":
    method, _space, rest = line.partition(b" ")
    found: Dict[str, Any] = {"method": printable(method, 60)}
    key_type, _space, behind = rest.partition(b" ")
    encoded, _space, said = behind.partition(b" ")
    try:
        if method not in METHODS_WITH_A_KEY:
            raise ValueError("no key")
        found.update(key(key_type, decoded(encoded)))
        found.update(_said(method, said))
    except ValueError:
        if rest:
            found["principal" if method in METHODS_WITH_A_PRINCIPAL else "detail"] = printable(rest)
    return found


def decoded(encoded: bytes) -> bytes:
    """Return the bytes that a base64 word encodes. Raise ValueError unless it is exactly as sshd writes it."""
    blob = binascii.a2b_base64(encoded)
    # binascii skips unknown characters, at least up to Python 3.10.
    if not blob or binascii.b2a_base64(blob, newline=False) != encoded:
        raise ValueError("not base64, or not all of it")
    return blob


def key(key_type: bytes, blob: bytes) -> "Dict[str, Any]":
    """Return the facts about a key or a certificate. Raise ValueError if the blob is not exactly one of them."""
    name, position = string(blob, 0)
    if name != key_type:
        raise ValueError("a key of another type")
    if ANY_CERTIFICATE in key_type:
        return _certificate(key_type, blob)
    # The fields of future types are unknown. The fingerprint covers all bytes, as for any key.
    if key_type in KEY_FIELDS and skip(blob, position, KEY_FIELDS[key_type]) != len(blob):
        raise ValueError("more than a key")
    return {"key_type": _short(key_type), "fingerprint": fingerprint(blob)}


def _certificate(key_type: bytes, blob: bytes) -> "Dict[str, Any]":
    if key_type not in PLAIN_TYPES:
        raise ValueError("a certificate of an unknown type")
    plain_type = PLAIN_TYPES[key_type]
    start = skip(blob, 0, 2)  # after the type and the nonce
    end = skip(blob, start, KEY_FIELDS[plain_type])
    serial = int.from_bytes(blob[end : end + 8], "big")
    key_id, position = string(blob, end + 12)  # after the serial number and the certificate's type
    principals, position = string(blob, position)
    position += 16  # after the two times
    position = skip(blob, position, 3)  # after critical options, extensions and the reserved field
    authority, position = string(blob, position)
    if skip(blob, position, 1) != len(blob) or not authority:  # after the signature
        raise ValueError("more than a certificate, or one without an authority")
    # ssh-keygen prints the fingerprint of the key in the certificate, not that of the certificate.
    key = len(plain_type).to_bytes(4, "big") + plain_type + blob[start:end]
    return {
        "key_type": _short(plain_type) + "-CERT",
        "fingerprint": fingerprint(key),
        "certificate": {
            "key_id": printable(key_id),
            "principals": _principals(principals),
            "serial": serial,
            "ca": fingerprint(authority),
        },
    }


def _said(method: bytes, said: bytes) -> "Dict[str, Any]":
    """Return what sshd recorded after the key."""
    count = SIGNATURE_COUNT.match(said)
    if method == b"publickey" and count:
        return {"signature_count": int(count.group(1))}
    if method == b"hostbased" and said.startswith(CLIENT_USER) and said.endswith(CLIENT_END):
        names = said[len(CLIENT_USER) : -len(CLIENT_END)]
        # sshd escapes nothing. If a name contains the words of CLIENT_HOST, either split could be the true one.
        if CLIENT_HOST in names and names.find(CLIENT_HOST) == names.rfind(CLIENT_HOST):
            user, _words, host = names.partition(CLIENT_HOST)
            return {"client_user": printable(user), "client_host": printable(host)}
    return {"detail": printable(said)} if said else {}


def _short(key_type: bytes) -> str:
    return SHORT_NAMES.get(key_type) or printable(key_type, 60)


def _principals(packed: bytes) -> "List[str]":
    """Return a certificate's principals, which are packed into one string. Raise ValueError if it can't be unpacked.

    sshd accepts 256 (sshkey.c, SSHKEY_CERT_MAX_PRINCIPALS), of any length. Only the first are kept, up to
    LONGEST_PHRASE characters in total. Otherwise a user with an authority of their own, which signs any certificate,
    could fill the spool with a few logins.
    """
    found: List[str] = []
    position = length = 0
    while position < len(packed):
        raw, position = string(packed, position)
        principal = printable(raw)
        length += len(principal) + 1
        if length > LONGEST_PHRASE:
            break
        found.append(principal)
    return found


def skip(blob: bytes, position: int, strings: int) -> int:
    """Return the position after this many strings. Raise ValueError if there are fewer."""
    for _string_number in range(strings):
        position = string(blob, position)[1]
    return position


def string(blob: bytes, position: int) -> "Tuple[bytes, int]":
    """Return the string at a position, and the position after it. Raise ValueError if there is none."""
    start = position + 4
    end = start + int.from_bytes(blob[position:start], "big")
    if start > len(blob) or end > len(blob):
        raise ValueError("cut short")
    return blob[start:end], end


def _sha256(blob: bytes) -> bytes:
    # Prefer the interpreter's built-in module, because hashlib would load all of OpenSSL into the finisher.
    for module in ("_sha2", "_sha256"):
        try:
            return bytes(__import__(module).sha256(blob).digest())
        except ImportError:
            pass
    from hashlib import sha256

    return sha256(blob).digest()
