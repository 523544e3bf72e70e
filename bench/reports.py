# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logins that a message tells of: one, or a digest's, a line each (files/ssh_login_notify/slack.py)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.receiver.client import Message


@dataclass(frozen=True)
class Report:
    """One login as the receiver was told of it."""

    id: str
    user: str
    source: str  # "172.18.0.1 port 45006"
    type: str
    shown_time: str  # "2026-11-25 02:06:30 UTC (+0000)"
    key: str

    @property
    def time(self) -> float:
        """Seconds since the epoch, of the login: an alert's id begins with it."""
        return float(self.id.partition("-")[0])


def reports_in(message: Message) -> list[Report]:
    """The logins of a message; none if it tells of something else."""
    if message.lines:
        return [_of_line(line, id_) for line, id_ in zip(message.lines, message.ids) if " · from " in line]
    fields = message.fields
    if "From" not in fields:
        return []
    return [Report(message.ids[0], *(fields[label] for label in ("User", "From", "Type", "Time", "Key")))]


def _of_line(line: str, id_: str) -> Report:
    what, source, time, key = line.split(" · ")[:4]
    user, _colon, type_ = what.partition(": ")
    return Report(id_, user, source.removeprefix("from "), type_, time, key)
