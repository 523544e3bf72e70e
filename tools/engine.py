# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine: use one that answers, and install and start one only if there is none."""
from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from . import system
from .command import STATE, Failure, as_root, output, run, say, succeeds

LOG = STATE / "dockerd.log"
START_SECONDS = 60


def ensure() -> None:
    """Make sure that `docker` reaches an engine.

    :raises Failure: with instructions, if the user's own engine does not answer; no second one is started
    """
    if answers():
        return
    refuse_to_compete()
    # docker.io recommends the client on some releases, and contains it on others.
    system.require({"dockerd": "docker.io"})
    system.require({"docker": "docker-cli"})
    if answers():
        return
    daemon = None
    if Path("/run/systemd/system").is_dir():
        say("starting the Docker engine (systemctl start docker)")
        run(*as_root("systemctl", "start", "docker"))
    else:
        daemon = start_daemon()
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        refuse_to_compete()
        if time.monotonic() > deadline or (daemon and daemon.poll() is not None):
            log = LOG.read_text(errors="replace")[-1500:] if daemon else "see: journalctl -u docker"
            raise Failure(f"the Docker engine was started and does not answer:\n{log}")
        time.sleep(0.5)


def answers() -> bool:
    """Return whether an engine answers the docker client."""
    return bool(system.find("docker")) and succeeds("docker", "version", timeout=20)


def refuse_to_compete() -> None:
    """Raise Failure if the user has an engine that is not running or not accessible."""
    if os.environ.get("DOCKER_HOST"):
        raise Failure(f"no Docker engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}: start it, or unset it.")
    socket = Path("/var/run/docker.sock")
    if socket.exists() and not os.access(socket, os.W_OK):
        raise Failure(
            "Docker is installed, but you have no access to its socket: run this as root, or join its group "
            "(sudo usermod -aG docker $USER) and log in again."
        )
    if system.find("podman") and not system.find("dockerd"):
        raise Failure(
            "Podman is installed, but no Docker engine: start Podman's Docker-compatible service and name its socket "
            "(systemctl --user start podman.socket; "
            "export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock); the client is the package docker-cli."
        )


def start_daemon() -> subprocess.Popen:
    """Start dockerd in a session of its own, so that it outlives this process. Its log is .dev/dockerd.log."""
    say(f"starting dockerd, because there is no systemd to start it (log: {LOG}); it keeps running")
    STATE.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        return subprocess.Popen(
            as_root("dockerd"), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )


def container_names(label: str) -> list[str]:
    """Return the names of all containers with the label, running or not."""
    return output("docker", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}").split()
