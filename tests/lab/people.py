# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The people who log in: their accounts on a server, and the tests' key."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from .command import docker, output
from .containers import address

HERE = Path(__file__).parent
# The password of rita, as in people.sh.
PASSWORD = "not-a-real-password"  # noqa: S105
RECEIVER_SECONDS = 30
# Removes everything so far from the journal of a server with systemd, sshd's lines about failed attempts included. For
# ten minutes after a failed attempt, a login from the same address is heavier, and no rule ignores it.
FORGET_FAILURES = "journalctl --quiet --rotate && rm -f /run/log/journal/*/*@* /var/log/journal/*/*@*"
# Waits until the server has booted, if systemd boots it. systemctl fails until systemd's bus is up.
BOOTED = """
case $(readlink /proc/1/exe) in */systemd) ;; *) exit 0 ;; esac
exec timeout 60 sh -c 'until systemctl is-system-running --wait 2> /dev/null; do sleep 0.1; done'
"""


def make_key(directory: Path) -> Path:
    """Return the private key that opens the account `deploy`, and create it if the directory has none."""
    key = directory / "key"
    if not key.exists():
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", key)
    return key


def authority(receiver: str) -> str:
    """Return the certificate (PEM) of the receiver's authority, once the receiver is up."""
    url = f"http://{address(receiver)}:8080/ca.pem"
    deadline = time.monotonic() + RECEIVER_SECONDS
    while True:
        try:
            # The receiver is on this machine's network, so no proxy is used.
            with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
                return answer.read().decode().strip()
        except URLError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{receiver} does not answer: {error}") from error
            time.sleep(0.1)


def prepare(container: str, key: Path, authority: str) -> None:
    """Make a running container a server with accounts, and record its files for the footprint."""
    public_key = key.with_suffix(".pub").read_text().strip()
    docker("exec", container, "sh", "-c", BOOTED)
    docker(
        "exec", f"--env=KEY={public_key}", f"--env=AUTHORITY={authority}", container,
        "sh", "-c", (HERE / "people.sh").read_text(),
    )  # fmt: skip
    docker("cp", "--quiet", HERE / "footprint.sh", f"{container}:/root/footprint.sh")
    docker("exec", container, "sh", "-c", "sh /root/footprint.sh > /root/footprint")
