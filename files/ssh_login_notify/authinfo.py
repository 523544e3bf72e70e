"""By whose key: what sshd says in SSH_AUTH_INFO_0 about how a user was authenticated.

A line for each method that was needed, in order (OpenSSH, auth2.c, auth2_update_session_info):

    publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…
    keyboard-interactive/pam

Keys and certificates are blobs of the SSH wire format (RFC 4251, section 5; RFC 4253, 6.6; OpenSSH, PROTOCOL.certkeys).
"""

import binascii

from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

CERTIFICATE = b"-cert-v01@openssh.com"
# The fields of a public key in a certificate, between the nonce and the serial number.
KEY_FIELDS = {
    b"ssh-rsa": 2,
    b"ssh-dss": 4,
    b"ssh-ed25519": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
# As `ssh-keygen -lf` prints them (sshkey.c, the keytypes' short names).
SHORT_NAMES = {
    b"ssh-rsa": "RSA",
    b"ssh-dss": "DSA",
    b"ssh-ed25519": "ED25519",
    b"ecdsa-sha2-nistp256": "ECDSA",
    b"ecdsa-sha2-nistp384": "ECDSA",
    b"ecdsa-sha2-nistp521": "ECDSA",
    b"sk-ssh-ed25519@openssh.com": "ED25519-SK",
    b"sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
}


def parse(text: bytes) -> "List[Dict[str, Any]]":
    """Return a dictionary for each method, with `method` in any case.

    A key has `key_type` and `fingerprint`; a certificate also `certificate`, with `key_id`, `serial` and `ca`, the
    authority's fingerprint. Whatever else sshd said is `detail`: what can't be read is shown as it stands.
    """
    return [_method(line) for line in text.splitlines() if line.strip()]


def fingerprint(blob: bytes) -> str:
    """Return the SHA256 fingerprint of a key's blob as `ssh-keygen -lf` prints it."""
    return "SHA256:" + binascii.b2a_base64(_sha256(blob)).decode("ascii").rstrip("=\n")


def _method(line: bytes) -> "Dict[str, Any]":
    method, _space, rest = line.strip().partition(b" ")
    found: Dict[str, Any] = {"method": printable(method, 60)}
    key_type, _space, encoded = rest.partition(b" ")
    if not rest:
        return found
    try:
        blob = binascii.a2b_base64(encoded)
        if not blob or _string(blob, 0)[0] != key_type:
            raise ValueError("not a key")
        if key_type.endswith(CERTIFICATE):
            found.update(_certificate(key_type[: -len(CERTIFICATE)], blob))
        else:
            found.update(key_type=_short(key_type), fingerprint=fingerprint(blob))
    except ValueError:
        found["detail"] = printable(rest)
    return found


def _certificate(plain_type: bytes, blob: bytes) -> "Dict[str, Any]":
    if plain_type == b"sk-ssh-ed25519" or plain_type == b"sk-ecdsa-sha2-nistp256":
        plain_type += b"@openssh.com"
    if plain_type not in KEY_FIELDS:
        raise ValueError("a certificate of an unknown type")
    position = _string(blob, 0)[1]
    start = _string(blob, position)[1]  # after the nonce
    end = start
    for _field in range(KEY_FIELDS[plain_type]):
        end = _string(blob, end)[1]
    serial = int.from_bytes(blob[end : end + 8], "big")
    key_id, position = _string(blob, end + 12)  # after the serial number and the certificate's type
    position = _string(blob, position)[1] + 16  # after the principals and the two times
    for _part in ("critical options", "extensions", "reserved"):
        position = _string(blob, position)[1]
    authority = _string(blob, position)[0]
    # ssh-keygen prints the fingerprint of the key in the certificate, not that of the certificate.
    key = len(plain_type).to_bytes(4, "big") + plain_type + blob[start:end]
    return {
        "key_type": _short(plain_type) + "-CERT",
        "fingerprint": fingerprint(key),
        "certificate": {"key_id": printable(key_id), "serial": serial, "ca": fingerprint(authority)},
    }


def _short(key_type: bytes) -> str:
    return SHORT_NAMES.get(key_type) or printable(key_type, 60)


def _string(blob: bytes, position: int) -> "Tuple[bytes, int]":
    """Return the string at a position and the position after it; raise ValueError where there is none."""
    start = position + 4
    end = start + int.from_bytes(blob[position:start], "big")
    if start > len(blob) or end > len(blob):
        raise ValueError("cut short")
    return blob[start:end], end


def _sha256(blob: bytes) -> bytes:
    # What is built into the interpreter, where it is: hashlib would load OpenSSL into the finisher for nothing.
    for module in ("_sha2", "_sha256"):
        try:
            return bytes(__import__(module).sha256(blob).digest())
        except ImportError:
            pass
    from hashlib import sha256

    return sha256(blob).digest()
