# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""privileges: root is given up for good, or nothing is sent."""

import grp
import os
import pwd

import pytest
from parts import needs_root
from ssh_login_notify import paths, privileges
from ssh_login_notify.privileges import PrivilegeError, give_up

# Python itself can affect each case.
pytestmark = pytest.mark.each


@needs_root
def test_after_giving_up_root_there_is_no_way_back(monkeypatch):
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(privileges.pwd, "getpwnam", lambda name: nobody if name == paths.USER else None)
    monkeypatch.setattr(privileges.grp, "getgrnam", lambda _: grp.getgrgid(nobody.pw_gid))
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([0, 1])
            give_up()
            good = os.getresuid() == (nobody.pw_uid,) * 3 and os.getresgid() == (nobody.pw_gid,) * 3
            good = good and os.getgroups() == [] and os.umask(0) == 0o027
            for call in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
                try:
                    call()
                    good = False
                except PermissionError:
                    pass
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_host_without_the_user_is_told_the_mend(monkeypatch):
    monkeypatch.setattr(paths, "USER", "no-such-user")
    with pytest.raises(PrivilegeError, match="run the role again"):
        give_up()


def test_a_user_with_roots_number_is_refused(monkeypatch):
    monkeypatch.setattr(paths, "USER", "root")
    with pytest.raises(PrivilegeError, match="root's uid"):
        give_up()
