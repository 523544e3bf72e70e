# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario: a fleet with the notifier deployed, and playbooks that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.lab.fleet_fixtures import play, servers, verify, webhooks
from tests.lab.operating import AT_ONCE, ENVIRONMENT, PROGRAM, Operator

__all__ = ["play", "servers", "verify", "webhooks"]


@pytest.fixture(scope="module")
def deployed(play, servers) -> None:
    """Deploy the notifier, unless the module before has left it deployed."""
    if not all(server.file(PROGRAM).exists for server in servers.values()):
        run = play("deploy", AT_ONCE)
        assert run.status == 0, run.output


@pytest.fixture
def start(tmp_path) -> Callable[..., AbstractContextManager[Callable[[], None]]]:
    """Start a playbook that can be killed: with start("safety_valve") as kill. The end of the block kills it too."""

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
