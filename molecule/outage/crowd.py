# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several people who log in to one server at a time, while a killer is at work there or its power goes."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from logins import Login, LoginError, Person

from .server import Server

AT_A_TIME = 4
KILLER = Path(__file__).with_name("killer.py")
LOG = "/root/kills"
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Kill:
    """What the killer writes down of one kill."""

    at: float
    kind: str
    source: str  # whose hook it was: "172.18.0.1 port 45006"
    may_be_lost: bool  # killed before its capture stood in the spool


class Crowd:
    """People at the account `deploy`."""

    def __init__(self, server: Server, directory: Path, key: Path) -> None:
        self._people: SimpleQueue[Person] = SimpleQueue()
        for number in range(AT_A_TIME):
            self._people.put(Person("deploy", server.address, directory / str(number), key))
        self._server = server

    def log_in(self, count: int, power_cut_after: int = 0) -> tuple[list[Login], set[str]]:
        """Log in so many times. Return the logins, and the names of what stood in the spool when the power went.

        power_cut_after: after so many logins the server goes down, with the next of them under way, and boots again. A
        login that it cuts short counts for none here.
        """
        logins: list[Login] = []
        enough = threading.Event()
        down = threading.Event()

        def log_in(_number: int) -> None:
            person = self._people.get()
            try:
                if not down.is_set():
                    logins.append(person.command())
            except LoginError:
                if not power_cut_after:
                    raise
            finally:
                self._people.put(person)
            if len(logins) >= power_cut_after:
                enough.set()

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            done = pool.map(log_in, range(count))
            kept: set[str] = set()
            if power_cut_after:
                assert enough.wait(LONGEST_SECONDS)
                kept = self._server.cut_off()
                down.set()
            list(done)
        if power_cut_after:
            self._server.start()
            self._move_to(self._server.address)
        return logins, kept

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
