# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ProxyCommand of the test's ssh clients: connect, note our own address and port, hand the socket over to ssh.

By the port an alert is matched to its login. ssh takes the socket itself (ProxyUseFdpass in ssh_config(5)), so that
nothing stands between client and server.
"""

import os
import socket
import sys
from pathlib import Path

CONNECT_SECONDS = 10

if __name__ == "__main__":
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=CONNECT_SECONDS)
    connection.setblocking(True)
    host, port = connection.getsockname()[:2]
    Path(os.environ["LOGIN_SOURCE"]).write_text(f"{host} port {port}")
    with socket.socket(fileno=sys.stdout.fileno()) as ssh:
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])
