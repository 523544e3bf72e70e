# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which EC2 instance this host is, by the instance metadata service, version 2.

Sources: the EC2 User Guide, "Use the Instance Metadata Service", "Instance identity documents" and "View tags using
instance metadata". A PUT request returns a token, which each further request has in a header. Version 1, which needs no
token, is never used: a server that issues no token is not a metadata service, or one that can't be used from here (the
hop limit in a container). The service is asked once, without a proxy, and its answer is kept until the next boot
(boot.py), because an instance that was stopped or copied boots again. A changed tag is noticed after the next boot.
"""

import json
import re
import socket
import time

from . import boot
from .context import Instance
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from .spool import Spool

# The service answers within milliseconds. This is the limit for all requests together.
ALL_SECONDS = 0.5
# The first address gets this part of it, so that the second one can be tried.
FIRST_SECONDS = 0.3
# A Nitro instance may have only the second address.
ADDRESSES = (("169.254.169.254", 80), ("fd00:ec2::254", 80))
TOKEN = "/latest/api/token"  # noqa: S105 - a path
DOCUMENT = "/latest/dynamic/instance-identity/document"
NAME_TAG = "/latest/meta-data/tags/instance/Name"
TOKEN_SECONDS = 60
# How much of an answer is read. A document has some 500 bytes.
LARGEST_BYTES = 16384
# After this time, a service that did not answer is asked again.
AGAIN_SECONDS = 3600
STATE = "ec2.json"
# A token is sent in a header.
TOKEN_FORM = re.compile(r"[!-~]{1,1024}\Z")
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.I)


def of_this_host(spool: "Spool") -> "Optional[Dict[str, str]]":
    """Return the instance as a part of an alert's context (context.py), None if it is unknown."""
    this_boot = boot.identity()
    kept = _kept(spool)
    if this_boot and kept.get("boot") == this_boot:
        found = kept.get("instance")
        if isinstance(found, dict):
            return found
        at = kept.get("at")
        if isinstance(at, (int, float)) and 0 <= time.time() - at < AGAIN_SECONDS:
            return None
    instance = ask()
    answer = instance._asdict() if instance else None
    try:
        kept = {"boot": this_boot, "at": time.time(), "instance": answer}
        spool.write("state", STATE, json.dumps(kept).encode("ascii"), 0o640)
    except OSError:
        pass  # the next run asks again
    return dict(answer) if answer else None


def _kept(spool: "Spool") -> "Dict[str, Any]":
    try:
        kept = json.loads(spool.read("state", STATE, LARGEST_BYTES).decode("ascii"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def ask() -> "Optional[Instance]":
    """Ask the service. Return None if no answer comes in time, or if it is not the expected one."""
    until = time.monotonic() + ALL_SECONDS
    first_until = time.monotonic() + FIRST_SECONDS
    for number, address in enumerate(ADDRESSES):
        is_last = number == len(ADDRESSES) - 1
        try:
            return _ask(address, until if is_last else first_until)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass  # not there, too slow, or not the service
    return None


def _ask(address: "Tuple[str, int]", until: float) -> Instance:
    """Return the instance. Raise OSError, ValueError, LookupError or TypeError for anything else."""
    lifetime = f"X-aws-ec2-metadata-token-ttl-seconds: {TOKEN_SECONDS}"
    token = _request(address, "PUT", TOKEN, lifetime, until).decode("ascii")
    if not TOKEN_FORM.match(token):
        raise ValueError("not a token")
    header = "X-aws-ec2-metadata-token: " + token
    document = json.loads(_request(address, "GET", DOCUMENT, header, until).decode("utf-8"))
    facts = (document["instanceId"], "", document["region"], document["accountId"])
    if not all(isinstance(fact, str) for fact in facts) or not Instance(*facts).is_sound:
        raise ValueError("not an identity document")
    try:
        name = printable(_request(address, "GET", NAME_TAG, header, until), 256)
    except (OSError, ValueError):
        name = ""  # 404: the instance has no such tag, or its tags can't be read
    return Instance(*facts)._replace(name=name)


def _request(address: "Tuple[str, int]", method: str, path: str, header: str, until: float) -> bytes:
    """Return the body of an answer 200. Raise OSError if none comes in time, ValueError for any other answer."""
    host = address[0]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as connection:
        _limit(connection, until)
        connection.connect(address)
        # A request without a body states its length, 0 (RFC 9110, 8.6).
        lines = (f"{method} {path} HTTP/1.1", f"Host: {'[' + host + ']' if ':' in host else host}", header)
        ends = ("Content-Length: 0", "Connection: close", "", "")
        connection.sendall("\r\n".join(lines + ends).encode("ascii"))
        read = b""
        while not _is_whole(read):
            _limit(connection, until)
            more = connection.recv(4096)
            if not more:
                break
            read += more
            if len(read) > LARGEST_BYTES:
                raise ValueError("too long")
    head, _end, body = read.partition(b"\r\n\r\n")
    status, length = STATUS.match(head), LENGTH.search(head + b"\r\n")
    if not status or status.group(1) != b"200" or (length and len(body) != int(length.group(1))):
        raise ValueError("no answer, or a refusal")
    return body


def _limit(connection: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise socket.timeout
    connection.settimeout(left)


def _is_whole(read: bytes) -> bool:
    """Return whether an answer has as many bytes as its Content-Length."""
    head, end, body = read.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    return bool(end and length and len(body) >= int(length.group(1)))
