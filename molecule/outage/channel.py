# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channel's contents login by login, from single messages and from lines of digests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.lab.logins import Login
from tests.lab.receiver.client import Alert, Message

LATE = re.compile(r"sent \d+ (minutes|hours) late")


@dataclass(frozen=True)
class Report:
    """One report of a login in the channel."""

    id: str
    user: str
    source: str  # "172.18.0.1 port 45006"
    type: str
    time: float  # of the login, as the message shows it: seconds since the epoch, without a fraction
    late: bool = field(compare=False)  # as the message says; a repeated one can be late
    received_at: float = field(compare=False)
    message: int = field(compare=False)  # the message's number

    def tells_of(self, login: Login) -> bool:
        """Return whether it is about this login. Ports are reused, so the time counts too."""
        return self.source == login.source and login.started - 1 <= self.time <= login.started + login.seconds


def reports(messages: Iterable[Message]) -> list[Report]:
    """Return every report of a login in these messages, in order."""
    return [report for message in messages for report in _reports(message)]


def _reports(message: Message) -> list[Report]:
    return [_report(message, alert) for alert in message.alerts]


def _report(message: Message, alert: Alert) -> Report:
    late = bool(LATE.search(alert.note))
    return Report(
        alert.id, alert.user, alert.source, alert.type, alert.seconds, late, message.received_at, message.number
    )


@dataclass(frozen=True)
class Outcome:
    """Logins, and their reports in the channel."""

    logins: list[Login]
    reports: list[Report]

    @property
    def lost(self) -> list[Login]:
        """The logins without a report."""
        return [login for login in self.logins if not any(report.tells_of(login) for report in self.reports)]

    @property
    def first(self) -> list[Report]:
        """The first report of each id."""
        seen: dict[str, Report] = {}
        for report in self.reports:
            seen.setdefault(report.id, report)
        return list(seen.values())

    @property
    def again(self) -> list[Report]:
        """The repeated reports, which must match the first ones."""
        first = {report.id: report for report in self.first}
        return [report for report in self.reports if report is not first[report.id]]

    @property
    def contradictions(self) -> list[Report]:
        """The repeated reports that differ from the first ones."""
        return [report for report in self.again if report not in self.first]

    @property
    def in_order(self) -> bool:
        """Whether the reports have the order of the logins."""
        ids = [report.id for report in self.first]
        return ids == sorted(ids)

    @property
    def late(self) -> list[Report]:
        """The reports that are marked as late."""
        return [report for report in self.reports if report.late]

    def assert_each_told_once(self) -> None:
        """Assert that every login is reported exactly once, in order, and that nothing else is reported."""
        assert self.lost == []
        assert self.again == []
        assert self.in_order, [report.id for report in self.first]
        assert len(self.reports) == len(self.logins)

    def row(self, what: str) -> dict[str, str]:
        """Return a row of the scenario's table."""
        return {
            "what": what,
            "logins": str(len(self.logins)),
            "delivered": str(len(self.logins) - len(self.lost)),
            "duplicates": str(len(self.again)),
            "in order": "yes" if self.in_order else "no",
            "said late": str(len(self.late)),
        }
