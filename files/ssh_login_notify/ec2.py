# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instance of EC2 this host is, by the instance metadata service, version 2.

Sources: the EC2 User Guide, "Use the Instance Metadata Service", "Instance identity documents" and "View tags using
instance metadata". A token is got by PUT, and each request has it in a header. Version 1, which takes requests without
a token, is never asked: a server that knows no token is no metadata service, or one that may not be used from here
(the limit of hops in a container). The service is asked once, through no proxy, and its answer is kept until the next
boot (boot.py): an instance that is stopped or copied boots anew. A tag that changes meanwhile is seen after that.
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

# The service answers within milliseconds. This is for all requests together.
ALL_SECONDS = 0.5
# Of that, for the first address, so that the second one can be tried.
FIRST_SECONDS = 0.3
# An instance of Nitro may have the second address alone.
ADDRESSES = (("169.254.169.254", 80), ("fd00:ec2::254", 80))
TOKEN = "/latest/api/token"  # noqa: S105 - a path
DOCUMENT = "/latest/dynamic/instance-identity/document"
NAME_TAG = "/latest/meta-data/tags/instance/Name"
TOKEN_SECONDS = 60
# An answer is read no further. A document has some 500 bytes.
LARGEST_BYTES = 16384
# After that long a service that did not answer is asked again.
AGAIN_SECONDS = 3600
STATE = "ec2.json"
# A token stands in a header.
TOKEN_FORM = re.compile(r"[!-~]{1,1024}\Z")
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.I)


def of_this_host(spool: "Spool") -> "Optional[Dict[str, str]]":
    """Return the instance as a part of an alert's context (context.py), None if none is known."""
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
        pass  # then the next run asks again
    return dict(answer) if answer else None


def _kept(spool: "Spool") -> "Dict[str, Any]":
    try:
        kept = json.loads(spool.read("state", STATE, LARGEST_BYTES).decode("ascii"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def ask() -> "Optional[Instance]":
    """Ask the service; return None if no answer comes in time, or another than it gives."""
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
    """Return the instance; raise OSError, ValueError, LookupError or TypeError for anything else."""
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
        name = ""  # 404: the instance has no such tag, or its tags may not be read
    return Instance(*facts)._replace(name=name)


def _request(address: "Tuple[str, int]", method: str, path: str, header: str, until: float) -> bytes:
    """Return the body of an answer 200. Raise OSError if it does not come in time, ValueError for any other answer."""
    host = address[0]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as connection:
        _limit(connection, until)
        connection.connect(address)
        # As RFC 9110 has it, a request without a body says so by its length.
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
        raise ValueError("no answer, or one that says no")
    return body


def _limit(connection: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise socket.timeout
    connection.settimeout(left)


def _is_whole(read: bytes) -> bool:
    """Tell whether an answer has as many bytes as it says."""
    head, end, body = read.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    return bool(end and length and len(body) >= int(length.group(1)))
