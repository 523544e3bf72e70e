# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The measured servers: containers with systemd and sshd, with the real role on them, and the tests' receiver.

They are like those of the scenarios, but without Molecule: the benchmark needs them alone, and for longer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import containers, people
from tests.lab.command import docker
from tests.lab.containers import INSIDE, LIKE_A_HOST, RECEIVER_OPTIONS, SYSTEMD, Server, address
from tests.lab.receiver.client import Receiver
from tools import environment, images
from tools.command import ROOT, Failure, run, say, succeeds

# The measured releases. The other images are for the scenarios.
RELEASES = ("debian12", "debian13")
LABEL = "loginwatch=bench"  # by which `./dev clean` finds the containers
NETWORK = "loginwatch-bench"
RECEIVER = "loginwatch-bench-receiver"
SHARED = ROOT / "molecule" / "shared"
# Units that start a sender. They are stopped while a benchmark reads alerts from the spool.
SENDER_STARTERS = (
    "ssh-login-notify-path.timer ssh-login-notify.path ssh-login-notify.timer ssh-login-notify-tamper.timer"
)
DEPLOY_SECONDS = 600
SETTINGS = {
    "ansible_connection": "community.docker.docker",
    "ansible_python_interpreter": "auto_silent",
    "ssh_login_notify_webhook_url": "https://receiver:8443/services/T00000000/B00000000/not-a-real-secret",
    "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem",
    # One alert per login, however often the same person logs in.
    "ssh_login_notify_repeat_minutes": 0,
}


@dataclass(frozen=True)
class Stage:
    """Everything that exists while the benchmark runs."""

    servers: list[Server]
    receiver: Receiver
    directory: Path  # for files of the benchmark, removed at the end


@contextmanager
def running() -> Iterator[Stage]:
    """Start the servers and the receiver, deploy the notifier, and remove everything at the end of the block."""
    say("starting Debian 12 and 13 and the receiver, and deploying the notifier")
    remove()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            yield start(Path(name))
        finally:
            remove()


def remove() -> None:
    """Remove the containers and their network, also those of an interrupted run."""
    containers.remove(RECEIVER, *(container_of(name) for name in RELEASES))
    succeeds("docker", "network", "rm", NETWORK)


def container_of(name: str) -> str:
    """Return the name of the container of an image."""
    return f"loginwatch-bench-{name}"


def start(directory: Path) -> Stage:
    """Make the servers and the receiver, with the notifier deployed."""
    docker("network", "create", f"--label={LABEL}", NETWORK)
    create_receiver(NETWORK)
    servers = []
    for name in RELEASES:
        version, _suite = images.RELEASES[name]
        container = container_of(name)
        scripts = f"--volume={ROOT / 'tests' / 'lab' / 'inside'}:{INSIDE}:ro"
        options = (f"--hostname={name}", scripts, *SYSTEMD, *LIKE_A_HOST)
        containers.start(images.reference(name), container, NETWORK, LABEL, *options)
        servers.append(Server(f"Debian {version}", container, address(container), directory / "key"))
    deploy(servers, directory)
    for server in servers:
        # Accept fifty logins at once. Otherwise sshd drops some, and the others take longer.
        server.shell("echo MaxStartups 500 > /etc/ssh/sshd_config.d/bench.conf && systemctl reload ssh")
        server.wait_until_quiet()
    stage = Stage(servers, Receiver(f"http://{address(RECEIVER)}:8080"), directory)
    stage.receiver.settle()
    return stage


def create_receiver(network: str) -> None:
    """Start the receiver, the stand-in for Slack, on a network."""
    image = images.reference("debian12")
    containers.start(image, RECEIVER, network, LABEL, *RECEIVER_OPTIONS, command=containers.RECEIVER)


def deploy(servers: list[Server], directory: Path) -> None:
    """Create the accounts as in the scenarios, and run the role."""
    hosts: dict[str, dict] = {server.container: {} for server in servers}
    key, authority = people.make_key(directory), people.authority(RECEIVER)
    for server in servers:
        people.prepare(server.container, key, authority)
    play([SHARED / "converge.yml"], hosts, hosts, directory)


def play(playbooks: list[Path], hosts: dict[str, dict], with_systemd: dict[str, dict], directory: Path) -> None:
    """Run playbooks on containers. A failure contains Ansible's output."""
    inventory = {
        "all": {
            "vars": {"molecule_ephemeral_directory": str(directory)},
            "children": {"servers": {"hosts": hosts, "vars": SETTINGS}, "systemd": {"hosts": with_systemd}},
        }
    }
    path = directory / "inventory.json"
    path.write_text(json.dumps(inventory))
    ansible = environment.program("ansible-playbook")
    for playbook in playbooks:
        log = directory / f"{playbook.name}.log"
        try:
            with log.open("w") as file:
                run(ansible, "-i", path, playbook, env=environment.variables(), stdout=file, stderr=file,
                    timeout=DEPLOY_SECONDS)  # fmt: skip
        except Failure as failure:
            raise Failure(f"{failure}\n{log.read_text()}") from failure
