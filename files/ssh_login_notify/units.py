# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's units of the notifier: whether they do their part, and the end of a pause that is no longer needed."""

import os

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

LONGEST_SECONDS = 10


def starts(path_unit: str) -> bool:
    """Tell whether systemd starts the service of this path unit, so that the notifier need not do it itself."""
    return _is_there(paths.SYSTEMD) and _is_there(path_unit)


def _is_there(path: str) -> bool:
    """Tell whether a path exists. Where this process may not look, assume that it does.

    Under SELinux sshd's domain need not be allowed to look. A sender that it started would stay in that domain, which
    may open no connection, and would hold the lock against systemd's, which may.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def ask(*words: str) -> "Optional[str]":
    """Return what systemctl(1) prints; None where the role has set up no units, or systemd does not answer."""
    if not os.path.isdir(paths.SYSTEMD) or not os.path.exists(paths.PATH_UNIT):
        return None
    import subprocess  # expensive to load, and the observer's child only needs starts()

    try:
        asked = subprocess.run(  # noqa: S603
            [paths.SYSTEMCTL, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # systemd has a problem that is not ours to report
    return asked.stdout.decode("ascii", "replace")


def end_pause() -> None:
    """End systemd's pause after a failed run of the sender: an operator may have fixed the cause. For root.

    If there is a sign to wake the sender, the path unit starts it at once.
    """
    if "auto-restart" in (ask("show", "--property=SubState", paths.SERVICE) or ""):
        ask("stop", paths.SERVICE)
