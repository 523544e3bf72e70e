# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet that shares a webhook delivers everything, without too many requests."""

from __future__ import annotations

from bench import webhook

HOSTS = 100


def test_a_fleet_gets_through_little_later_than_the_limit_itself_makes_it():
    found = dict(zip(webhook.HEAD, webhook.simulate(HOSTS, logins=1, retry_after=1)))
    assert found["not delivered"] == "0"
    assert int(found["messages"]) == HOSTS
    assert float(found["all delivered, min"]) < 2.5 * HOSTS / 60
    # Without a random part in each host's wait, there are five times as many.
    assert int(found["refused (429)"]) < 6 * HOSTS
