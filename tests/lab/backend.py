# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""testinfra's connection to a server, kept open: `host.run` costs one fork in the container, not a `docker exec`.

Each `docker exec` starts Docker's client, its runtime and the runtime's helper. A scenario runs some thousand commands.
"""

from __future__ import annotations

import struct
import subprocess
from typing import IO, Any

from testinfra.backend import BACKENDS
from testinfra.backend.base import CommandResult
from testinfra.backend.docker import DockerBackend

# Runs in the container. It reads a length and a command, and writes a status, two lengths and both outputs. A command
# that starts a background process must redirect its output. Otherwise this waits for that process to end.
# systemd can't enable controllers for its units while a process is in the container's own cgroup (cgroups(7), "no
# internal processes"), so this moves to systemd's cgroup. It removes LC_CTYPE, because Python has set that itself.
INSIDE = """
import os, struct, subprocess, sys
os.environ.pop("LC_CTYPE", None)
for line in open("/proc/1/cgroup"):
    place = "/sys/fs/cgroup" + line.rstrip().rpartition(":")[2] + "/cgroup.procs"
    if line.startswith("0::") and os.access(place, os.W_OK):
        open(place, "w").write("0")
commands, answers = sys.stdin.buffer, sys.stdout.buffer
while True:
    length = commands.read(4)
    if not length:
        break
    done = subprocess.Popen(
        ["/bin/sh", "-c", commands.read(*struct.unpack(">I", length))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    output, errors = done.communicate()
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    answers.write(struct.pack(">III", status, len(output), len(errors)) + output + errors)
    answers.flush()
"""
HEAD = struct.Struct(">III")


class Connection:
    """A process in a container that runs one command after another."""

    def __init__(self, container: str) -> None:
        words = ["docker", "exec", "--interactive", container, "python3", "-ISc", INSIDE]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    @property
    def is_open(self) -> bool:
        """Whether the process is still running. It ends when the container is stopped."""
        return self._process.poll() is None

    def run(self, command: bytes) -> tuple[int, bytes, bytes]:
        """Return the status, output and errors of a command. Raises OSError or EOFError if the connection breaks."""
        commands, answers = _both(self._process.stdin, self._process.stdout)
        commands.write(struct.pack(">I", len(command)) + command)
        commands.flush()
        status, output, errors = HEAD.unpack(_exactly(answers, HEAD.size))
        return status, _exactly(answers, output), _exactly(answers, errors)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class KeptBackend(DockerBackend):
    """Run commands as testinfra's backend does, over connections that stay open: one per thread that runs a command."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take the arguments of the base class. The first command opens the first connection."""
        super().__init__(*arguments, **options)
        self._idle: list[Connection] = []

    def run(self, command: str, *args: str, **options: Any) -> CommandResult:
        """Run a shell command in the container as root, or as the user that the host's name specifies."""
        if self.user is not None:
            return super().run(command, *args, **options)
        connection = self._connection()
        words = self.get_command(command, *args).encode()
        try:
            status, output, errors = connection.run(words)
        except (OSError, EOFError):
            # The container is stopped or gone. Docker's own client reports that.
            connection.close()
            return super().run(command, *args, **options)
        self._idle.append(connection)
        return self.result(status, words, output, errors)

    def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return Connection(self.name)


def keep_connections() -> None:
    """Have testinfra use KeptBackend in place of its own Docker backend."""
    BACKENDS["docker"] = f"{__name__}.{KeptBackend.__name__}"


def _both(commands: IO[bytes] | None, answers: IO[bytes] | None) -> tuple[IO[bytes], IO[bytes]]:
    if commands is None or answers is None:
        raise OSError("there are no pipes")
    return commands, answers


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found
