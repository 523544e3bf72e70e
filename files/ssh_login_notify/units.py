# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's units of the notifier: whether they do their part, and the end of pauses that are no longer needed."""

import json
import os

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

LONGEST_SECONDS = 10


class Installed:
    """What the role has set up on this host, as it wrote it down.

    scheduler: what starts the sender, `systemd`, `cron` or `none`; empty if that is not known. sandbox_without: the
    parts of the units' sandbox that the host refuses.
    """

    def __init__(self) -> None:
        self.scheduler = ""
        self.sandbox_without: List[str] = []
        try:
            with open(paths.HOST, "rb") as file:
                found = json.loads(file.read(1 << 16).decode("utf-8"))
            self.scheduler = str(found["scheduler"])
            self.sandbox_without = list(map(str, found["sandbox_without"]))
        except (OSError, ValueError, LookupError, TypeError):
            pass  # status reports the file, which is among those that the role installed


def systemd_starts_the_sender() -> bool:
    """Tell whether systemd starts the sender and the follower, so that the notifier need not do it itself.

    The role's file says so. Under SELinux sshd's domain may not look at systemd's units, and each look would be a line
    in the audit log.
    """
    scheduler = Installed().scheduler
    return scheduler == "systemd" if scheduler else _is_there(paths.SYSTEMD) and _is_there(paths.PATH_UNIT)


def _is_there(path: str) -> bool:
    """Tell whether a path exists. Where this process may not look, assume that it does.

    A sender that sshd's domain started would stay in that domain, which may open no connection, and would hold the lock
    against systemd's, which may.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def are_here() -> bool:
    """Tell whether systemd runs this host and the role's units are there (sd_booted(3))."""
    return os.path.isdir(paths.SYSTEMD) and os.path.exists(paths.PATH_UNIT)


def ask(*words: str) -> "Optional[str]":
    """Return what systemctl(1) prints; None where the role has set up no units, or systemd does not answer."""
    if not are_here():
        return None
    import subprocess  # expensive to load, and the observer's child only needs the above

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


def exit_codes() -> "Dict[str, int]":
    """Return the exit code of the last run of each service that systemd has started, by the unit's name."""
    found = {}
    for block in (ask("show", "--property=Id,ExecMainStatus", *paths.SERVICES) or "").split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if values.get("ExecMainStatus", "").isdigit():
            found[values.get("Id", "")] = int(values["ExecMainStatus"])
    return found


def end_pauses() -> None:
    """End systemd's pauses after failed runs of sender and follower: an operator may have fixed the cause. For root.

    If there is something to do, a path unit starts the service at once.
    """
    for service in paths.RESTARTED:
        if "auto-restart" in (ask("show", "--property=SubState", service) or ""):
            ask("stop", service)
