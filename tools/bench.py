"""Measure what an alert costs a login; the bench itself is bench/."""
from __future__ import annotations

from . import environment, images, system
from .command import run


def start(arguments: list[str]) -> None:
    """Run the bench with these options of its own."""
    environment.ensure()
    system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git"})
    images.ensure()
    run(environment.program("python"), "-m", "bench", *arguments, env=environment.variables())
