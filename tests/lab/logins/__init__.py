# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log in as people and their programs do, with the real clients: ssh, scp, sftp, rsync, git.

    ada = Person("deploy", "172.18.0.2", directory, key)
    login = ada.sftp()
    login.source    # "172.18.0.1 port 45006": the value of From in the alert

Standard library only, because the demo logs in with it too.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .clients import LoginError, run_at_a_terminal, run_to_its_end, run_tunnel, running

__all__ = ["Login", "LoginError", "Person", "Shared"]

CONNECT = Path(__file__).with_name("connect.py")
# Longer than the notifier watches a connection before it reports a tunnel.
TUNNEL_SECONDS = 4.0
CONFIGURATION = """\
User {user}
{authentication}
ControlPath none
IdentityAgent none
LogLevel ERROR
NumberOfPasswordPrompts 1
ProxyCommand {python} -ISB {connect} %h %p
ProxyUseFdpass yes
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
"""


@dataclass(frozen=True)
class Login:
    """One login that has ended."""

    source: str  # the client's own end of the connection: "172.18.0.1 port 45006"
    output: str  # the client's standard output; for an interactive client, everything that the terminal showed
    errors: str  # the client's standard error
    started: float  # seconds since the epoch
    seconds: float  # how long the client ran


class Shared:
    """One connection that carries many sessions."""

    def __init__(self, ssh: list[str], address: str, source: str, started: float) -> None:
        """ssh: the command of a session, without a destination. source, started: as in Login."""
        self.source = source
        self.started = started
        self._ssh, self._address = ssh, address
        self._sessions: list[subprocess.Popen[bytes]] = []

    @property
    def seconds(self) -> float:
        """How long the connection has been open."""
        return time.time() - self.started

    def command(self, command: str) -> None:
        """Run `ssh host command` to its end."""
        run_to_its_end([*self._ssh, self._address, command], dict(os.environ))

    def open_shell(self) -> None:
        """Open a login shell and leave it open."""
        self._open([*self._ssh, self._address])

    def open_transfer(self) -> None:
        """Open an SFTP session and leave it open."""
        self._open([*self._ssh, "-s", self._address, "sftp"])

    def _open(self, command: list[str]) -> None:
        session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._sessions.append(session)

    def end_sessions(self) -> None:
        """End the sessions that were left open."""
        for session in self._sessions:
            session.kill()
            session.communicate()


class Person:
    """Somebody with an account on a server, who logs in by key or by password."""

    def __init__(self, user: str, address: str, directory: Path, key: Path | None = None, password: str = "") -> None:
        """Write the ssh configuration that all clients of this person use.

        user: the account
        address: the server, a name or an address
        directory: this person's files; created if missing; keep the path short, because sockets are in it
        key: a private key; without one, the password is used
        """
        self.address = address
        self.user = user
        self.password = password
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        if key:
            authentication = f"IdentityFile {key}\nIdentitiesOnly yes\nPasswordAuthentication no"
        else:
            authentication = "PubkeyAuthentication no"
        self.configuration = directory / "ssh_config"
        self.configuration.write_text(
            CONFIGURATION.format(user=user, authentication=authentication, python=sys.executable, connect=CONNECT)
        )
        self.parcel = directory / "parcel"
        self.parcel.write_text("something to carry\n" * 100)

    @property
    def ssh(self) -> list[str]:
        """The ssh command, without a destination."""
        return ["ssh", "-F", str(self.configuration)]

    def interactive(self) -> Login:
        """Log in as a person at a terminal: wait for the prompt, ask for the server's name, leave."""
        return self._login([*self.ssh, self.address], partial(run_at_a_terminal, to_type=["hostname", "exit"]))

    def command(self, command: str = "uname -s", status: int = 0, port: int | None = None) -> Login:
        """Run `ssh host command`, which must end with this status. port: if it is not that of the configuration."""
        options = ["-p", str(port)] if port else []
        return self._login([*self.ssh, *options, self.address, command], partial(run_to_its_end, status=status))

    def sftp(self) -> Login:
        """Upload and download a file by sftp."""
        script = self.directory / "batch"
        script.write_text(f"put {self.parcel} by-sftp\nget by-sftp {self.directory / 'fetched'}\n")
        return self._login(["sftp", "-q", "-F", str(self.configuration), "-b", str(script), self.address])

    def scp(self) -> Login:
        """Upload a file by scp, which speaks SFTP since OpenSSH 9.0."""
        return self._scp("-s")

    def old_scp(self) -> Login:
        """Upload a file by scp in its old protocol."""
        return self._scp("-O")

    def _scp(self, protocol: str) -> Login:
        files = [str(self.parcel), f"{self.address}:by-scp"]
        return self._login(["scp", "-q", protocol, "-F", str(self.configuration), *files])

    def rsync(self) -> Login:
        """Upload a file by rsync."""
        return self._login(["rsync", "-e", shlex.join(self.ssh), str(self.parcel), f"{self.address}:by-rsync"])

    def rsync_module(self, module: str, line: str | None = None) -> Login:
        """Upload a file to a module of rsync's daemon, which the login starts.

        line: the command line to send in place of rsync's own, `rsync --server --daemon .`
        """
        remote_shell = shlex.join(self.ssh)
        if line is not None:
            script = self.directory / "remote-shell"
            script.write_text(f"#!/bin/sh\nexec {shlex.join([*self.ssh, self.address, line])}\n")
            script.chmod(0o700)
            remote_shell = str(script)
        return self._login(["rsync", "-e", remote_shell, str(self.parcel), f"{self.address}::{module}"])

    def git(self, repository: str = "repository.git") -> Login:
        """List the branches of a repository on the server by git."""
        return self._login(["git", "ls-remote", f"{self.address}:{repository}"])

    def tunnel(self, seconds: float = TUNNEL_SECONDS) -> Login:
        """Run `ssh -N` with a forwarded port for these seconds."""
        gate = self.directory / "gate"
        gate.unlink(missing_ok=True)
        command = [*self.ssh, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{gate}:127.0.0.1:22", self.address]
        return self._login(command, partial(run_tunnel, gate=gate, seconds=seconds))

    @contextmanager
    def shared(self) -> Iterator[Shared]:
        """Keep one connection for many sessions (`ssh -M -N`) open during the block."""
        control = self.directory / f"control-{time.monotonic_ns()}"
        note = self.directory / "source"
        note.unlink(missing_ok=True)
        started = time.time()
        command = [*self.ssh, "-M", "-N", "-S", str(control), self.address]
        environment = {**os.environ, "LOGIN_SOURCE": str(note)}
        with running(command, environment, control):
            shared = Shared([*self.ssh, "-S", str(control)], self.address, note.read_text(), started)
            try:
                yield shared
            finally:
                shared.end_sessions()

    def _login(self, command: list[str], run=run_to_its_end) -> Login:
        note = self.directory / "source"
        note.unlink(missing_ok=True)
        environment = {**os.environ, "LOGIN_SOURCE": str(note), "GIT_SSH_COMMAND": shlex.join(self.ssh), "LC_ALL": "C"}
        if self.password:
            command = ["sshpass", "-e", *command]
            environment["SSHPASS"] = self.password
        started, clock = time.time(), time.monotonic()
        output, errors = run(command, environment)
        seconds = time.monotonic() - clock
        return Login(note.read_text(), output, errors, started, seconds)
