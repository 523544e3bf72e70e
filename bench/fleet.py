# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how long a fleet takes: fifty hosts that Ansible reaches by SSH, with our role and with a usual one.

The hosts are containers with an sshd each, so they share this machine's processors with the controller. The hosts of a
real fleet have their own, so there the controller's own processor time counts. It is shown separately.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import containers as lab
from tests.lab import people
from tests.lab.command import docker
from tests.lab.tables import table
from tools import environment, images
from tools.command import ROOT, Failure, say, succeeds

from . import servers
from .report import Finding

if TYPE_CHECKING:
    from .servers import Stage

RUNS = 50  # hosts
FORKS = (5, 20, 50)
PLAYBOOK_SECONDS = 900
# As a share of the usual role's time. Runs of the same playbook have differed by a tenth on two processors.
BUDGETS = {"first": 1.1, "second": 0.75}
IMAGE = "bench-fleet"
MODEL = "loginwatch-bench-fleet-model"
NETWORK = "loginwatch-bench-fleet"
OURS, USUAL, DEPLOY = "loginwatch.pam", "usual role", "loginwatch.pam.deploy"
PLAYBOOKS = {
    OURS: str(servers.SHARED / "converge.yml"),
    USUAL: str(ROOT / "bench" / "usual" / "playbook.yml"),
    DEPLOY: DEPLOY,
}
# Restores a host to the state before any deployment, so that each first run is one.
RESET = """
pkill ssh-login-notif
cp -a /root/sshd.pam /etc/pam.d/sshd; crontab -r
rm -rf /usr/local/bin/* /usr/local/lib/ssh-login-notify /usr/local/etc/* /var/spool/ssh-login-notify
rm -rf /etc/cron.d/ssh-login-notify*; userdel ssh-login-notify; groupdel ssh-login-notify; true
"""
SPEED_HEAD = ["forks, role", "first run, s", "a host, s", "second run, s", "a host, s", "controller, CPU s a host"]
TRIPS_HEAD = ["role", "tasks", "first run", "without pipelining", "second run", "without pipelining"]
GROWTH_HEAD = ["hosts", "first run, min", "second run, min"]
# An assumption about a real controller.
PROCESSORS = 8


