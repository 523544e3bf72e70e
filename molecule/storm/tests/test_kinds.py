# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each login is one alert of the right type, while several kinds log in at once; `./dev bench kinds` makes more."""

from __future__ import annotations

import tempfile
from pathlib import Path

from conftest import KEY, SCENARIO

from tests.lab.containers import Server, address
from tests.lab.kinds import breaches, log_in_often, match, reported

testinfra_hosts = ["ansible://systemd"]

RUNS = 5  # logins of each kind


def test_each_login_is_one_alert_of_the_right_kind(host, receiver):
    container = host.backend.hostname
    server = Server(container.removesuffix(f"-{SCENARIO}"), container, address(container), KEY)
    mark = receiver.last()
    # It contains sockets, whose paths are limited to about 100 characters.
    with tempfile.TemporaryDirectory(prefix="kinds-") as directory:
        logins, failures = log_in_often(server, Path(directory), RUNS)
    entries, strangers = match(logins, reported(receiver, mark, len(logins)))
    assert breaches(entries, strangers, failures) == []
