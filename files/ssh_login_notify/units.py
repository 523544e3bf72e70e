"""systemd's units of the notifier: whether they are at work, and the end of a pause that is not needed any more."""

import os
import subprocess

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

LONGEST_SECONDS = 10


def ask(*words: str) -> "Optional[str]":
    """Return what systemctl(1) prints; None where the role has set up no units, or systemd does not answer."""
    if not os.path.isdir(paths.SYSTEMD) or not os.path.exists(paths.PATH_UNIT):
        return None
    try:
        asked = subprocess.run(  # noqa: S603
            [paths.SYSTEMCTL, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # it has other troubles than ours
    return asked.stdout.decode("ascii", "replace")


def end_pause() -> None:
    """End the pause after a failed run of the sender: for an operator who may have mended its cause. For root.

    The path unit starts the sender at once if there is a sign to wake it.
    """
    if "auto-restart" in (ask("show", "--property=SubState", paths.SERVICE) or ""):
        ask("stop", paths.SERVICE)
