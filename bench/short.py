# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check whether the shortest sessions are seen: `ssh host true`, one after another and three at a time.

The servers are of two kinds, idle and next to two busy processes:

- a container, as in the other parts;
- this machine itself: the container's file system and its sshd, in a private mount namespace and otherwise in the
  namespaces of the first process. There the kernel reports more, and lets the observer run first. This needs root.

All logins are alike, so counting their alerts is enough. They are read from the spool, because no sender runs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.lab.command import LabError
from tests.lab.containers import Server
from tests.lab.tables import table
from tests.lab.types import UNKNOWN, is_less_and_true
from tools.command import ROOT, Failure, output, run, say

from .report import Finding
from .servers import SENDER_STARTERS, Stage

RUNS = 1000  # one after another; half as many three at a time
# Logins in a row with one program, before the other has its turn. Each turn waits some seconds for its alerts.
BLOCK = 50
AT_A_TIME = (1, 3)
BUSY_PROCESSES = (0, 2)
NAMED = "SSH (command: true)"
# The limits.
MOST_UNKNOWN = 0.005
LEAST_NAMED = 0.97  # on a host; a container can keep the observer from running first
ENOUGH = 200  # logins, the fewest for which these shares make sense
ALERT_SECONDS = 20.0
START_SECONDS = 10.0
FIRST_PORT = 22012
REAL_TIME_MICROSECONDS = (800000, 400000)  # of each second: for all containers of the cgroup, and for one
SPOOL = "/var/spool/ssh-login-notify"
PROGRAMS = "/opt/bench-programs"
HERE = "this one"
HEAD = ["server", "program", "logins", "named", "in part", "unknown", "wrong", "missing", "median, ms"]
BUSY = "while True: pass"


@dataclass(frozen=True)
class Options:
    """How this measurement differs from the usual one.

    against: a commit, whose program takes turns with the program of this checkout
    processors: how many processors the servers have, 0 for all
    delay: milliseconds that are added to a round trip on the network
    """

    against: str = ""
    processors: int = 0
    delay: float = 0.0

    @property
    def of_the_servers(self) -> str:
        """The servers' processors, in the syntax of taskset(1)."""
        return f"0-{self.processors - 1}" if self.processors else f"0-{(os.cpu_count() or 1) - 1}"


@dataclass(frozen=True)
class Place:
    """A server, in a container or on this machine."""

    title: str
    enter: list[str]  # the prefix of a command that is to run on it
    ssh: list[str]

    def shell(self, script: str) -> str:
        """Return the output of a shell script that root runs on it."""
        return output(*self.enter, "sh", "-euc", script)

    def provide(self, name: str, archive: Path) -> None:
        """Copy a program to it, and compile its byte code as the role does."""
        directory = f"{PROGRAMS}/{name}"
        self.shell(f"mkdir -p {directory}")
        with archive.open() as file:
            subprocess.run([*self.enter, "tar", "-x", "-f", "-", "-C", directory], stdin=file, check=True)
        self.shell(f"cd {directory}/files/ssh_login_notify; python3 -m compileall -q . || true")

    def use(self, name: str) -> None:
        """Install a program in place of the previous one."""
        library, hook = "/usr/local/lib/ssh-login-notify", "/usr/local/bin/ssh-login-notify"
        self.shell(
            f"cd {PROGRAMS}/{name}/files; rm -rf {library}/ssh_login_notify; cp -a ssh_login_notify {library}; "
            f"cp -a ssh-login-notify {hook}.new; mv {hook}.new {hook}"
        )

    def take_types(self, expected: int) -> list[str]:
        """Return the types of the alerts once there are this many, and remove the alerts."""
        deadline = time.monotonic() + ALERT_SECONDS
        while int(self.shell(f"ls {SPOOL}/outgoing | wc -l")) < expected and time.monotonic() < deadline:
            time.sleep(0.1)
        lines = self.shell(
            f"cd {SPOOL}/outgoing; for name in *; do cat $name; echo; rm $name; done; rm -f ../state/wake"
        )
        return [json.loads(line)["type"] for line in lines.splitlines() if line]


