# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time how long a login waits for a hook: `python3 hold.py RUNS` prints JSON, the milliseconds of each run.

A child process acts as the sshd process that serves a connection. It forks, executes and waits as pam_exec(8) does
(pam_exec.c, call_exec): a new session, /dev/null, and only the PAM environment.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from children import adopt_orphans, wait_for_all

HOOK = "/usr/local/bin/ssh-login-notify"
SPOOL = Path("/var/spool/ssh-login-notify")
PYTHON = Path(HOOK).read_text().split()[0].removeprefix("#!")
PROGRAMS = {
    "bare": [PYTHON, "-IS", "-c", "pass"],
    "running": [HOOK],
    "starting": [HOOK],
    "shell": [str(Path(__file__).with_name("shell-hook"))],
}
ENVIRONMENT = {
    "SSH_AUTH_INFO_0": "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8C7oW0uq3nKq0r0wq0m0H3nPj3T2b2l5m4u1Q7wX9c",
    "SSH_CONNECTION": "203.0.113.50 45006 192.0.2.2 22",
    "PAM_RHOST": "203.0.113.50",
    "PAM_RUSER": "",
    "PAM_SERVICE": "sshd",
    "PAM_TTY": "ssh",
    "PAM_USER": "deploy",
    "PAM_TYPE": "open_session",
}
LIMIT_SECONDS = 30  # for one run and all its descendants
SETTLE_SECONDS = 0.02


class Run(NamedTuple):
    """The time of one run."""

    held: float  # milliseconds until the command ended
    used: float  # milliseconds of processor time, user and system (wait4(2)), without processes that it forked off


def run(command: list[str]) -> Run:
    """Run the command in a process that acts as the login, and return its times."""
    ours, its = os.pipe()
    login = os.fork()
    if login == 0:
        with os.fdopen(its, "w") as answer:
            json.dump(hold(command), answer)
        os._exit(0)
    os.close(its)
    os.waitpid(login, 0)
    with os.fdopen(ours) as answer:
        return Run(*json.load(answer))


def hold(command: list[str]) -> Run:
    """Run the command as pam_exec does, from the process that acts as the login, and return its times."""
    start = time.perf_counter_ns()
    child = os.fork()
    if child == 0:
        try:
            null = os.open("/dev/null", os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.setsid()
            os.execve(command[0], command, ENVIRONMENT)
        finally:
            os._exit(127)
    _pid, status, usage = os.wait4(child, 0)
    taken = time.perf_counter_ns() - start
    if status != 0:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(taken / 1e6, (usage.ru_utime + usage.ru_stime) * 1000)


@contextmanager
def observer() -> Iterator[None]:
    """Have an observer running during the block: it watches a login that shows no type, for 3 s at most."""
    login = os.fork()
    if login == 0:
        hold([HOOK])
        signal.pause()
    wait_for_observer()
    try:
        yield
        if not observer_is_running():
            raise RuntimeError("the observer ended before the run did: the machine is too busy for this")
    finally:
        os.kill(login, signal.SIGKILL)


def wait_for_observer() -> None:
    """Wait until an observer is running."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not observer_is_running():
        if time.monotonic() > deadline:
            raise RuntimeError("the hook has started no observer")
        time.sleep(0.002)


def observer_is_running() -> bool:
    """Return whether a process holds the observer's lock."""
    descriptor = os.open(SPOOL / "observer.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def time_of(name: str) -> float:
    """Return the milliseconds of one run, after the machine has become quiet."""
    signal.alarm(LIMIT_SECONDS)
    wait_for_all()
    time.sleep(SETTLE_SECONDS)
    if name == "running":
        with observer():
            return run(PROGRAMS[name]).held
    return run(PROGRAMS[name]).held


def alerts() -> int:
    """Return how many alerts wait in the spool."""
    return len(list((SPOOL / "outgoing").iterdir()))


def main() -> None:
    """Time each program RUNS times, in a new random order each time."""
    runs = int(sys.argv[1])
    adopt_orphans()
    for name in PROGRAMS:
        time_of(name)  # the first run of each loads its files into memory
    wait_for_all()
    before = alerts()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _run in range(runs):
        for name in random.sample(list(PROGRAMS), len(PROGRAMS)):
            times[name].append(time_of(name))
    wait_for_all()
    # The times count only if the hook did its work: one alert per run, and one per login that `running` adds.
    made, expected = alerts() - before, 3 * runs
    if made != expected:
        raise RuntimeError(f"{expected} runs of the hook made {made} alerts")
    print(json.dumps(times))


if __name__ == "__main__":
    main()
