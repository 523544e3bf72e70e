# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ProxyCommand of the tests' ssh clients: connect, note our own address and port, pass the socket to ssh.

Alerts are matched to logins by the port. ssh uses the socket itself (ProxyUseFdpass in ssh_config(5)), so nothing is
between client and server.
"""

import os
import socket
import sys

CONNECT_SECONDS = 10

if __name__ == "__main__":
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=CONNECT_SECONDS)
    connection.setblocking(True)
    host, port = connection.getsockname()[:2]
    with open(os.environ["LOGIN_SOURCE"], "w") as source:  # noqa: PTH123 - pathlib takes longer to load than the rest
        source.write(f"{host} port {port}")
    with socket.socket(fileno=sys.stdout.fileno()) as ssh:
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])