@dataclass
class Tally:
    """The results of the logins with one program in one place."""

    types: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def logins(self) -> int:
        return len(self.seconds)

    @property
    def named(self) -> int:
        return self.types[NAMED]

    @property
    def in_part(self) -> int:
        """Logins that were reported as over at once, without what they ran."""
        return sum(count for said, count in self.types.items() if is_less_and_true(said, NAMED))

    @property
    def unknown(self) -> int:
        return self.types[UNKNOWN]

    @property
    def wrong(self) -> int:
        return self.types.total() - self.named - self.in_part - self.unknown

    @property
    def missing(self) -> int:
        return self.logins - self.types.total()

    def row(self, title: str, program: str) -> list[str]:
        """Return a line of the table."""
        counts = (self.logins, self.named, self.in_part, self.unknown, self.wrong, self.missing)
        return [title, program, *(f"{count:,}" for count in counts), f"{median(self.seconds) * 1000:.0f}"]


def measure(stage: Stage, runs: int, options: Options) -> Finding:
    """Log in to each server in each way."""
    archives = {HERE: archive_of("", stage.directory)}
    if options.against:
        archives[options.against] = archive_of(options.against, stage.directory)
    rows, broken, notes = [], [], []
    for number, server in enumerate(stage.servers):
        with ExitStack() as stack:
            places = [stack.enter_context(in_a_container(server, options))]
            try:
                places.append(stack.enter_context(on_this_machine(server, stage, FIRST_PORT + number, options)))
            except (Failure, LabError) as failure:
                notes.append(f"{server.title} was not measured on the machine itself: {failure}")
            for place in places:
                for name, archive in archives.items():
                    place.provide(name.replace(" ", "-"), archive)
                tallies = tallies_of(place, runs, list(archives))
                for (way, name), tally in tallies.items():
                    rows.append(tally.row(f"{place.title}, {way}", name))
                    broken += breaches(place, way, tally) if name == HERE else []
    head = "`ssh host true`"
    head += f", the servers on {options.processors} processors" if options.processors else ""
    head += f", a network with {options.delay:g} ms" if options.delay else ""
    return Finding("\n\n".join([f"{head}:", table(HEAD, rows), *notes]), broken)


def archive_of(commit: str, directory: Path) -> Path:
    """Pack the program of a commit or of this checkout, with symlinks resolved."""
    tree = directory / f"program-{commit or 'here'}"
    if commit:
        tree.mkdir()
        packed = tree / "packed"
        run("git", "-C", ROOT, "archive", "--output", packed, "--format=tar", commit, "files", "plugins")
        run("tar", "-x", "-f", packed, "-C", tree)
    archive = directory / f"program-{commit or 'here'}.tar"
    run("tar", "-c", "-h", "--exclude=__pycache__", "-f", archive, "-C", tree if commit else ROOT, "files")
    return archive


