# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several people who log in to one server at a time, while a killer is at work there or its power goes."""

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
TRIES = 50  # to find something in the spool


@dataclass(frozen=True)
class Kill:
    """What the killer writes down of one kill."""

    at: float
    kind: str
    source: str  # whose hook it was: "172.18.0.1 port 45006"
    may_be_lost: bool  # killed before its capture stood in the spool
    waiting: list[str]  # the alerts that a sender had not done with when it was killed


@dataclass(frozen=True)
class PowerCut:
    """What stood in the spool when the server's power went: the names of captures and alerts."""

    at: float
    kept: set[str]


class Crowd:
    """People at the account `deploy`."""

    def __init__(self, server: Server, directory: Path, key: Path) -> None:
        self._people: SimpleQueue[Person] = SimpleQueue()
        for number in range(AT_A_TIME):
            self._people.put(Person("deploy", server.address, directory / str(number), key))
        self._server = server

    def log_in(self, count: int) -> list[Login]:
        """Log in so many times."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(self._log_in, range(count)))

    def log_in_until_power_cut(self, count: int) -> tuple[list[Login], PowerCut]:
        """Log in; after so many logins the server goes down, with the next of them under way, and boots again.

        A login that it cuts short counts for none here.
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
        """Stop the server at a moment at which something stands in its spool; return the names of that."""
        for _try in range(TRIES):
            self._server.pause()
            kept = self._server.kept()
            if kept:
                return kept
            self._server.unpause()
            time.sleep(0.05)
        raise AssertionError(f"in {TRIES} looks nothing stood in the spool")

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
    """Inside the block, the notifier's processes on this server are killed at random."""
    words = ["python3", "-c", KILLER.read_text(), str(seed), str(LONGEST_SECONDS), LOG]
    command = ["docker", "exec", "--interactive", server.container, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as killer:  # noqa: S603
        assert killer.stdin
        yield
        assert killer.poll() is None, "the killer has left early"
        killer.stdin.close()


def kills_on(server: Server) -> list[Kill]:
    """All kills so far."""
    return [Kill(**json.loads(line)) for line in server.run(f"cat {LOG}").splitlines()]
