# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The origin of a login, from SSH_CONNECTION, which sshd sets, and the PAM item PAM_RHOST.

    SSH_CONNECTION                                    PAM_RHOST       (OpenSSH; packet.c, canohost.c, auth-pam.c)
    203.0.113.50 45006 192.0.2.2 22                   203.0.113.50    TCP; with `UseDNS yes` a name in PAM_RHOST
    UNKNOWN 65535 UNKNOWN 65535                                       `sshd -i` on a vsock, a pipe: systemd's sshd-vsock
    UNKNOWN 65535 /run/ssh-unix-local/socket 65535                    `sshd -i` on a unix socket: sshd-unix-local
    UNKNOWN 0 UNKNOWN 0                                               an sshd that listens on a vsock itself
     0 /run/sshd.socket 0                                             or on a unix socket
                                                      203.0.113.50    OpenSSH before 8.0 (commit 8a22ffaa1)
                                                      UNKNOWN         the same, on what is not TCP

Up to 9.3, PAM_RHOST is `UNKNOWN` where it is empty above (commit 8aa138323). sshd itself closes a connection whose peer
it can't name (sshd-session.c, main: ssh_remote_port). The client of a unix socket can give its own end any name, even
one that looks like an address, but only TCP has a port.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

# The address of a login that does not use TCP. `from` of a rule can name it (client_networks.py).
LOCAL = "local"
UNKNOWN = b"UNKNOWN"
TCP = re.compile(rb"(?P<address>[0-9A-Fa-f.:]+(?:%[^ ]+)?) (?P<port>[0-9]{1,5}) [^ ]+ [0-9]{1,5}\Z")
NO_TCP = re.compile(rb"(?:UNKNOWN 65535 .* 65535|.* 0 .* 0)\Z", re.DOTALL)


def of(connection: bytes, host: bytes) -> "Tuple[bytes, int, bytes]":
    """Return the client's address, port and name, from the values of SSH_CONNECTION and PAM_RHOST.

    For a socket other than TCP, the address is LOCAL. Without SSH_CONNECTION, the port is 0 and the address is that of
    PAM_RHOST. The name is the one that the client's DNS claims. Unknown values are empty.
    """
    name = b"" if host == UNKNOWN else host
    found = TCP.match(connection)
    if found and is_address(found.group("address")) and 0 < int(found.group("port")) < 65536:
        address = found.group("address")
        return address, int(found.group("port")), b"" if name == address else name
    if is_local(connection) or (not connection and host == UNKNOWN):
        return LOCAL.encode(), 0, name
    return (name, 0, b"") if is_address(name) else (b"", 0, name)


def is_local(connection: bytes) -> bool:
    """Return whether this is the SSH_CONNECTION of a socket other than TCP."""
    return NO_TCP.match(connection) is not None


def differ(connection: bytes, host: bytes) -> bool:
    """Return whether SSH_CONNECTION and PAM_RHOST name different clients. sshd itself names the same in both.

    A PAM module above our line can replace SSH_CONNECTION (pam_putenv(3)), but not PAM_RHOST. A name in PAM_RHOST
    (`UseDNS yes`) contradicts no address, but it contradicts a local socket, which has no name.
    """
    if is_local(connection):
        return host not in (b"", UNKNOWN)
    address = connection.partition(b" ")[0]
    return is_address(host) and bool(address) and address != host


def is_address(text: bytes) -> bool:
    """Return whether this is a numeric address, not a name. sshd accepts no name that looks like one (packet.c)."""
    # No name has a colon, or only digits and dots. But a name can consist of hexadecimal letters and dots: cafe.de.
    text = text.partition(b"%")[0]
    digits = b".:0123456789abcdefABCDEF" if b":" in text else b".0123456789"
    return (b":" in text or b"." in text) and text.translate(None, digits) == b""
