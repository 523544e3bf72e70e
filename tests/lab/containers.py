# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's servers and its receiver, as Docker containers.

Molecule starts its own containers from .config/molecule/config.yml. Keep the options there and here in step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .command import docker

TESTS = Path(__file__).parents[1]
INSIDE = "/opt/inside"  # where a server finds tests/lab/inside
QUIET_SECONDS = 30
# What systemd needs in a container, without --privileged. With cgroup v2 it writes to its own cgroup, hence rw.
SYSTEMD = (
    "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--cgroupns=host",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)  # fmt: skip
# sshd and its children have these capabilities on an ordinary host: the observer raises its priority, and reads which
# file a user's process runs.
LIKE_A_HOST = ("--cap-add=SYS_NICE", "--cap-add=SYS_PTRACE")
INIT = ("/sbin/init",)
# A guest without nesting: it has systemd, but no service can have mounts of its own. logind's unit requires some, so it
# would fail, and the server would count as not booted.
GUEST = tuple(option.replace("seccomp=unconfined", f"seccomp={TESTS}/lab/no-nesting.json") for option in SYSTEMD)
INIT_OF_GUEST = ("sh", "-c", "ln -s /dev/null /etc/systemd/system/systemd-logind.service && exec /sbin/init")
# A server without systemd: sshd is its first process.
SSHD = ("sh", "-c", "mkdir -p /run/sshd && cron && exec /usr/sbin/sshd -D -e")
RECEIVER_OPTIONS = (
    "--hostname=receiver", "--network-alias=receiver", f"--volume={TESTS}:/opt/tests:ro", "--workdir=/opt",
)  # fmt: skip
RECEIVER = ("python3", "-B", "-m", "tests.lab.receiver", "--name", "receiver", "--smtp", "2525")


def address(container: str) -> str:
    """Return the container's IP address, which this machine reaches directly."""
    return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)


def start(image: str, container: str, network: str, label: str, *options: str, command: tuple[str, ...] = INIT) -> None:
    """Start a container in the background.

    :param label: the label `loginwatch=…`, by which `./dev clean` finds the container
    :param options: options of `docker run`, such as SYSTEMD
    :param command: the command that the container runs
    """
    names = (f"--name={container}", f"--label={label}", f"--network={network}")
    docker("run", "--detach", *names, *options, image, *command)


def remove(*containers: str) -> None:
    """Remove containers, running or not. A name that does not exist is not an error."""
    existing = docker("ps", "--all", "--format", "{{.Names}}").split()
    for container in set(containers) & set(existing):
        docker("rm", "--force", "--volumes", container)


@contextmanager
def running(
    image: str, container: str, network: str, label: str, *options: str, command: tuple[str, ...] = INIT
) -> Iterator[None]:
    """Start a container as `start` does, and remove it at the end of the block."""
    start(image, container, network, label, *options, command=command)
    try:
        yield
    finally:
        remove(container)


@dataclass(frozen=True)
class Server:
    """A server that runs the notifier, and on which root can run commands."""

    title: str  # "Debian 12"
    container: str
    address: str
    key: Path  # the private key that opens the account `deploy`

    def output(self, *command: str) -> str:
        """Return the standard output of a command on the server. Raises LabError."""
        return docker("exec", self.container, *command)

    def shell(self, script: str) -> str:
        """Return the standard output of a shell script on the server. Raises LabError."""
        return self.output("sh", "-euc", script)

    @property
    def ssh(self) -> list[str]:
        """The command `ssh host`, with the lab's key and without the user's own configuration."""
        options = [
            f"IdentityFile={self.key}", "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes",
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
        ]  # fmt: skip
        return ["ssh", "-F", "none", *(word for option in options for word in ("-o", option)), f"deploy@{self.address}"]

    def wait_until_quiet(self) -> None:
        """Wait until no hook, observer or sender is running. Raises LabError after QUIET_SECONDS."""
        pattern = "^[^ ]*python[^ ]* .*/ssh-login-notify"
        self.output("timeout", str(QUIET_SECONDS), "sh", "-c", f"while pgrep -f '{pattern}'; do sleep 0.1; done")
