# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the receiver: `python3 -m tests.lab.receiver`, with the repository's root as the working directory."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from .certificates import BAD_KINDS
from .server import Receiver


def address(text: str) -> tuple[str, int]:
    """Parse `host:port`, `[::]:port` or `port` into host and port."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not host:port")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104


def bad_port(text: str) -> tuple[str, tuple[str, int]]:
    """Parse `expired=host:port` into the kind of certificate and the address."""
    kind, _, where = text.partition("=")
    if kind not in BAD_KINDS:
        raise argparse.ArgumentTypeError(f"{text!r}: must be KIND=HOST:PORT, KIND one of {', '.join(BAD_KINDS)}")
    return kind, address(where)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.lab.receiver", description="A Slack incoming webhook for tests.")
    add = parser.add_argument
    add("--http", type=address, default=address("8080"), help="page and interface of the tests (default 0.0.0.0:8080)")
    add("--https", type=address, default=address("8443"), help="the webhook (default 0.0.0.0:8443)")
    add("--smtp", type=address, help="take mail there, too; nowhere by default")
    add("--bad-https", type=bad_port, action="append", default=[], metavar="KIND=HOST:PORT",
        help=f"a port with a certificate that must be refused: {', '.join(BAD_KINDS)}; may be repeated")  # fmt: skip
    add("--name", action="append", default=[], help="DNS name or address in the certificate; may be repeated")
    add("--state", type=Path, default=Path("/var/tmp/receiver"), help="directory for messages and keys")  # noqa: S108
    options = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        receiver = Receiver(
            options.state,
            http=options.http,
            https=options.https,
            bad_https=dict(options.bad_https),
            smtp=options.smtp,
            names=options.name,
        )
    except (OSError, RuntimeError) as error:
        print(f"receiver: {error}", file=sys.stderr)
        return 1
    receiver.start()
    print("ready", *(f"{name}={':'.join(map(str, receiver.address(name)))}" for name in receiver.listeners), flush=True)
    stop.wait()
    receiver.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
