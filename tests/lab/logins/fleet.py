# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many people at once: real ssh clients from several addresses, with several keys, to several accounts of a server.

    with fleet("fleet", network, label, image) as people:
        ...  # create people.accounts on the server, and authorize people.public_keys
        visits = people.log_in("172.18.0.2", 22, 1000, at_a_time=8)
        visits[0].source    # "172.18.255.251 port 45006": the value of From in the alert

        They are in a container of their own, so that they can have their own addresses.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..command import docker
from ..containers import running

HERE = Path(__file__).parent
INSIDE = "/opt/logins"
ACCOUNTS = ("alice", "bob", "carol")
KEYS = 3
ADDRESSES = 4
INTERACTIVE_EVERY = 10  # one in this many logins is a person at a terminal, the others are commands
ASK = "echo $SSH_CONNECTION"  # the server knows the client's port; ssh itself does not print it
ANSWER = re.compile(r"(\d+\.\d+\.\d+\.\d+) (\d+) \d+\.\d+\.\d+\.\d+ \d+\r?\n")
# The cheapest that every sshd supports: the load should be the server's, not the clients'.
OPTIONS = (
    "BatchMode=yes", "Ciphers=aes128-gcm@openssh.com", "GSSAPIAuthentication=no", "HostKeyAlgorithms=ssh-ed25519",
    "IdentitiesOnly=yes", "IdentityAgent=none", "KexAlgorithms=curve25519-sha256", "LogLevel=ERROR",
    "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A login to make: the account, the client's address, the number of the key, and whether it has a terminal."""

    user: str
    address: str
    key: int
    interactive: bool


@dataclass(frozen=True)
class Visit:
    """A login that has ended."""

    user: str
    source: str  # the client's own end of the connection: "172.18.255.251 port 45006"; empty if the login failed
    fingerprint: str
    type: str  # the type that the alert must show
    started: float  # seconds since the epoch
    ended: float
    error: str  # empty if the login succeeded


class Fleet:
    """The people, once their container is running."""

    def __init__(self, container: str) -> None:
        """Give the container its addresses, the last ones of its network, and create the keys."""
        self._container = container
        own = ipaddress.ip_interface(self._output("ip", "-4", "-o", "addr", "show", "eth0").split()[3])
        last = int(own.network.broadcast_address)
        self.addresses = [str(ipaddress.ip_address(last - number)) for number in range(1, ADDRESSES + 1)]
        for address in self.addresses:
            self._output("ip", "addr", "add", f"{address}/{own.network.prefixlen}", "dev", "eth0")
        self.public_keys, self.fingerprints = [], []
        for number in range(KEYS):
            self._output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"key {number}", "-f", f"/root/{number}")
            self.public_keys.append(self._output("cat", f"/root/{number}.pub").strip())
            self.fingerprints.append(self._output("ssh-keygen", "-l", "-f", f"/root/{number}").split()[1])
        self.accounts = ACCOUNTS

    def plans(self, number: int) -> list[Plan]:
        """Plan this many logins, cycling through every combination of account, address and key."""
        mix = list(product(self.accounts, self.addresses, range(KEYS)))
        return [Plan(*mix[turn % len(mix)], turn % INTERACTIVE_EVERY == 0) for turn in range(number)]

    def log_in(self, server: str, port: int, number: int, at_a_time: int) -> list[Visit]:
        """Log in this many times, and return the results."""
        plans = self.plans(number)
        commands = [self._ssh(plan, server, port, *(["-tt"] if plan.interactive else [ASK])) for plan in plans]
        orders = {"commands": commands, "input": f"{ASK}; exit\n", "at_a_time": at_a_time}
        with self._swarm() as process:
            results = json.loads(process.communicate(json.dumps(orders) + "\n")[0])
        return [self._visit(plan, result) for plan, result in zip(plans, results)]

    @contextmanager
    def connected(self, server: str, port: int, number: int) -> Iterator[list[Plan]]:
        """Keep this many connections open and idle during the block. Raises RuntimeError if one of them breaks."""
        plans = self.plans(number)
        orders = {"commands": [self._ssh(plan, server, port, "-N") for plan in plans], "at_a_time": 0}
        with self._swarm() as process:
            if not process.stdin or not process.stdout:
                raise RuntimeError("there are no pipes")
            process.stdin.write(json.dumps(orders) + "\n")
            process.stdin.flush()
            if process.stdout.readline() != "started\n":
                raise RuntimeError("the clients can't be started")
            yield plans
            left = int(process.communicate()[0])
            if left != number:
                raise RuntimeError(f"of {number} connections {left} were left")

    def _ssh(self, plan: Plan, server: str, port: int, *last: str) -> list[str]:
        """Return the command. `last` follows the destination, where ssh also accepts options."""
        options = [word for option in OPTIONS for word in ("-o", option)]
        who = ["-p", str(port), "-b", plan.address, "-i", f"/root/{plan.key}", f"{plan.user}@{server}"]
        return ["ssh", "-F", "none", *options, *who, *last]

    def _visit(self, plan: Plan, result: dict) -> Visit:
        answer = ANSWER.search(result["output"])
        failed = result["code"] != 0 or not answer
        return Visit(
            user=plan.user,
            source="{} port {}".format(*answer.groups()) if answer else "",
            fingerprint=self.fingerprints[plan.key],
            type="SSH (interactive)" if plan.interactive else "SSH (command: echo)",
            started=result["started"],
            ended=result["ended"],
            error=f"{result['code']}: {result['output']}{result['errors']}" if failed else "",
        )

    def _swarm(self) -> subprocess.Popen[str]:
        command = ["docker", "exec", "--interactive", self._container, "python3", "-B", f"{INSIDE}/swarm.py"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _output(self, *command: str) -> str:
        return docker("exec", self._container, *command)


@contextmanager
def fleet(container: str, network: str, label: str, image: str) -> Iterator[Fleet]:
    """Start the people's container, and remove it at the end of the block."""
    options = ("--cap-add=NET_ADMIN", f"--volume={HERE}:{INSIDE}:ro")
    with running(image, container, network, label, *options, command=("sleep", "infinity")):
        yield Fleet(container)
