# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enables and starts, or stops and disables, several systemd units with few calls of systemctl(1)."""

import shlex
from typing import Callable, Dict, List, Tuple

# Runs systemctl with these words, and returns its exit code, standard output and standard error.
Runner = Callable[[List[str]], Tuple[int, str, str]]

PROPERTIES = "--property=UnitFileState,ActiveState"
# The values of UnitFileState that `systemctl disable` changes. A service without [Install] is `static`.
ENABLED = ("enabled", "enabled-runtime")
# The values of ActiveState that `systemctl stop` does not change.
NOT_RUNNING = ("inactive", "failed", "")


class SystemdError(Exception):
    """systemctl failed. The message contains the command and the error of systemd."""


class SystemdUnits:
    """Brings units to the wanted state. With ``check_mode`` it only determines the changes.

    changes: one line for each change.
    """

    def __init__(self, run: Runner, offline: bool, check_mode: bool) -> None:
        """offline: the host is an image, in which systemctl only reads and changes files."""
        self._run = run
        self._offline = offline
        self._check_mode = check_mode
        self.changes: List[str] = []

    def bring_to(self, started: List[str], stopped: List[str], reload: bool) -> None:
        """Enable and start the units in ``started``, disable and stop those in ``stopped``.

        reload: unit files have changed, so systemd rereads them and restarts the active units in ``started``.

        Raises SystemdError if systemctl fails.
        """
        states = self._states([*started, *stopped])
        enable = [name for name in started if states[name]["UnitFileState"] != "enabled"]
        disable = [name for name in stopped if states[name]["UnitFileState"] in ENABLED]
        # Without --no-reload, systemd would reread all unit files after each of the two.
        self._change("enable", enable, "--no-reload")
        self._change("disable", disable, "--no-reload")
        if self._offline:
            return
        if reload or enable or disable:
            self._systemctl("daemon-reload")
        # One after the other, because a timer that still runs could start its service again.
        for name in stopped:
            if states[name]["ActiveState"] not in NOT_RUNNING:
                self._change("stop", [name])
        active = [name for name in started if states[name]["ActiveState"] == "active"]
        self._change("restart", active if reload else [])
        self._change("start", [name for name in started if name not in active])

    def _states(self, names: List[str]) -> Dict[str, Dict[str, str]]:
        """Return UnitFileState and ActiveState of each unit. Both are empty if the unit does not exist."""
        states = {name: {"UnitFileState": "", "ActiveState": ""} for name in names}
        if self._offline:
            for name in names:
                states[name]["UnitFileState"] = self._run(["is-enabled", name])[1].strip()
        elif names:
            # systemctl prints one paragraph for each unit, in the given order.
            for name, text in zip(names, self._output("show", PROPERTIES, *names).split("\n\n")):
                states[name].update(line.partition("=")[::2] for line in text.splitlines())
        return states

    def _change(self, verb: str, names: List[str], *options: str) -> None:
        if names:
            self._systemctl(*options, verb, *names)
            self.changes += [f"{verb} {name}" for name in names]

    def _systemctl(self, *words: str) -> None:
        if not self._check_mode:
            self._output(*words)

    def _output(self, *words: str) -> str:
        status, output, errors = self._run(list(words))
        if status != 0:
            command = " ".join(shlex.quote(word) for word in ["systemctl", *words])
            reason = errors.strip() or output.strip() or f"exit code {status}"
            raise SystemdError(f"`{command}` failed: {reason}")
        return output
