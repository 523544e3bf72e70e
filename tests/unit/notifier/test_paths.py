# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paths: the few modules with a path of their own, because they import nothing yet, have the same path."""

import re

import pytest
from parts import FILES
from ssh_login_notify import command, config, overflow, paths, trust

# The conftest changes some paths, so read the installed ones.
INSTALLED = dict(re.findall(r'^([A-Z_]+) = "(.*)"$', (FILES / "ssh_login_notify" / "paths.py").read_text(), flags=re.M))


@pytest.mark.parametrize("name", ["LIBRARY", "SPOOL"])
def test_the_hooks_own_paths_are_those_of_the_package(name):
    hook = (FILES / "ssh-login-notify").read_text(encoding="utf-8")
    assert re.findall(rf'^{name} = "(.*)"$', hook, flags=re.M) == [INSTALLED[name]]


def test_the_sign_that_starts_a_sender_is_that_of_the_overflow():
    assert f"{INSTALLED['OVERFLOW']}/{overflow.WAKE}" == command.OVERFLOW_WAKE


def test_the_configuration_is_where_the_package_says():
    assert config.PATH == paths.CONFIGURATION == INSTALLED["CONFIGURATION"]


def test_all_that_root_trusts_is_checked():
    trusted = {INSTALLED["LIBRARY"], INSTALLED["SPOOL"]}
    trusted |= {path.rpartition("/")[0] for path in (INSTALLED["PROGRAM"], INSTALLED["CONFIGURATION"])}
    assert trusted <= set(trust.TRUSTED)
