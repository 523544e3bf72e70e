# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notifier's systemd units: how the role set them up, their state, and how to end their pauses."""

import json
import os
import re

from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

LONGEST_SECONDS = 10
PROPERTIES = (
    "Id,LoadState,ActiveState,FragmentPath,ExecStart,ExecMainStatus,ConditionResult,ConditionTimestampMonotonic,Result"
)
# The command of a service, as `systemctl show` prints it.
STARTED = re.compile(r"\{ path=(?P<path>\S+) ; argv\[\]=\S+(?P<words>(?: [^ ;]\S*)*) ;")


class Installed:
    """The role's record of how it set up this host.

    scheduler: what starts the sender, `systemd`, `cron` or `none`; empty if unknown. sandbox_without: the parts of the
    units' sandbox that this host does not support. logouts: whether a channel reports the ends of connections.
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
            pass  # the file is one that the role installed, so `status` reports it


def systemd_starts_the_sender() -> bool:
    """Return whether systemd starts the sender and the follower, so that the notifier need not do it.

    The role's record says so. Under SELinux, sshd's domain is not allowed to look at systemd's units, and each attempt
    would add a line to the audit log.
    """
    scheduler = Installed().scheduler
    return scheduler == "systemd" if scheduler else _is_there(paths.SYSTEMD) and _is_there(paths.PATH_UNIT)


def _is_there(path: str) -> bool:
    """Return whether a path exists. If this process is not allowed to look, assume that it does.

    A sender that is started here would stay in sshd's domain, which is not allowed to open connections. It would also
    hold the lock, so that systemd's sender, which is allowed to, could not run.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def are_here() -> bool:
    """Return whether systemd runs this host (sd_booted(3)) and the role's units are installed."""
    return os.path.isdir(paths.SYSTEMD) and os.path.exists(paths.PATH_UNIT)


def ask(*words: str) -> "Optional[str]":
    """Return the output of systemctl(1), None if the role installed no units, or if systemd does not answer."""
    if not are_here():
        return None
    import subprocess  # slow to load, and the observer's child does not need it

    try:
        asked = subprocess.run(  # noqa: S603
            [paths.SYSTEMCTL, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # the notifier does not report problems of systemd itself
    return asked.stdout.decode("ascii", "replace")


class Unit:
    """One of the notifier's units, as systemd sees it.

    load: the state of its file (`loaded`, `masked`, `not-found`). active: the state of the unit. file: the path from
    which systemd read it. starts: the program that it starts, with its arguments, "" for none. exit_code: the exit code
    of the last run. is_skipped: systemd did not start it when it was due, because a condition was not met
    (systemd.unit(5), and ExecCondition= in systemd.service(5)).
    """

    def __init__(self, values: "Dict[str, str]") -> None:
        """values: the properties, as `systemctl show` prints them."""
        self.name = values.get("Id", "")
        self.load = values.get("LoadState", "")
        self.active = values.get("ActiveState", "")
        self.file = values.get("FragmentPath", "")
        started = STARTED.match(values.get("ExecStart", ""))
        self.starts = started.group("path") + started.group("words") if started else ""
        code = values.get("ExecMainStatus", "")
        self.exit_code = int(code) if code.isdigit() else 0
        was_asked = values.get("ConditionTimestampMonotonic", "0") not in ("", "0")
        self.is_skipped = values.get("Result") == "exec-condition"
        self.is_skipped |= was_asked and values.get("ConditionResult") == "no"

    def fault(self) -> str:
        """Return in words how it differs from what the role installed and started; empty if it does not differ."""
        expected = os.path.join(paths.UNIT_DIRECTORY, self.name)
        if self.load == "masked":
            return "is masked"
        if self.load == "loaded" and self.file != expected:
            return f"was read from {self.file} and not from {expected}"
        if self.name not in paths.SERVICES:
            return "" if self.active == "active" else f"is {self.active}"
        if self.load != "loaded":
            return f"is {self.load}" if self.load else ""
        command = f"{paths.PROGRAM} {paths.SERVICES[self.name]}"
        if self.starts != command:
            return f"starts {self.starts or 'nothing'} and not {command}"
        return "is skipped by systemd, because a condition is not met" if self.is_skipped else ""


def found() -> "List[Unit]":
    """Return the notifier's units, with one query. Empty if there are none, or if systemd does not answer."""
    answer = ask("show", "--property=" + PROPERTIES, *paths.UNITS, *paths.SERVICES) or ""
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in answer.split("\n\n")]
    return [Unit(values) for values in blocks if values.get("Id")]


def systemd_sends(units: "List[Unit]") -> bool:
    """Return whether systemd starts the sender as soon as there is something to send. units: the result of found()"""
    states = {unit.name: unit for unit in units}
    path, service = states.get(paths.WAKING_UNIT), states.get(paths.SERVICE)
    if not path or not service:
        return False
    return path.active == "active" and service.load == "loaded" and not service.fault()


def end_pauses() -> None:
    """End systemd's pauses after failed runs of sender and follower, because the cause may be fixed. Only for root.

    If there is work, a path unit then starts the service at once.
    """
    for service in paths.RESTARTED:
        if "auto-restart" in (ask("show", "--property=SubState", service) or ""):
            ask("stop", service)
