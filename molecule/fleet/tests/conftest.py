# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet as its operators see it, and the hosts of it as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import testinfra
from operating import AT_ONCE, CLEAN, CONFIGURATION, ENVIRONMENT, GROWN, NAMES, SCENARIO, Operator, Run


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Operator:
    """Run a playbook of the collection on the fleet."""
    return Operator(tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def deployed(play) -> Iterator[None]:
    """For modules that begin with a fleet on which the notifier is at work."""
    run = play("deploy", AT_ONCE)
    assert run.status == 0, run.output
    yield
    run = play("remove", CLEAN)
    assert run.status == 0, run.output


@pytest.fixture
def verify(play, tmp_path) -> Callable[..., tuple[Run, dict[str, dict]]]:
    """Verify the fleet: (run, the report's hosts by name); the report is in tmp_path."""

    def verified(**variables: dict[str, object]) -> tuple[Run, dict[str, dict]]:
        run = play("verify", ("-e", f"verify_report={tmp_path}"), **variables)
        return run, {record["host"]: record for record in json.loads((tmp_path / "report.json").read_text())["hosts"]}

    return verified


@pytest.fixture
def webhooks(servers) -> Callable[[], set[str]]:
    """What the hosts have."""

    def read() -> set[str]:
        return {json.loads(server.check_output(f"cat {CONFIGURATION}"))["webhook_url"] for server in servers.values()}

    return read


@pytest.fixture
def start(tmp_path) -> Callable[..., AbstractContextManager[Callable[[], None]]]:
    """Start a playbook, to cut it off: with start("safety_valve") as kill. Nothing of it outlives the block."""

    @contextmanager
    def running(playbook: str, extra: tuple[str, ...] = ()) -> Iterator[Callable[[], None]]:
        words = Operator(tmp_path).command(playbook, extra, {})
        process = subprocess.Popen(  # noqa: S603
            words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

        def kill() -> None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

        try:
            yield kill
        finally:
            kill()

    return running


@pytest.fixture(scope="session")
def servers() -> dict[str, testinfra.host.Host]:
    """The hosts themselves, by their names in the inventory: reached past SSH, so that looking logs nobody in."""
    return {name: testinfra.get_host(f"docker://{name}-{SCENARIO}") for name in NAMES}


@pytest.fixture(scope="session")
def grown_servers() -> dict[str, testinfra.host.Host]:
    """The same of all six hosts."""
    return {name: testinfra.get_host(f"docker://{name}-{SCENARIO}") for name in GROWN}
