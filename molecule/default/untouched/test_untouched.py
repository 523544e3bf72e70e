# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode has run on a server that has never had the notifier, and has changed nothing."""

from tests.lab.footprint import changes

testinfra_hosts = ["ansible://servers"]


def test_check_mode_changes_nothing(host):
    assert changes(host) == []
