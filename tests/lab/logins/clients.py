# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways to run a client: to its end, at a terminal, with a tunnel for some seconds, in the background.

The first three return what the client printed (standard output, standard error). All raise LoginError.
"""

from __future__ import annotations

import os
import pty
import select
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Far longer than any login takes. A client that hangs is ended then.
LIMIT_SECONDS = 30.0
PROMPT = b"$ "


class LoginError(Exception):
    """A client failed. The text contains its output."""


def run_to_its_end(command: list[str], environment: dict[str, str], status: int = 0) -> tuple[str, str]:
    """Run a client that ends by itself, with this status."""
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LoginError(f"{shlex.join(command)} did not end within {LIMIT_SECONDS} s") from error
    if done.returncode != status:
        raise LoginError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def run_at_a_terminal(command: list[str], environment: dict[str, str], to_type: list[str]) -> tuple[str, str]:
    """Run a client on a terminal of its own, and type a line at each prompt. The last line must end the client.

    Returns everything that the terminal showed, as standard output.
    """
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        command, env=environment, stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True
    )
    os.close(other_end)
    deadline = time.monotonic() + LIMIT_SECONDS
    shown = b""
    typed = 0
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # EIO: the client has ended
                break
            if typed < len(to_type) and shown.count(PROMPT) > typed:
                os.write(terminal, to_type[typed].encode() + b"\n")
                typed += 1
        else:
            process.kill()
    finally:
        os.close(terminal)
        code = process.wait()
    if code != 0:
        raise LoginError(f"{shlex.join(command)} ended with {code}; the terminal shows:\n{shown.decode()}")
    return shown.decode(errors="replace"), ""


def run_tunnel(command: list[str], environment: dict[str, str], gate: Path, seconds: float) -> tuple[str, str]:
    """Run a client that opens a tunnel, wait until data passes, keep it for these seconds, then end the client.

    gate: the socket that the client creates once it is authenticated; sshd can still be in PAM's session stage then
    """
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        tunnel = way_through(gate)
        while tunnel is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LoginError(f"{shlex.join(command)} opened no tunnel")
            time.sleep(0.02)
            tunnel = way_through(gate)
        wait_for_an_answer(tunnel)
        time.sleep(seconds)
        if process.poll() is not None:
            raise LoginError(f"{shlex.join(command)} ended by itself:\n{process.communicate()}")
    finally:
        process.terminate()
        output, errors = process.communicate()
    return output, errors


@contextmanager
def running(command: list[str], environment: dict[str, str], socket_path: Path) -> Iterator[None]:
    """Run a client during the block, which begins when the client has created its socket."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        while not socket_path.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LoginError(f"{shlex.join(command)} made no connection")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def way_through(gate: Path) -> socket.socket | None:
    """Return a connection to the tunnel's near end, or None while nobody listens there, even if the socket exists."""
    tunnel = socket.socket(socket.AF_UNIX)
    tunnel.settimeout(LIMIT_SECONDS)
    try:
        tunnel.connect(str(gate))
    except (FileNotFoundError, ConnectionRefusedError):
        tunnel.close()
        return None
    return tunnel


def wait_for_an_answer(tunnel: socket.socket) -> None:
    """Wait until something comes back through a tunnel, even if only that the far end is closed."""
    with tunnel:
        try:
            tunnel.recv(1)
        except OSError as error:
            raise LoginError(f"nothing came through the tunnel: {error}") from error
