# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what an alert costs a login; the bench itself is bench/."""
from __future__ import annotations

from . import environment, images, system
from .command import ROOT, run


def start(arguments: list[str]) -> None:
    """Run the bench with these options of its own."""
    environment.ensure()
    system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git"})
    images.ensure()
    # One part simulates the notifier with the notifier's own modules.
    variables = {**environment.variables(), "PYTHONPATH": str(ROOT / "files")}
    run(environment.program("python"), "-m", "bench", *arguments, env=variables)
