# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check that each login is one alert of the right type, among many of every kind (tests/lab/kinds.py)."""

from __future__ import annotations

from tests.lab.kinds import AT_A_TIME, KINDS, breaches, log_in_often, match, reported, tally
from tools.command import say

from .report import Finding
from .servers import Stage

RUNS = 50  # of each kind


def measure(stage: Stage, runs: int) -> Finding:
    """Log in to one server after another."""
    texts, broken = [], []
    for server in stage.servers:
        say(f"kinds: {server.title}, {runs} logins of each of {len(KINDS)} kinds")
        last = stage.receiver.last()
        logins, failures = log_in_often(server, stage.directory, runs)
        entries, strangers = match(logins, reported(stage.receiver, last, len(logins)))
        head = f"{server.title}, {runs} logins of each kind, {AT_A_TIME} at a time:"
        texts.append(f"{head}\n\n{tally(entries, failures)}")
        broken += [f"{server.title}: {what}" for what in breaches(entries, strangers, failures)]
    return Finding("\n\n".join(texts), broken)
