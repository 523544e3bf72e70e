# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ProxyCommand that simulates a slow network: `slow.py HOST PORT MILLISECONDS`, the time added to a round trip."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import deque

BLOCK_BYTES = 1 << 16


def main() -> None:
    """Relay data in both directions, half a round trip late, until one side closes."""
    host, port, milliseconds = sys.argv[1:]
    half_seconds = float(milliseconds) / 2000
    with socket.create_connection((host, int(port))) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        to = {0: server.fileno(), server.fileno(): 1}
        on_the_way: deque[tuple[float, int, bytes]] = deque()  # when it is due, the target, the data
        is_open = True
        while is_open or on_the_way:
            until_due = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
            for source in select.select(list(to) if is_open else [], [], [], until_due)[0]:
                data = os.read(source, BLOCK_BYTES)
                is_open = is_open and bool(data)
                on_the_way.append((time.monotonic() + half_seconds, to[source], data))
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _due, target, data = on_the_way.popleft()
                while data:
                    data = data[os.write(target, data) :]


if __name__ == "__main__":
    main()
