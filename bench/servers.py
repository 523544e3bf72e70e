# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers that are measured: containers with systemd and sshd, the real role on them, and the tests' receiver.

They are set up as Molecule's are (molecule/shared/), without Molecule: the bench wants them alone, and for long.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from logins import Person
from receiver.client import Receiver

from tools import environment, images
from tools.command import ROOT, Failure, output, run, say, succeeds

# What is measured; the other images are there for the scenarios.
RELEASES = ("debian12", "debian13")
LABEL = "loginwatch=bench"  # by which `./dev clean` finds the containers
NETWORK = "loginwatch-bench"
RECEIVER = "loginwatch-bench-receiver"
INSIDE = "/opt/bench"  # where a server finds bench/inside
SHARED = ROOT / "molecule" / "shared"
# What starts a sender by itself. Stopped where a bench reads the alerts from the spool.
SENDER_STARTERS = "ssh-login-notify-path.timer ssh-login-notify.path ssh-login-notify.timer"
DEPLOY_SECONDS = 600
QUIET_SECONDS = 30
SYSTEMD = [
    "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--cgroupns=host",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
]  # fmt: skip
# As on a host that is not a container, the observer may raise its priority.
LIKE_A_HOST = ["--cap-add=SYS_NICE"]
SETTINGS = {
    "ansible_connection": "community.docker.docker",
    "ansible_python_interpreter": "auto_silent",
    "ssh_login_notify_webhook_url": "https://receiver:8443/services/T00000000/B00000000/not-a-real-secret",
    "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem",
}


@dataclass(frozen=True)
class Server:
    """One server with the notifier on it."""

    title: str  # "Debian 12"
    container: str
    address: str
    key: Path  # lets its owner in as `deploy`

    def output(self, *command: str) -> str:
        """What a command on the server prints; root runs it. Raises Failure."""
        return output("docker", "exec", self.container, *command)

    def shell(self, script: str) -> str:
        """The same for a shell script."""
        return self.output("sh", "-euc", script)

    def person(self, directory: Path) -> Person:
        """Somebody with the key, whose files are in this directory."""
        return Person("deploy", self.address, directory, self.key)

    @property
    def ssh(self) -> list[str]:
        """The command `ssh host`, with the key and with no configuration of the user's."""
        options = [
            f"IdentityFile={self.key}", "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes",
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
        ]  # fmt: skip
        return ["ssh", "-F", "none", *(word for option in options for word in ("-o", option)), f"deploy@{self.address}"]

    def wait_until_quiet(self) -> None:
        """Return when neither hook nor observer nor sender is running. Raises Failure if they go on for long."""
        pattern = "^[^ ]*python[^ ]* .*/ssh-login-notify"
        self.output("timeout", str(QUIET_SECONDS), "sh", "-c", f"while pgrep -f '{pattern}'; do sleep 0.1; done")


@dataclass(frozen=True)
class Stage:
    """All that is there while the bench runs."""

    servers: list[Server]
    receiver: Receiver
    directory: Path  # for files of the bench, removed at the end


@contextmanager
def running() -> Iterator[Stage]:
    """Start the servers and the receiver, deploy the notifier, and remove all of it in the end."""
    say("starting Debian 12 and 13 and the receiver, and deploying the notifier")
    remove()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            yield start(Path(name))
        finally:
            remove()


def remove() -> None:
    """Remove the containers and their network."""
    names = [RECEIVER, *(container_of(name) for name in RELEASES)]
    # Also those that an interrupted run left.
    succeeds("docker", "rm", "--force", "--volumes", *names)
    succeeds("docker", "network", "rm", NETWORK)


def container_of(name: str) -> str:
    """The name of the container made from an image."""
    return f"loginwatch-bench-{name}"


def start(directory: Path) -> Stage:
    """Make servers, ready to be logged in to."""
    run("docker", "network", "create", f"--label={LABEL}", NETWORK, stdout=subprocess.DEVNULL)
    create_receiver(NETWORK)
    servers = []
    for name in RELEASES:
        version, _suite = images.RELEASES[name]
        container = container_of(name)
        inside = f"--volume={ROOT / 'bench' / 'inside'}:{INSIDE}:ro"
        create(name, container, [f"--hostname={name}", inside, *SYSTEMD, *LIKE_A_HOST], ["/sbin/init"])
        servers.append(Server(f"Debian {version}", container, address(container), directory / "key"))
    deploy(servers, directory)
    for server in servers:
        # Fifty people who come at once are not turned away, and their sessions take each as long as any other's.
        server.shell("echo MaxStartups 500 > /etc/ssh/sshd_config.d/bench.conf && systemctl reload ssh")
        server.wait_until_quiet()
    stage = Stage(servers, Receiver(f"http://{address(RECEIVER)}:8080"), directory)
    stage.receiver.settle()
    return stage


def create_receiver(network: str) -> None:
    """Start the stand-in for Slack on a network, under the name `receiver`."""
    options = ["--network-alias=receiver", f"--volume={ROOT / 'tests' / 'receiver'}:/opt/receiver:ro"]
    serve = ["sh", "-c", "cd /opt && exec python3 -B -m receiver --name receiver"]
    create("debian12", RECEIVER, options, serve, network)


def create(image: str, container: str, options: list[str], command: list[str], network: str = NETWORK) -> None:
    """Start a container on one of the bench's networks."""
    run("docker", "run", "--detach", f"--name={container}", f"--label={LABEL}", f"--network={network}", *options,
        images.reference(image), *command, stdout=subprocess.DEVNULL)  # fmt: skip


def address(container: str) -> str:
    """The container's address, at which this machine reaches it without a detour."""
    return output(
        "docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
    )


def deploy(servers: list[Server], directory: Path) -> None:
    """Make people's accounts as for the scenarios, and run the role."""
    hosts: dict[str, dict] = {server.container: {} for server in servers}
    play([SHARED / "prepare.yml", SHARED / "converge.yml"], hosts, hosts, directory)


def play(playbooks: list[Path], hosts: dict[str, dict], with_systemd: dict[str, dict], directory: Path) -> None:
    """Run playbooks on containers. What Ansible prints is shown if it fails."""
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
