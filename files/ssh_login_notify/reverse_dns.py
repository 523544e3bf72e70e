# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name that the host's resolver gives for an address, and whether the name points back to it.

Whoever has an address chooses its name, so it is a hint. A name that points back (RFC 1912, 2.1) belongs to somebody
who also controls that name. The resolver knows no time limit that could be set from here (resolv.conf(5)), so a thread
asks it, and is left behind where it takes too long. Then nothing more is asked in this run: one thread is stuck at
most, and the process ends without it.
"""

import ipaddress
import socket
import threading

from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

# For one address, both questions together.
ANSWER_SECONDS = 0.5
# Characters of a name (RFC 1035, 2.3.4).
LONGEST = 255
# Of so many addresses the names are kept, while the sender runs.
MOST_KEPT = 1000


class ReverseDns:
    """Asks the resolver, for one run of the sender."""

    def __init__(self) -> None:
        self._known: Dict[str, Optional[Dict[str, Any]]] = {}
        self._is_stuck = False

    def of(self, address: str) -> "Optional[Dict[str, Any]]":
        """Return the part of an alert's context (context.py), None if no name is known, or none in time."""
        if self._is_stuck or not is_address(address):
            return None
        if address not in self._known:
            found: Dict[str, Any] = {}
            thread = threading.Thread(target=_ask, args=(address, found), daemon=True)
            thread.start()
            thread.join(ANSWER_SECONDS)
            self._is_stuck = thread.is_alive()
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            # A copy: a thread that was left behind may still write.
            self._known[address] = dict(found) if "confirmed" in found and not self._is_stuck else None
        return self._known[address]


def is_address(text: str) -> bool:
    """Tell whether a text is an address that a resolver may have a name for: no name, and no local one."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (found.is_link_local or found.is_loopback or found.is_unspecified)


def _ask(address: str, found: "Dict[str, Any]") -> None:
    try:
        # Not getnameinfo(3): Python holds its lock meanwhile (socketmodule.c), and no other thread could go on.
        name = socket.gethostbyaddr(address)[0]
        found["name"] = printable(name, LONGEST)
        found["confirmed"] = _points_back(name, address)
    except Exception:  # no name, no resolver, or a name that Python can't take: then it has none
        pass


def _points_back(name: str, address: str) -> bool:
    try:
        # As bytes: Python would encode a text by IDNA, which a name from DNS is by now.
        answers = socket.getaddrinfo(name.encode("ascii"), None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    found = {ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}
    return ipaddress.ip_address(address) in found
