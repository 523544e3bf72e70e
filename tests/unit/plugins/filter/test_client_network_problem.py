# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""client_network_problem: the role says of a rule's network what the notifier on the host says of it."""

from pathlib import Path

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.client_network_problem import FilterModule
from ansible_collections.loginwatch.pam.plugins.module_utils import client_networks

PROJECT = Path(__file__).resolve().parents[4]
problem = FilterModule().filters()["client_network_problem"]


@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_what_the_notifier_compares_has_no_problem(network):
    assert problem(network) == ""


@pytest.mark.parametrize("network", ["fe80::1", "10.0.0.5/8", "office.example", "", 10])
def test_what_it_refuses_has_one_that_names_it(network):
    assert repr(str(network)) in problem(network)


def test_the_code_on_the_host_is_the_same():
    installed = PROJECT / "files" / "ssh_login_notify" / "client_networks.py"
    assert installed.read_text(encoding="utf-8") == Path(client_networks.__file__).read_text(encoding="utf-8")