def tallies_of(place: Place, runs: int, programs: list[str]) -> dict[tuple[str, str], Tally]:
    """Log in one after another and three at a time, idle and busy, by turns with each program."""
    found: dict[tuple[str, str], Tally] = {}
    for at_a_time in AT_A_TIME:
        for busy in BUSY_PROCESSES:
            way = f"{'one after the other' if at_a_time == 1 else f'{at_a_time} at a time'}{', busy' if busy else ''}"
            logins = runs if at_a_time == 1 else runs // 2
            say(f"short: {place.title}, {way}, {logins} logins")
            for name in programs:
                found[way, name] = Tally()
            with keeping_busy(busy):
                for turn in range(max(1, logins // BLOCK)):
                    for name in programs if turn % 2 else reversed(programs):
                        log_in(place, name.replace(" ", "-"), at_a_time, min(BLOCK, logins), found[way, name])
            for name in programs:
                say(", ".join(map(" ".join, zip(HEAD[1:], found[way, name].row("", name)[1:]))))
    return found


def log_in(place: Place, program: str, at_a_time: int, logins: int, tally: Tally) -> None:
    """Log in this many times with a program, and add the results to the tally."""
    place.use(program)
    run(*place.ssh, "true")  # the first login loads its files into memory
    place.take_types(1)

    def timed(_number: int) -> float:
        start = time.perf_counter()
        run(*place.ssh, "true")
        return time.perf_counter() - start

    with ThreadPoolExecutor(at_a_time) as pool:
        tally.seconds += pool.map(timed, range(logins))
    tally.types.update(place.take_types(logins))


@contextmanager
def keeping_busy(number: int) -> Iterator[None]:
    """Keep this many processes busy during the block, each in a session of its own."""
    processes = [subprocess.Popen([sys.executable, "-IS", "-c", BUSY], start_new_session=True) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def in_a_container(server: Server, options: Options) -> Iterator[Place]:
    """Yield the server as it is, without a sender."""
    server.shell(f"systemctl stop {SENDER_STARTERS}")
    server.wait_until_quiet()
    run("docker", "update", "--cpuset-cpus", options.of_the_servers, server.container, stdout=subprocess.DEVNULL)
    place = Place(
        f"{server.title}, container", ["docker", "exec", "--interactive", server.container], slowly(server.ssh, options)
    )
    place.shell(f"rm -f {SPOOL}/outgoing/* {SPOOL}/state/wake")
    with allowed_real_time(server):
        yield place
    place.use(HERE.replace(" ", "-"))
    server.shell(f"systemctl start {SENDER_STARTERS}")


@contextmanager
def allowed_real_time(server: Server) -> Iterator[None]:
    """Let the container's processes run before ordinary ones, as CAP_SYS_NICE does on most kernels.

    With CONFIG_RT_GROUP_SCHED, cgroups of version 1 also need a real-time allowance, and so do those above them.
    """
    own = output("docker", "inspect", "--format", "{{.Id}}", server.container)
    paths = list(Path("/sys/fs/cgroup/cpu").glob(f"**/{own}/cpu.rt_runtime_us"))
    changed = {
        path: path.read_text() for own_path in paths for path in (own_path.parent.parent / own_path.name, own_path)
    }
    try:
        for path, microseconds in zip(changed, REAL_TIME_MICROSECONDS):
            path.write_text(str(microseconds))
    except OSError as error:
        say(f"short: {server.title}: the container can't be allowed to run first ({error})")
    try:
        yield
    finally:
        for path in reversed(changed):
            with suppress(OSError):  # others may need it
                path.write_text(changed[path])


@contextmanager
def on_this_machine(server: Server, stage: Stage, port: int, options: Options) -> Iterator[Place]:
    """Yield the server's file system with its own sshd on loopback. Raises Failure if that is not possible."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise Failure("this needs root and the command unshare")
    root = stage.directory / f"root-{server.container}"
    root.mkdir()
    packed = stage.directory / f"{server.container}.tar"
    run("docker", "export", "--output", packed, server.container)
    run("tar", "-x", "-f", packed, "-C", root)
    packed.unlink()
    # In /run a systemd seems to run, so that no sender is started. No log is kept.
    script = (
        'cd "$1"; mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run; '
        "mkdir -p run/sshd run/systemd/system; "
        f"exec taskset -c {options.of_the_servers} chroot . /usr/sbin/sshd -D -p {port} -o ListenAddress=127.0.0.1 "
        "-o PidFile=none"
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", str(root)]
    with subprocess.Popen(command, start_new_session=True) as sshd:
        try:
            wait_for_port(port, sshd)
            enter = ["nsenter", f"--mount=/proc/{sshd.pid}/ns/mnt", "chroot", str(root)]
            ssh = [word.replace(f"@{server.address}", "@127.0.0.1") for word in server.ssh]
            ssh = slowly([*ssh[:-1], "-p", str(port), ssh[-1]], options)
            place = Place(f"{server.title}, host", enter, ssh)
            place.shell(f"rm -f {SPOOL}/outgoing/* {SPOOL}/state/wake")
            yield place
        finally:
            sshd.send_signal(signal.SIGTERM)
            sshd.wait()
            shutil.rmtree(root)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process listens on the port. Raises Failure if the given process has ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Failure(f"its sshd does not listen on port {port}")


def slowly(ssh: list[str], options: Options) -> list[str]:
    """Return the same client on a slower network, if a delay is set."""
    if not options.delay:
        return ssh
    slow = f"{sys.executable} -ISB {ROOT / 'bench' / 'slow.py'} %h %p {options.delay:g}"
    return [*ssh[:-1], "-o", f"ProxyCommand={slow}", ssh[-1]]


def breaches(place: Place, way: str, tally: Tally) -> list[str]:
    """Return every broken promise, one sentence each."""
    what = f"{place.title}, {way}: of {tally.logins} logins"
    found = [
        f"{what} {count} are {name}" for name, count in (("wrong", tally.wrong), ("missing", tally.missing)) if count
    ]
    if tally.logins >= ENOUGH and tally.unknown > MOST_UNKNOWN * tally.logins:
        found.append(f"{what} {tally.unknown} are unknown, more than {MOST_UNKNOWN:.1%}")
    if tally.logins >= ENOUGH and place.title.endswith("host") and tally.named < LEAST_NAMED * tally.logins:
        found.append(f"{what} {tally.named} are named, less than {LEAST_NAMED:.0%}")
    return found
