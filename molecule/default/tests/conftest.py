# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario: the messages about the server itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from default.server import look

from tests.lab import watch


@pytest.fixture(scope="module")
def nobody_looks_by_the_clock(host) -> Iterator[None]:
    """Pause the watch, so that it reports a test's damage only when the test runs it."""
    with watch.nobody_looks_by_the_clock(host.check_output):
        yield


@pytest.fixture
def told(host, receiver) -> Callable[[], list[str]]:
    """The headers of the messages about this server since the test began. Earlier changes are reported before that."""
    look(host)
    receiver.settle()
    mark = receiver.last()
    name = host.check_output("hostname")

    def headers() -> list[str]:
        receiver.settle()
        messages = [message for message in receiver.messages(after=mark) if message.fields.get("Server") == name]
        assert all(message.harmless for message in messages)
        return [message.header for message in messages]

    return headers
