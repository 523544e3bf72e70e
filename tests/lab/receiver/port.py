# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of all the receiver's ports: each can be opened and closed without the others."""

from __future__ import annotations

import socket
import threading
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import Receiver


class Port(ThreadingTCPServer):
    """A port with one thread per connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, receiver: Receiver, name: str, address: tuple[str, int], handler: Any) -> None:
        self.receiver = receiver
        self.name = name
        self.closed = False
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections. An open connection ends at its next request or command."""
        self.closed = True
        self.shutdown()
        self.server_close()
