# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a server, a stand-in for Slack, the real role, real logins, and their alerts."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

from tests.lab import containers, people
from tests.lab.command import LabError
from tests.lab.containers import address
from tests.lab.logins import LoginError, Person

from . import engine, environment, images
from .command import STATE, Failure, output, run, say, succeeds

DIRECTORY = STATE / "demo"
NAME = "loginwatch-demo"  # the network's name, and the prefix of each container's
SERVER, RECEIVER = f"{NAME}-server", f"{NAME}-receiver"
ALERT_SECONDS = 60.0
WAYS = {
    "interactive": "a person at a terminal",
    "command": "a command",
    "sftp": "a file transfer by sftp",
    "old_scp": "a file transfer by scp -O",
    "rsync": "a file transfer by rsync",
    "git": "a git client",
    "tunnel": "a tunnel without a session (ssh -N)",
}


def start() -> None:
    """Run the demo, and leave it running. A demo that is already running is replaced."""
    environment.ensure()
    images.prepare()
    stop()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    say("starting a server (Debian 13, systemd, sshd) and a receiver that stands for Slack")
    boot()
    say("creating the accounts on the server")
    prepare()
    say("deploying the notifier: ansible-playbook loginwatch.pam.deploy")
    play("loginwatch.pam.deploy")
    show(log_in(WAYS))
    print(f"\nThe alerts as Slack would show them:  {page()}")
    print(f"Log in yourself:                      ssh -i {DIRECTORY / 'key'} deploy@{address(SERVER)}")
    print("Stop the demo:                        ./dev demo --stop")


def stop() -> None:
    """Remove the demo's containers and network."""
    if not engine.answers():
        return
    for container in engine.container_names("loginwatch=demo"):
        say(f"removing the container {container}")
        run("docker", "rm", "--force", "--volumes", container, stdout=subprocess.DEVNULL)
    if succeeds("docker", "network", "inspect", NAME):
        output("docker", "network", "rm", NAME)


def boot() -> None:
    """Start both containers on a network of their own."""
    output("docker", "network", "create", "--label", "loginwatch=demo", NAME)
    label = "loginwatch=demo"
    options = (*containers.RECEIVER_OPTIONS, "--publish=127.0.0.1::8080")
    containers.start(images.reference("debian12"), RECEIVER, NAME, label, *options, command=containers.RECEIVER)
    containers.start(images.reference("debian13"), SERVER, NAME, label, "--hostname=web-3", *containers.SYSTEMD)


def prepare() -> None:
    """Create the accounts on the server, and an inventory for the deploy playbook."""
    inventory = DIRECTORY / "inventory.json"
    host = {"ansible_connection": "community.docker.docker", "ansible_python_interpreter": "/usr/bin/python3"}
    fingerprint = f"lookup('ansible.builtin.pipe', 'ssh-keygen -lf {DIRECTORY / 'key.pub'}').split()[1]"
    settings = {
        "ssh_login_notify_webhook_url": "https://receiver:8443/services/T00000000/B00000000/not-a-real-secret",
        "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem",
        # A person who logs in to the demo again sees each login.
        "ssh_login_notify_repeat_minutes": 0,
        "ssh_login_notify_people": "{{ {" + fingerprint + ": 'Ada Lovelace'} }}",
    }
    groups = {"all": {"vars": settings}, "servers": {"hosts": {SERVER: host}}, "systemd": {"hosts": {SERVER: {}}}}
    inventory.write_text(json.dumps(groups))
    try:
        people.prepare(SERVER, people.make_key(DIRECTORY), people.authority(RECEIVER))
    except (LabError, TimeoutError) as error:
        raise Failure(str(error)) from error


def play(playbook: str | Path, **options) -> None:
    """Run a playbook on the demo's server, with only its changes as output."""
    variables = environment.variables()
    variables.update(ANSIBLE_DISPLAY_OK_HOSTS="false", ANSIBLE_DISPLAY_SKIPPED_HOSTS="false")
    program = environment.program("ansible-playbook")
    run(program, "--inventory", DIRECTORY / "inventory.json", playbook, env=variables, **options)


def log_in(ways: Iterable[str]) -> list[dict]:
    """Log in by each of these ways, and return the messages in the same order."""
    person = Person("deploy", address(SERVER), DIRECTORY, DIRECTORY / "key")
    sources = []
    for way in ways:
        say(f"logging in: {WAYS[way]}")
        try:
            sources.append(getattr(person, way)().source)
        except LoginError as error:
            raise Failure(str(error)) from error
    say("waiting for the alerts")
    deadline = time.monotonic() + ALERT_SECONDS
    while True:
        with urlopen(f"{page()}api/messages", timeout=10) as answer:  # noqa: S310 - our own receiver
            found = {message["fields"].get("From"): message for message in json.load(answer)["messages"]}
        if all(source in found for source in sources):
            return [found[source] for source in sources]
        if time.monotonic() > deadline:
            raise Failure(f"not all of the {len(sources)} logins were reported: look at {page()} and "
                          f"`docker exec {SERVER} ssh-login-notify status`.")  # fmt: skip
        time.sleep(0.5)


def show(messages: list[dict]) -> None:
    """Print each message as a block: the header, then the fields."""
    for message in messages:
        print(f"\n  {message['header']}")
        for label, value in message["fields"].items():
            print(f"    {label:10}{value}")


def page() -> str:
    """Return the address of the receiver's page on this machine."""
    return f"http://{output('docker', 'port', RECEIVER, '8080/tcp').splitlines()[0]}/"
