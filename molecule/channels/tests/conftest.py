# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario: the server and its channels."""

from __future__ import annotations

import pytest
from channels.lab import Lab


@pytest.fixture(scope="module")
def lab(host, receiver) -> Lab:
    """The server, and everything that it sends to."""
    receiver.behave()
    return Lab(host, receiver)


@pytest.fixture(autouse=True)
def _as_the_vendors_do(receiver):
    yield
    receiver.behave()
