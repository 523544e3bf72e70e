# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How real shells parse command lines. One run is enough, because it does not depend on the notifier's Python."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, settings

sys.dont_write_bytecode = True  # files/ is installed as it is, so no byte code may be added

from real_shells import Shells  # noqa: E402

# The same examples each time. They take about half a minute, because every shell runs each of them.
settings.register_profile(
    "shells", derandomize=True, deadline=None, max_examples=150, database=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "searching", deadline=None, max_examples=5000, database=None, suppress_health_check=list(HealthCheck)
)


def pytest_addoption(parser):
    parser.addoption("--search", action="store_true", help="try new and many more examples of every property")


def pytest_configure(config):
    settings.load_profile("searching" if config.getoption("--search") else "shells")


@pytest.fixture(scope="session")
def shells(tmp_path_factory):
    return Shells(tmp_path_factory.mktemp("shells"))
