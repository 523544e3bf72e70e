# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several people who log in to one server at once, while a killer runs on it or its power fails."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.lab.logins import Login, LoginError, Person

from .server import Server

AT_A_TIME = 4
KILLER = Path(__file__).with_name("killer.py")
LOG = "/root/kills"
LONGEST_SECONDS = 300
TRIES = 50  # attempts to find something in the spool


@dataclass(frozen=True)
class Kill:
    """The killer's record of one kill."""

    at: float
    kind: str
    source: str  # of the login whose hook it was: "172.18.0.1 port 45006"
    may_be_lost: bool  # killed before its capture was in the spool
    waiting: list[str]  # the alerts that a sender had not finished with when it was killed


@dataclass(frozen=True)
class PowerCut:
    """The contents of the spool when the server's power failed: the names of captures and alerts."""

    at: float
    kept: set[str]


class Crowd:
    """People who share the account `deploy`."""

    def __init__(self, server: Server, directory: Path, key: Path) -> None:
        self._people: SimpleQueue[Person] = SimpleQueue()
        for number in range(AT_A_TIME):
            self._people.put(Person("deploy", server.address, directory / str(number), key))
        self._server = server

    def log_in(self, count: int) -> list[Login]:
        """Log in this many times."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(self._log_in, range(count)))

    def log_in_until_power_cut(self, count: int) -> tuple[list[Login], PowerCut]:
        """Log in until this many logins are done, cut the server's power during the next ones, and boot it again.

        Logins that the power cut interrupts are not returned.
        """
        logins: list[Login] = []
        going_down = threading.Event()

        def log_in_again_and_again(number: int) -> None:
            while not going_down.is_set():
                try:
                    logins.append(self._log_in(number))
                except LoginError:
                    if not going_down.is_set():
                        raise

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            all_of_them = [pool.submit(log_in_again_and_again, number) for number in range(AT_A_TIME)]
            try:
                while len(logins) < count and not any(one.done() for one in all_of_them):
                    time.sleep(0.01)
                kept = self._stop_with_something_to_lose()
            finally:
                going_down.set()
            self._server.cut_off()
            cut = PowerCut(time.time(), kept)
            for one in all_of_them:
                one.result()
        self._server.start()
        self._move_to(self._server.address)
        return logins, cut

    def _stop_with_something_to_lose(self) -> set[str]:
        """Pause the server at a moment when its spool is not empty, and return the names of the spool's files."""
        for _try in range(TRIES):
            self._server.pause()
            kept = self._server.kept()
            if kept:
                return kept
            self._server.unpause()
            time.sleep(0.05)
        raise AssertionError(f"the spool was empty in {TRIES} attempts")

    def _log_in(self, _number: int) -> Login:
        person = self._people.get()
        try:
            return person.command()
        finally:
            self._people.put(person)

    def _move_to(self, address: str) -> None:
        for _person in range(AT_A_TIME):
            person = self._people.get()
            person.address = address
            self._people.put(person)


@contextmanager
def killer_at_work(server: Server, seed: int) -> Iterator[None]:
    """During the block, kill the notifier's processes on this server at random."""
    words = ["python3", "-c", KILLER.read_text(), str(seed), str(LONGEST_SECONDS), LOG]
    command = ["docker", "exec", "--interactive", server.container, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as killer:  # noqa: S603
        assert killer.stdin
        yield
        assert killer.poll() is None, "the killer ended early"
        killer.stdin.close()


def kills_on(server: Server) -> list[Kill]:
    """Return all kills so far."""
    return [Kill(**json.loads(line)) for line in server.run(f"cat {LOG}").splitlines()]
