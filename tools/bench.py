"""Measure what an alert costs a login; the bench itself is bench/."""
from __future__ import annotations

from . import environment, images, system
from .command import ROOT, run


def start(arguments: list[str]) -> None:
    """Run the bench with these options of its own."""
    environment.ensure()
    system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git"})
    images.ensure()
    # It logs in and receives as the tests do.
    variables = {**environment.variables(), "PYTHONPATH": str(ROOT / "tests")}
    run(environment.program("python"), "-m", "bench", *arguments, env=variables)
