# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login after many failed attempts from the same address is heavy, and its message has their number."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.containers import address
from tests.lab.logins import LoginError, Person
from tests.lab.people import FORGET_FAILURES

# Since 9.8 sshd itself blocks an address that fails so often (PerSourcePenalties, sshd_config(5)).
testinfra_hosts = ["ansible://debian12-default"]

CONNECTIONS = 12


@pytest.fixture
def _forgotten(host):
    """Remove the failures afterwards, because other tests log in from the same address."""
    yield
    host.check_output(FORGET_FAILURES)


@pytest.mark.usefixtures("_forgotten")
def test_a_login_after_many_failed_attempts_says_so(host, people, tmp_path, alerts):
    (before,) = alerts(people("rita").command())
    assert "after failures" not in before.fields.get("Weight", "")
    where = address(host.backend.hostname)

    def guess(number: int) -> None:
        with pytest.raises(LoginError):
            Person("rita", where, tmp_path / str(number), password=f"not-hers-{number}").command()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(guess, range(CONNECTIONS)))
    (message,) = alerts(people("rita").command())
    assert "after failures" in message.fields["Weight"]
    said = re.search(r"after (\d+) failed attempts from this address in ten minutes", message.fields["Attention"])
    assert said, message.fields
    # sshpass answers once per connection.
    assert int(said[1]) == CONNECTIONS
