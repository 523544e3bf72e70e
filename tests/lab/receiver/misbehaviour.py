# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play each mode of `behaviour` on a connection.

Every loop ends: when the peer disconnects, when the receiver stops, or after LONGEST seconds.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
import zlib
from typing import Callable, Iterator

from .behaviour import ANSWERS, Rule
from .vendors import HOW, LIMITED, Vendor
from .verdict import Answer

# No client of the tests waits longer, and no thread may live forever.
LONGEST = 600.0
CHUNK = 64 * 1024


class Connection:
    """A connection to misbehave on: its socket, and the event that stops the receiver."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.socket = sock
        self._stopping = stopping
        self._deadline = time.monotonic() + LONGEST

    @property
    def alive(self) -> bool:
        return not self._stopping.is_set() and time.monotonic() < self._deadline

    def send(self, data: bytes) -> bool:
        """Send all of data. Return False if the peer has disconnected, or time is up."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return self.alive

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def hang(self) -> None:
        """Read and discard the peer's bytes, below TLS, and send nothing until the peer gives up."""
        with socket.socket(fileno=os.dup(self.socket.fileno())) as raw:
            raw.settimeout(0.2)
            while self.alive:
                try:
                    if not raw.recv(CHUNK):
                        return
                except socket.timeout:
                    continue
                except OSError:
                    return

    def reset(self) -> None:
        """End the connection with a TCP RST instead of a FIN (SO_LINGER with time 0, see socket(7))."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.socket.detach())

    def close(self) -> None:
        os.close(self.socket.detach())


def answer_bytes(status: int, body: bytes, *headers: tuple[str, str]) -> bytes:
    """Return a complete HTTP response."""
    # A 204 response has neither a body nor a Content-Length (RFC 9110, 8.6).
    usual = {} if status == 204 else {"Content-Type": "text/plain", "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in {**usual, **dict(headers)}.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def said(answer: Answer) -> bytes:
    """Return a vendor's answer as HTTP."""
    return answer_bytes(answer.status, answer.body.encode(), *answer.headers)


def play(rule: Rule, connection: Connection, good_answer: bytes) -> bool:
    """Play a rule that has no vendor's answer, after reading a request. Return whether the connection can be reused."""
    return PLAYERS[rule.mode](rule, connection, good_answer)


def words(rule: Rule, vendor: Vendor) -> Answer | None:
    """Return the vendor's answer for a rule, or None for a rule without one.

    A `status` without an answer gets the vendor's words for that status, if there are any.
    """
    if rule.mode in HOW:
        return vendor.answer(rule.mode, rule.options.get("seconds", 1))
    if rule.mode != "status":
        return None
    status, retry_after = rule.options["status"], rule.options["retry_after"]
    seconds = int(retry_after) if (retry_after or "").isdigit() else 1
    own = next((own for own in (vendor.answer(how, seconds) for how in HOW) if own.status == status), None)
    body = rule.options["answer"] or (own.body if own else ANSWERS.get(status, f"status {status}"))
    headers = dict(own.headers if own and not rule.options["answer"] else ())
    if retry_after or (own and own == vendor.answer(LIMITED, seconds)):
        headers["Retry-After"] = retry_after or "1"
    return Answer(status, body, tuple(headers.items()))


def _redirect(rule: Rule, connection: Connection, _good: bytes) -> bool:
    return connection.send(answer_bytes(rule.options["status"], b"", ("Location", rule.options["location"])))


def _hang(_rule: Rule, connection: Connection, _good: bytes) -> bool:
    connection.hang()
    return False


def _reset(rule: Rule, connection: Connection, good: bytes) -> bool:
    _half_of_it(rule, connection, good)
    connection.reset()
    return False


def _close(rule: Rule, connection: Connection, good: bytes) -> bool:
    _half_of_it(rule, connection, good)
    return False


def _half_of_it(rule: Rule, connection: Connection, good: bytes) -> None:
    if rule.options["at"] == "answer":
        connection.send(good[:-1])
        # A RST makes the peer's kernel discard unread data, so give the peer time to read.
        connection.pause(0.1)


def _garbage(_rule: Rule, connection: Connection, _good: bytes) -> bool:
    connection.send(b"SSH-2.0-this-is-no-web-server\r\n" + bytes(range(256)))
    return False


def _slow(rule: Rule, connection: Connection, good: bytes) -> bool:
    for index in range(len(good)):
        if not connection.send(good[index : index + 1]):
            return False
        connection.pause(rule.options["interval"])
    return True


def _endless(rule: Rule, connection: Connection, _good: bytes) -> bool:
    opening, piece = {
        "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Padding: aaaaaaaaaaaaaaaaaaaa\r\n"),
        "line": (b"HTTP/1.1 200 OK\r\nX-Padding: ", b"a" * 1024),
        # RFC 9110 allows a server to send any number of 1xx responses before the final one.
        "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "body": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"a" * 1024 + b"\r\n"),
    }[rule.options["part"]]
    if connection.send(opening):
        while connection.send(piece * 32):
            # Fast enough to fill memory without a limit, slow enough to leave the tests' machine usable.
            connection.pause(0.001)
    return False


def _huge(rule: Rule, connection: Connection, _good: bytes) -> bool:
    size, packed = rule.options["bytes"], rule.options["gzip"]
    header = "Content-Encoding: gzip\r\nConnection: close" if packed else f"Content-Length: {size}"
    alive = connection.send(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{header}\r\n\r\n".encode())
    pieces = _gzip(_zeros(size)) if packed else _zeros(size)
    while alive:
        piece = next(pieces, None)
        if piece is None:
            return not packed
        alive = connection.send(piece)
    return False


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield b"0" * min(size, CHUNK)
        size -= CHUNK


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


def _certificate(_rule: Rule, _connection: Connection, _good: bytes) -> bool:
    """Close a connection from before the certificate changed, as the restart of a server does."""
    return False


PLAYERS: dict[str, Callable[[Rule, Connection, bytes], bool]] = {
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "garbage": _garbage,
    "slow": _slow,
    "endless": _endless,
    "huge": _huge,
    "redirect": _redirect,
    "certificate": _certificate,
}
