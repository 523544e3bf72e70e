# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual machine with SELinux enforcing, and a receiver on this machine in Slack's place.

The machine is built by tools/enforcing.py. qemu discards all changes to its disk.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.logins import Person
from tests.lab.receiver.client import Receiver

MACHINE = Path(os.environ["ENFORCING_MACHINE"])
KEY = MACHINE / "key"
USER = "deploy"
# An emulated processor boots in one to five minutes, and Ansible's modules take seconds each.
BOOT_SECONDS = 900
COMMAND_SECONDS = 300
PLAY_SECONDS = 1800
ROLE = [{"hosts": "all", "gather_facts": False, "roles": ["loginwatch.pam.ssh_login_notify"]}]
OPTIONS = (
    "-F", "none", "-i", str(KEY), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30",
)  # fmt: skip


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Machine:
    """The virtual machine, which root and Ansible reach through a port of this machine."""

    def __init__(self, port: int, directory: Path, webhook: str) -> None:
        self.port = port
        self.directory = directory
        self.webhook = webhook

    def run(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script as root."""
        command = ["ssh", *OPTIONS, "-p", str(self.port), f"{USER}@127.0.0.1", "sudo sh -c", f"'{script}'"]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )

    def output(self, script: str, stdin: str = "") -> str:
        """Run a shell script as root, which must succeed, and return its output."""
        done = self.run(script, stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self) -> str:
        """Run the role, and return Ansible's output."""
        host = {
            "ansible_host": "127.0.0.1", "ansible_port": self.port, "ansible_user": USER, "ansible_become": True,
            "ansible_ssh_private_key_file": str(KEY), "ansible_ssh_common_args": " ".join(OPTIONS),
            "ansible_python_interpreter": "/usr/bin/python3", "ssh_login_notify_webhook_url": self.webhook,
            "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem", "ssh_login_notify_repeat_minutes": 0,
        }  # fmt: skip
        inventory, play = self.directory / "inventory.json", self.directory / "play.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"enforcing": host}}}))
        play.write_text(json.dumps(ROLE))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "-i", inventory, play], capture_output=True, text=True, check=False, timeout=PLAY_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def denials(self, since: str = "boot") -> list[str]:
        """Return the denials of the notifier's own processes. Without --input-logs, ausearch reads standard input."""
        return [
            line
            for line in self.run(f"ausearch --input-logs -m AVC,USER_AVC -ts {since}").stdout.splitlines()
            if "denied" in line and ("ssh-login-notif" in line or "var_auth_t" in line)
        ]


@pytest.fixture(scope="session")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """The stand-in for Slack, on this machine. The virtual machine knows it as `receiver`."""
    state = tmp_path_factory.mktemp("receiver")
    http, https = free_port(), free_port()
    command = [sys.executable, "-B", "-m", "tests.lab.receiver", "--name", "receiver", "--state", str(state)]
    command += ["--http", f"127.0.0.1:{http}", "--https", f"127.0.0.1:{https}"]
    with subprocess.Popen(command) as process:
        found = Receiver(f"http://127.0.0.1:{http}")
        found.wait_until_ready()
        yield found
        process.terminate()


@pytest.fixture(scope="session")
def machine(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot the virtual machine, and end it after the last test."""
    directory = tmp_path_factory.mktemp("machine")
    port, https = free_port(), receiver.status()["ports"]["https"]
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-no-reboot",
        "-display", "none", "-serial", f"file:{directory / 'console'}", "-device", "virtio-rng-pci",
        "-kernel", str(MACHINE / "kernel"), "-initrd", str(MACHINE / "initrd"),
        "-append", "root=/dev/vda rw console=ttyS0 security=selinux enforcing=1",
        "-drive", f"file={MACHINE / 'disk'},format=raw,if=virtio,snapshot=on",
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip
    webhook = f"https://receiver:{https}/services/T00000000/B00000000/not-a-real-secret"
    with subprocess.Popen(command) as process:
        found = Machine(port, directory, webhook)
        try:
            wait_until_booted(found, process)
            found.output("cat > /etc/ssl/certs/receiver.pem", receiver.ca())
            yield found
        finally:
            process.kill()


def wait_until_booted(machine: Machine, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while machine.run("systemctl is-system-running --wait").returncode != 0:
        assert process.poll() is None, f"qemu has ended:\n{console(machine)}"
        assert time.monotonic() < deadline, f"the machine does not boot:\n{console(machine)}"
        time.sleep(2)


def console(machine: Machine) -> str:
    """Return the end of the machine's console output. qemu creates the file shortly after its start."""
    path = machine.directory / "console"
    return path.read_text(errors="replace")[-3000:] if path.exists() else ""


@pytest.fixture(scope="session")
def ada(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """The person who logs in."""
    person = Person(USER, "127.0.0.1", tmp_path_factory.mktemp("ada"), KEY)
    with person.configuration.open("a") as file:
        file.write(f"Port {machine.port}\n")
    return person
