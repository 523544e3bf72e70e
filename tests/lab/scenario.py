# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start and remove a scenario's containers: Molecule runs `python -m tests.lab.scenario` (molecule/shared).

scenario up NAME DIRECTORY PLATFORMS     writes the key into DIRECTORY; PLATFORMS is that of molecule.yml, as JSON
scenario down NAME
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import containers, people
from .command import LabError, docker

# By the group of a platform: the options of `docker run`, and the first process.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "systemd": ((*containers.SYSTEMD, *containers.LIKE_A_HOST), containers.INIT),
    "guests": ((*containers.GUEST, *containers.LIKE_A_HOST), containers.INIT_OF_GUEST),
    "plain": (("--cap-add=SYS_NICE",), containers.SSHD),
    "receivers": (containers.RECEIVER_OPTIONS, containers.RECEIVER),
}


def up(name: str, directory: Path, platforms: list[dict[str, Any]]) -> None:
    """Start the platforms on a network of their own, and create the accounts on the servers."""
    label, network = f"loginwatch={name}", f"loginwatch-{name}"
    down(name)  # leftovers of an interrupted run
    docker("network", "create", f"--label={label}", network)

    def start(platform: dict[str, Any]) -> None:
        options, command = next(kind for group, kind in KINDS.items() if group in platform["groups"])
        hostname = f"--hostname={platform['hostname']}"
        containers.start(platform["image"], platform["name"], network, label, *options, hostname, command=command)

    key = people.make_key(directory)
    with ThreadPoolExecutor() as pool:
        list(pool.map(start, platforms))
        (receiver,) = (platform["name"] for platform in platforms if "receivers" in platform["groups"])
        servers = [platform["name"] for platform in platforms if "servers" in platform["groups"]]
        authority = people.authority(receiver)
        list(pool.map(lambda server: people.prepare(server, key, authority), servers))


def down(name: str) -> None:
    """Remove everything that the scenario has started."""
    label = f"label=loginwatch={name}"
    found = docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
    with ThreadPoolExecutor() as pool:
        list(pool.map(containers.remove, found))
    for network in docker("network", "ls", "--filter", label, "--format", "{{.Name}}").split():
        docker("network", "rm", network)


def main(arguments: list[str]) -> int:
    """Run the command line. Returns 1, with a message on standard error, if Docker fails."""
    action, name, *more = arguments
    try:
        if action == "up":
            directory, platforms = more
            up(name, Path(directory), json.loads(platforms))
        else:
            down(name)
    except (LabError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
