# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A writer of small databases in MaxMind's format (MMDB), by the "MaxMind DB File Format Specification", 2.0."""

from __future__ import annotations

import ipaddress
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
# Zero bytes between the tree and the data.
SEPARATOR = bytes(16)
# Size of a tree record. Each node has two records.
RECORD_BITS = 32
UTF8, DOUBLE, MAP, UINT16, UINT32, UINT64, ARRAY = 2, 3, 7, 5, 6, 9, 11


def database(records: dict[str, Any]) -> bytes:
    """Return an IPv6 database with a record for each network. IPv4 addresses are below ::/96."""
    data, places = b"", {}
    for network, record in records.items():
        places[network] = len(data)
        data += encoded(record)
    nodes: list[list[Any]] = [[None, None]]
    for network, place in places.items():
        _insert(nodes, ipaddress.ip_network(network), place)
    tree = b""
    for node in nodes:
        for record in node:
            # The number of a node; the number of nodes for an empty record; above that, a position in the data.
            number = len(nodes) if record is None else record[1] if record[0] == "node" else record[1] + len(nodes) + 16
            tree += number.to_bytes(RECORD_BITS // 8, "big")
    about = {
        "node_count": len(nodes), "record_size": RECORD_BITS, "ip_version": 6, "database_type": "Test",
        "languages": ["en"], "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": 1763884801, "description": {"en": "for tests"},
    }  # fmt: skip
    return tree + SEPARATOR + data + MARKER + encoded(about)


def _insert(nodes: list[list[Any]], network: Any, place: int) -> None:
    extra = 96 if network.version == 4 else 0
    address = int(network.network_address)
    bits = [(address >> (127 - number)) & 1 for number in range(extra + network.prefixlen)]
    if extra:
        bits = [0] * 96 + [(address >> (31 - number)) & 1 for number in range(network.prefixlen)]
    node = 0
    for bit in bits[:-1]:
        if nodes[node][bit] is None:
            nodes.append([None, None])
            nodes[node][bit] = ("node", len(nodes) - 1)
        node = nodes[node][bit][1]
    nodes[node][bits[-1]] = ("data", place)


def encoded(thing: Any) -> bytes:
    """Return a value as the data section stores it: a control byte with its type and size, then its bytes."""
    if isinstance(thing, str):
        raw = thing.encode("utf-8")
        return _control(UTF8, len(raw)) + raw
    if isinstance(thing, int):
        raw = thing.to_bytes((thing.bit_length() + 7) // 8, "big")
        return _control(UINT64 if thing >= 1 << 32 else UINT32, len(raw)) + raw
    if isinstance(thing, list):
        return _control(ARRAY, len(thing)) + b"".join(map(encoded, thing))
    return _control(MAP, len(thing)) + b"".join(encoded(name) + encoded(value) for name, value in thing.items())


def _control(kind: int, size: int) -> bytes:
    # A size of 29 or more needs an extra byte, and so does a type above 7.
    first, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return (bytes([first, kind - 7]) if kind > 7 else bytes([kind << 5 | first])) + more
