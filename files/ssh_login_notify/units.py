# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notifier's systemd units: how the role set them up, their state, and the end of pauses that are not needed."""

import json
import os

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

LONGEST_SECONDS = 10


class Installed:
    """The role's record of how it set up this host.

    scheduler: what starts the sender, `systemd`, `cron` or `none`; empty if unknown. sandbox_without: the parts of the
    units' sandbox that the host refuses. logouts: whether a channel tells of the ends of connections.
    """

    def __init__(self) -> None:
        self.scheduler = ""
        self.sandbox_without: List[str] = []
        self.logouts = False
        try:
            with open(paths.HOST, "rb") as file:
                found = json.loads(file.read(1 << 16).decode("utf-8"))
            self.scheduler = str(found["scheduler"])
            self.sandbox_without = list(map(str, found["sandbox_without"]))
            self.logouts = found.get("logouts") is True  # earlier versions did not write it
        except (OSError, ValueError, LookupError, TypeError):
            pass  # status reports the file, because the role installed it


def systemd_starts_the_sender() -> bool:
    """Tell whether systemd starts the sender and the follower, so that the notifier need not do it itself.

    The role's record says so. Under SELinux, sshd's domain may not look at systemd's units, and each look would be a
    line in the audit log.
    """
    scheduler = Installed().scheduler
    return scheduler == "systemd" if scheduler else _is_there(paths.SYSTEMD) and _is_there(paths.PATH_UNIT)


def _is_there(path: str) -> bool:
    """Tell whether a path exists. If this process may not look, assume that it does.

    A sender that is started here would stay in sshd's domain, which may not open connections. And it would hold the
    lock, so that systemd's sender, which may, would not run.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def are_here() -> bool:
    """Tell whether systemd runs this host (sd_booted(3)) and the role's units are installed."""
    return os.path.isdir(paths.SYSTEMD) and os.path.exists(paths.PATH_UNIT)


def ask(*words: str) -> "Optional[str]":
    """Return the output of systemctl(1); None if the role installed no units, or systemd does not answer."""
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
        return None  # a problem of systemd, which the notifier does not report
    return asked.stdout.decode("ascii", "replace")


def exit_codes() -> "Dict[str, int]":
    """Return the exit code of the last run of each service, by the name of its unit."""
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
