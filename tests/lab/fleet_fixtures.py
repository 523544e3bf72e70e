# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for a fleet: as its operators see it, and its hosts from inside. A conftest imports those that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import testinfra

from .operating import CONFIGURATION, GROWN, NAMES, SCENARIO, Operator, Run


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Operator:
    """Run a playbook of the collection on the fleet."""
    return Operator(tmp_path_factory.mktemp("operator"))


@pytest.fixture
def verify(play, tmp_path) -> Callable[..., tuple[Run, dict[str, dict]]]:
    """Verify the fleet. Returns the run, and the report's hosts by name. The report is in tmp_path."""

    def verified(**variables: dict[str, object]) -> tuple[Run, dict[str, dict]]:
        run = play("verify", ("-e", f"verify_report={tmp_path}"), **variables)
        return run, {record["host"]: record for record in json.loads((tmp_path / "report.json").read_text())["hosts"]}

    return verified


@pytest.fixture
def webhooks(servers) -> Callable[[], set[str]]:
    """Return the set of webhooks that the hosts have."""

    def read() -> set[str]:
        return {json.loads(server.check_output(f"cat {CONFIGURATION}"))["webhook_url"] for server in servers.values()}

    return read


@pytest.fixture(scope="session")
def servers() -> dict[str, testinfra.host.Host]:
    """The hosts by their names in the inventory, reached without SSH, so that a check is not a login."""
    return {name: testinfra.get_host(f"docker://{name}-{SCENARIO}") for name in NAMES}


@pytest.fixture(scope="session")
def grown_servers() -> dict[str, testinfra.host.Host]:
    """The same for all six hosts."""
    return {name: testinfra.get_host(f"docker://{name}-{SCENARIO}") for name in GROWN}
