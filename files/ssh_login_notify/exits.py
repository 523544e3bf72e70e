# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's records of ended processes: one for each exit (taskstats, Linux since 2.6.19).

A command can begin and end between two looks. The kernel sends a record of every process that ends to each process that
has registered for them. Registering needs root (CAP_NET_ADMIN) in the initial user and pid namespaces, so it is not
possible in containers. It is optional: without it, such a command has no name. This module imports only built-in
modules, so it loads in a millisecond.
"""

import _socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

# linux/netlink.h and linux/genetlink.h
NETLINK_GENERIC = 16
CONTROL_FAMILY = 16
ERROR = 2
REQUEST_AND_ACKNOWLEDGE = 1 | 4
HEADERS_BYTES = 20
GET_FAMILY = 3
FAMILY_ID = 1
FAMILY_NAME = 2
# linux/taskstats.h
GET = 1
REGISTER = 3
PID = 1
STATS = 3
RECORD = 4
# Positions in struct taskstats, which only grows at its end.
NAME = slice(80, 112)
PARENT = slice(132, 136)
# asm-generic/socket.h, SO_RCVBUFFORCE
RECEIVE_BUFFER_FORCE = 33
# Room for some thousand unread records. When it is full, the kernel drops new ones.
WAITING_BYTES = 4 << 20
LARGEST_BYTES = 1 << 16
# The kernel answers a registration at once.
ANSWER_SECONDS = 0.05
# A connection is looked up a few milliseconds after its end. Later its pid may belong to another process.
KEPT_SECONDS = 5.0
MOST_KEPT = 10000
PROCESSORS = "/sys/devices/system/cpu/possible"


class Exits:
    """The processes that ended since this object was made. Each is kept for some seconds."""

    def __init__(self) -> None:
        """Register. Raise OSError if the kernel has no such records, or does not allow this process to read them."""
        # For each record: when it was read, the parent, the process, its name.
        self._ended: List[Tuple[float, int, int, bytes]] = []
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_NETLINK, kind, NETLINK_GENERIC)
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, RECEIVE_BUFFER_FORCE, WAITING_BYTES)
        except OSError:
            pass  # the default buffer holds fewer records
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_SECONDS)
        answer = self._ask(CONTROL_FAMILY, GET_FAMILY, _attribute(FAMILY_NAME, b"TASKSTATS\0"))
        family = dict(_attributes(answer[HEADERS_BYTES:])).get(FAMILY_ID, b"")
        with open(PROCESSORS, "rb", buffering=0) as file:
            processors = (file.read() or b"").strip()
        self._ask(_number(family), GET, _attribute(REGISTER, processors + b"\0"))
        self._socket.settimeout(0)

    def take(self, now: float) -> None:
        """Read the waiting records, which makes room for new ones, and drop those that are too old."""
        try:
            while True:
                for parent, process, name in records(self._socket.recv(LARGEST_BYTES)):
                    self._ended.append((now, parent, process, name))
        except OSError:
            pass  # no more for now; or some were lost (ENOBUFS), and those already read are still true
        self._ended = [ended for ended in self._ended[-MOST_KEPT:] if now - ended[0] < KEPT_SECONDS]

    def of(self, parent: int) -> "List[Tuple[int, bytes]]":
        """Return pid and name of the recently ended children of a process; fewer if records were lost."""
        self.take(time.monotonic())
        return [(process, name) for _when, its_parent, process, name in self._ended if its_parent == parent]

    def _ask(self, family: int, command: int, attributes: bytes) -> bytes:
        """Send a request, and return the message that precedes its acknowledgement, empty if there is none."""
        body = _bytes(command, 1) + _bytes(1, 1) + b"\0\0" + attributes
        head = _bytes(16 + len(body), 4) + _bytes(family, 2) + _bytes(REQUEST_AND_ACKNOWLEDGE, 2) + b"\0" * 8
        self._socket.send(head + body)
        answer = b""
        while True:
            message = self._socket.recv(LARGEST_BYTES)
            if _number(message[4:6]) == ERROR:
                code = int.from_bytes(message[16:20], sys.byteorder, signed=True)
                if code:
                    raise OSError(-code, "taskstats")
                return answer
            answer = message


def records(message: bytes) -> "Iterator[Tuple[int, int, bytes]]":
    """Yield parent, pid and name of each process whose end a message reports."""
    for kind, record in _attributes(message[HEADERS_BYTES:]):
        parts = dict(_attributes(record)) if kind == RECORD else {}
        stats = parts.get(STATS, b"")
        if PID in parts and len(stats) >= PARENT.stop:
            yield _number(stats[PARENT]), _number(parts[PID]), stats[NAME].partition(b"\0")[0]


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)


def _bytes(number: int, size: int) -> bytes:
    return number.to_bytes(size, sys.byteorder)


def _attribute(kind: int, value: bytes) -> bytes:
    return _bytes(4 + len(value), 2) + _bytes(kind, 2) + value + b"\0" * (-len(value) % 4)


def _attributes(raw: bytes) -> "Iterator[Tuple[int, bytes]]":
    """Yield type and value of each attribute (netlink(7)), up to the first invalid one."""
    while len(raw) >= 4:
        length = _number(raw[:2])
        if length < 4:
            return
        yield _number(raw[2:4]) & 0x3FFF, raw[4:length]
        raw = raw[length + -length % 4 :]
