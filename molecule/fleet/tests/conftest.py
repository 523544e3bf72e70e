# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of this scenario share: a fleet on which the notifier is at work, and playbooks that are cut off."""

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
    """Begin with a fleet on which the notifier is at work, as a module before may have left it."""
    if not all(server.file(PROGRAM).exists for server in servers.values()):
        run = play("deploy", AT_ONCE)
        assert run.status == 0, run.output


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
