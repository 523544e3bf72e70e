# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name that the host's resolver gives for an address, and whether the name points back to it.

The owner of an address chooses its name, so the name is only a hint. If the name points back to the address (RFC 1912,
2.1), the same owner also controls that name. The resolver's timeout can't be set from here (resolv.conf(5)), so the
lookup runs in a thread, which is abandoned if it takes too long. After that, this run looks up nothing more. So at most
one thread is stuck, and the process exits without waiting for it.
"""

import ipaddress
import socket
import threading

from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

# The timeout for one address: both lookups together.
ANSWER_SECONDS = 0.5
# Characters of a name (RFC 1035, 2.3.4).
LONGEST = 255
# The number of addresses whose names are cached while the sender runs.
MOST_KEPT = 1000


class ReverseDns:
    """The lookups of one run of the sender."""

    def __init__(self) -> None:
        self._known: Dict[str, Optional[Dict[str, Any]]] = {}
        self._is_stuck = False

    def of(self, address: str) -> "Optional[Dict[str, Any]]":
        """Return the name for an alert's context (context.py), None if there is none, or if the lookup timed out."""
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
            # A copy, because an abandoned thread can still write to it.
            self._known[address] = dict(found) if "confirmed" in found and not self._is_stuck else None
        return self._known[address]


def is_address(text: str) -> bool:
    """Return whether a text is an address that DNS can have a name for.

    False for a name, and for a loopback, a link-local or an unspecified address.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (found.is_link_local or found.is_loopback or found.is_unspecified)


def _ask(address: str, found: "Dict[str, Any]") -> None:
    try:
        # Not getnameinfo(3): Python holds the GIL during that call (socketmodule.c), so the timeout has no effect.
        name = socket.gethostbyaddr(address)[0]
        found["name"] = printable(name, LONGEST)
        found["confirmed"] = _points_back(name, address)
    except Exception:  # no name, no resolver, or a name that Python can't handle
        pass


def _points_back(name: str, address: str) -> bool:
    try:
        # As bytes: Python would encode a str by IDNA, and a name from DNS is already encoded.
        answers = socket.getaddrinfo(name.encode("ascii"), None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    found = {ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}
    return ipaddress.ip_address(address) in found
