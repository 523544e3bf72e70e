# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes the settings from a systemd unit that a host's systemd does not know, or that the host refuses.

systemd ignores an unknown setting, and logs ``Unknown lvalue`` each time it reads the unit. An unknown value can do
more harm: before 239, ``SystemCallFilter=@system-service`` allows almost nothing, and the service can't start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# Parts of the sandbox that a host can refuse, usually a container: the service's own mounts and namespaces, system call
# filters, capability limits.
NAMESPACES, SYSTEM_CALLS, CAPABILITIES = "namespaces", "system calls", "capabilities"
ALWAYS = 0
LAST = 1 << 30


class Setting(NamedTuple):
    """A setting: the first version of systemd that knows it, its part of the sandbox, and the last version.

    The versions come from "Added in version" in the manual pages of systemd 257 (systemd.exec(5), systemd.unit(5),
    systemd.service(5), systemd.timer(5), systemd.path(5)). The oldest relevant version is 219, in Amazon Linux 2.
    """

    since: int
    part: str = ""
    until: int = LAST


# `Name`, or `Name=value` if a value was added later than the setting.
SETTINGS = {
    # [Unit] and [Install]
    "Description": Setting(ALWAYS),
    "OnFailure": Setting(ALWAYS),
    "WantedBy": Setting(ALWAYS),
    "Wants": Setting(ALWAYS),
    # Renamed, and moved from [Service] to [Unit], by 229 and 230 (NEWS).
    "StartLimitIntervalSec": Setting(230),
    "StartLimitInterval": Setting(ALWAYS, until=229),
    # [Path] and [Timer]
    "AccuracySec": Setting(209),
    "DirectoryNotEmpty": Setting(ALWAYS),
    "OnActiveSec": Setting(ALWAYS),
    "OnCalendar": Setting(197),
    "OnUnitInactiveSec": Setting(ALWAYS),
    "PathExists": Setting(ALWAYS),
    "Persistent": Setting(212),
    "RandomizedDelaySec": Setting(229),
    "RemainAfterElapse": Setting(229),
    "TriggerLimitIntervalSec": Setting(250),
    "Unit": Setting(ALWAYS),
    # [Service]
    "Environment": Setting(ALWAYS),
    "ExecStart": Setting(ALWAYS),
    "LimitCORE": Setting(ALWAYS),
    "LogLevelMax": Setting(236),
    "NoNewPrivileges": Setting(187),
    "Restart": Setting(ALWAYS),
    "RestartPreventExitStatus": Setting(189),
    "RestartSec": Setting(ALWAYS),
    "RuntimeMaxSec": Setting(229),
    "SupplementaryGroups": Setting(ALWAYS),
    "Type": Setting(ALWAYS),
    "UMask": Setting(ALWAYS),
    # [Service]: the sandbox
    "CapabilityBoundingSet": Setting(ALWAYS, CAPABILITIES),
    "KeyringMode": Setting(235),
    "LockPersonality": Setting(235, SYSTEM_CALLS),
    "MemoryDenyWriteExecute": Setting(231, SYSTEM_CALLS),
    "PrivateDevices": Setting(209, NAMESPACES),
    "PrivateMounts": Setting(239, NAMESPACES),
    "PrivateNetwork": Setting(ALWAYS, NAMESPACES),
    "PrivateTmp": Setting(ALWAYS, NAMESPACES),
    "ProcSubset": Setting(247, NAMESPACES),
    "ProtectClock": Setting(245, SYSTEM_CALLS),
    "ProtectControlGroups": Setting(232, NAMESPACES),
    "ProtectHome": Setting(214, NAMESPACES),
    "ProtectHostname": Setting(242, NAMESPACES),
    "ProtectKernelLogs": Setting(244, NAMESPACES),
    "ProtectKernelModules": Setting(232, NAMESPACES),
    "ProtectKernelTunables": Setting(232, NAMESPACES),
    "ProtectProc": Setting(247, NAMESPACES),
    "ProtectSystem": Setting(214, NAMESPACES),
    "ProtectSystem=strict": Setting(232, NAMESPACES),
    "ReadWritePaths": Setting(231, NAMESPACES),
    "RemoveIPC": Setting(232),
    "RestrictAddressFamilies": Setting(211, SYSTEM_CALLS),
    "RestrictNamespaces": Setting(233, SYSTEM_CALLS),
    "RestrictRealtime": Setting(231, SYSTEM_CALLS),
    "RestrictSUIDSGID": Setting(242, SYSTEM_CALLS),
    "SystemCallArchitectures": Setting(209, SYSTEM_CALLS),
    # All our filters begin with the group @system-service, which was added in 239.
    "SystemCallErrorNumber": Setting(239, SYSTEM_CALLS),
    "SystemCallFilter": Setting(239, SYSTEM_CALLS),
}


def setting_of(line: str) -> Setting | None:
    """Return the setting in a line of a unit, None if the line has none, such as a comment or a section.

    Raises KeyError for a setting that is not in the table.
    """
    name, equals, _value = line.partition("=")
    if not equals or line.startswith("#"):
        return None
    return SETTINGS[line] if line in SETTINGS else SETTINGS[name]


def fitted(text: str, version: int, without: Iterable[str] = ()) -> str:
    """Return the text of a unit for a host. A comment stays if at least one of the settings below it stays.

    :param version: the version of the host's systemd
    :param without: parts of the sandbox that the host refuses
    """
    refused = set(without)
    kept: list[str] = []
    comment: list[str] = []
    has_left_out = False  # whether a setting was left out since the comment
    for line in text.splitlines():
        setting = setting_of(line)
        if line.startswith("#"):
            comment = [line] if has_left_out else [*comment, line]
            has_left_out = False
        elif setting and (not setting.since <= version <= setting.until or setting.part in refused):
            has_left_out = True
        else:
            kept += comment if setting or not has_left_out else []
            if line or kept[-1:] != [""]:  # no two empty lines in a row
                kept.append(line)
            comment, has_left_out = [], False
    return "\n".join(kept).rstrip("\n") + "\n"


def sandbox(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return the settings that confine services, in the order of the units, without duplicates.

    Each is a dictionary: setting (``ProtectHome=yes``), since (a version of systemd), part (of the sandbox).
    """
    found = {line: setting for text in texts for line, setting in _confining(text)}
    return [{"setting": line, "since": setting.since, "part": setting.part} for line, setting in found.items()]


def _confining(text: str) -> Iterator[tuple[str, Setting]]:
    for line in text.splitlines():
        setting = setting_of(line)
        if setting and setting.part:
            yield line, setting
