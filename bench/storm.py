# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure a storm of a thousand logins within a minute. The storm itself is in tests/lab/storm.py."""

from __future__ import annotations

from tests.lab.logins.fleet import fleet
from tests.lab.storm import Storm, breaches, raise_storm, rows_of
from tests.lab.tables import table
from tests.lab.watch import nobody_looks_by_the_clock
from tools import images
from tools.command import say

from .report import Finding
from .servers import LABEL, NETWORK, Stage

RUNS = 1000
PEOPLE = "loginwatch-bench-people"
STORM_SECONDS = 60.0  # for a thousand logins


def measure(stage: Stage, runs: int) -> Finding:
    """Raise the storm on one server after another."""
    storms = []
    with fleet(PEOPLE, NETWORK, LABEL, images.reference("debian12")) as people:
        for server in stage.servers:
            say(f"storm: {server.title}, {runs} logins")
            with nobody_looks_by_the_clock(server.shell):
                storms.append(raise_storm(server, stage.receiver, people, runs))
    for storm in storms:
        if runs >= RUNS and storm.seconds > STORM_SECONDS:
            say(
                f"storm: {storm.server}: {runs} logins took {storm.seconds:.0f} s; this machine is too slow"
            )
    return Finding(table_of(storms), [sentence for storm in storms for sentence in breaches(storm)])


def table_of(storms: list[Storm]) -> str:
    """Return the table of the figures and their budgets."""
    return table(["", "budget", *(storm.server for storm in storms)], rows_of(storms))