@dataclass(frozen=True)
class Fleet:
    """Hosts, and the inventory by which Ansible reaches them."""

    containers: list[str]
    inventory: Path

    def reset(self) -> None:
        """Restore each host to the state before any deployment."""
        commands = "\n".join(self.containers)
        subprocess.run(
            ["xargs", "-P8", "-I{}", "docker", "exec", "{}", "sh", "-c", RESET],
            input=commands, text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@dataclass(frozen=True)
class Played:
    """One run of a playbook."""

    seconds: float  # elapsed time
    processor: float  # seconds of the controller's processors
    output: str

    @property
    def tasks(self) -> int:
        """Number of tasks that ran on a host, the highest of all hosts."""
        return max(int(count) for count in re.findall(r"\bok=(\d+)", self.output))

    @property
    def changes(self) -> int:
        return sum(int(count) for count in re.findall(r"\bchanged=(\d+)", self.output))

    @property
    def round_trips(self) -> int:
        """How many requests Ansible has sent to the host: commands and files."""
        return len(re.findall(r"> SSH: EXEC", self.output))


@contextmanager
def running(count: int) -> Iterator[Fleet]:
    """Start the hosts and the receiver, and remove them at the end of the block."""
    say(f"fleet: starting {count} hosts")
    containers = [f"loginwatch-bench-fleet-{number:02}" for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        try:
            remove(containers)
            yield Fleet(containers, start(containers, directory))
        finally:
            remove(containers)


def remove(containers: list[str]) -> None:
    """Remove the containers, network and image of this run or of an interrupted one."""
    lab.remove(servers.RECEIVER, MODEL, *containers)
    succeeds("docker", "network", "rm", NETWORK)
    succeeds("docker", "rmi", images.reference(IMAGE))


def start(containers: list[str], directory: Path) -> Path:
    """Make one host with its accounts, and copy it for the others. Return the inventory."""
    docker("network", "create", f"--label={servers.LABEL}", NETWORK)
    servers.create_receiver(NETWORK)
    lab.start(images.reference("debian12"), MODEL, NETWORK, servers.LABEL, command=lab.SSHD)
    people.prepare(MODEL, people.make_key(directory), people.authority(servers.RECEIVER))
    docker("exec", MODEL, "cp", "-a", "/etc/pam.d/sshd", "/root/sshd.pam")
    docker("commit", MODEL, images.reference(IMAGE))
    lab.remove(MODEL)
    for container in containers:
        options = (f"--hostname={container.rpartition('bench-')[2]}", *lab.LIKE_A_HOST)
        lab.start(images.reference(IMAGE), container, NETWORK, servers.LABEL, *options, command=lab.SSHD)
    hosts = {container: {"ansible_host": lab.address(container)} for container in containers}
    variables = {
        **servers.SETTINGS,
        "ansible_connection": "ssh",
        "ansible_user": "deploy",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(directory / "key"),
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=no"
        " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
    }
    path = directory / "fleet.json"
    path.write_text(json.dumps({"all": {"children": {"servers": {"hosts": hosts, "vars": variables}}}}))
    return path


def play(fleet: Fleet, which: str, forks: int, *options: str, pipelining: bool = True) -> Played:
    """Run one of the playbooks. Raises Failure with its output if it fails."""
    variables = {**environment.variables(), "ANSIBLE_PIPELINING": str(pipelining), "ANSIBLE_FORKS": str(forks)}
    words = [environment.program("ansible-playbook"), "-i", fleet.inventory, PLAYBOOKS[which], *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [str(word) for word in words], env=variables, capture_output=True, text=True, check=False,
        timeout=PLAYBOOK_SECONDS,
    )  # fmt: skip
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"{which} has failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Played(seconds, processor, done.stdout)


def twice(fleet: Fleet, which: str, forks: int) -> tuple[Played, Played]:
    """Run a playbook on bare hosts, and once more. The second run must change nothing."""
    say(f"fleet: {which}, forks {forks}")
    fleet.reset()
    first, second = play(fleet, which, forks), play(fleet, which, forks)
    if second.changes:
        raise Failure(f"{which} has changed something in its second run:\n{second.output[-4000:]}")
    return first, second


def round_trips(fleet: Fleet) -> str:
    """Return the table of the requests that Ansible sends to one host."""
    rows = []
    one = ("-vvv", "--limit", fleet.containers[0])
    for which in PLAYBOOKS:
        cells = []
        tasks = 0
        for run_number in (1, 2):
            for pipelining in (True, False):
                if run_number == 1:
                    fleet.reset()
                    time.sleep(1)
                played = play(fleet, which, 1, *one, pipelining=pipelining)
                proof = played.output.partition("TASK [Wait for the alert of this login]")[2].partition("TASK [")[0]
                if which == DEPLOY and "ok: [" not in proof:
                    raise Failure(f"{which} has proven no login, so its round trips are incomplete")
                tasks = max(tasks, played.tasks)
                cells.append(str(played.round_trips))
        rows.append([which, str(tasks), *cells])
    return table(TRIPS_HEAD, rows)


def measure(_stage: Stage | None, count: int) -> Finding:
    """Deploy several times, by turns with the usual role."""
    rows = []
    slower = []
    controller = {}
    with running(count) as fleet:
        trips = round_trips(fleet)
        for forks in FORKS:
            found = {which: twice(fleet, which, forks) for which in (OURS, USUAL)}
            for which, (bare, again) in found.items():
                figures = [f"{bare.seconds:.0f}", f"{bare.seconds / count:.2f}"]
                figures += [f"{again.seconds:.0f}", f"{again.seconds / count:.2f}"]
                processor = f"{bare.processor / count:.2f} / {again.processor / count:.2f}"
                rows.append([f"{forks}, {which}", *figures, processor])
            ratios = [found[OURS][number].seconds / found[USUAL][number].seconds for number in (0, 1)]
            rows.append([f"{forks}, ratio", f"{ratios[0]:.2f}", "", f"{ratios[1]:.2f}", "", ""])
            controller = {which: [played.processor / count for played in runs] for which, runs in found.items()}
            for (which, budget), ratio in zip(BUDGETS.items(), ratios):
                if ratio > budget:
                    slower.append(f"with {forks} forks a {which} run takes {ratio:.2f} of the usual role's time")
    first, second = controller[OURS]
    growth = [
        [f"{hosts:,}", *(f"{seconds * hosts / PROCESSORS / 60:.0f}" for seconds in (first, second))]
        for hosts in (1_000, 10_000)
    ]
    text = "\n\n".join(
        [
            f"{count} hosts (Debian 12 without systemd, by SSH, with pipelining), on the controller's own processors.",
            table(SPEED_HEAD, rows),
            "How often Ansible asks one host for something, in a first run and in a second:",
            trips,
            f"The controller's own processors work {first:.2f} s for a host, and {second:.2f} s in a second run."
            f" With {PROCESSORS} that do nothing else, and forks enough to keep them busy, that is:",
            table(GROWTH_HEAD, growth),
        ]
    )
    return Finding(text, slower)
