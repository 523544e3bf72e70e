# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""groups: the host decides who is in a group, and a directory service that hangs or fails puts nobody in one."""

import grp
import os
import pwd
import time

import pytest
from ssh_login_notify import groups

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded")


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """Forget the results of other tests, and return the lines of the log."""
    found = []
    monkeypatch.setattr(groups, "_answers", {})
    monkeypatch.setattr(groups, "_silent_until", 0.0)
    monkeypatch.setattr(groups, "trouble", found.append)
    return found


def members():
    """Yield some of this machine's accounts, each with one of its groups."""
    primary = [(entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name) for entry in pwd.getpwall()[:3]]
    names = {entry.pw_name for entry in pwd.getpwall()}
    return primary + [(name, group.gr_name) for group in grp.getgrall() for name in group.gr_mem if name in names][:3]


@pytest.mark.parametrize(("user", "group"), members())
def test_an_account_is_in_its_primary_group_and_in_the_others(user, group):
    assert groups.has_member([group], user)
    assert groups.has_member(["no-such-group", group], user)


@pytest.mark.parametrize(
    ("names", "user"),
    [(["no-such-group"], "root"), (["root"], "nobody"), (["root"], "no-such-user"), (["root"], ""), ([], "root"),
     (["roo"], "root"), (["Root"], "root"), (["root "], "root"), (["0"], "root"), (["root"], "roo"),
     (["root\0"], "root"), (["root"], "root\0"), (["root"], "r\udcffoot")],
)  # fmt: skip
def test_nobody_else_is_in_it(names, user):
    assert not groups.has_member(names, user)


@pytest.fixture
def hanging_directory(monkeypatch):
    """A directory service that does not answer: looking up a user never ends."""
    asked = []

    def getpwnam(user):
        time.sleep(60)

    fork = os.fork
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    monkeypatch.setattr(os, "fork", lambda: asked.append(1) or fork())
    monkeypatch.setattr(groups, "ANSWER_SECONDS", 0.2)
    return asked


def test_a_directory_that_hangs_delays_a_burst_of_logins_once_and_nobody_is_in_a_group(hanging_directory, said):
    began = time.monotonic()
    assert not any(groups.has_member(["root"], user) for user in ("root", "ada", "bob") * 100)
    assert time.monotonic() - began < 2
    assert len(hanging_directory) == 1
    (sentence,) = said
    assert "no rule with `group` matches: check the directory" in sentence
    # No child is left behind.
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_after_a_while_it_is_asked_again(hanging_directory, monkeypatch):
    assert not groups.has_member(["root"], "root")
    monkeypatch.setattr(groups, "_silent_until", time.monotonic() - 1)
    assert not groups.has_member(["root"], "root")
    assert len(hanging_directory) == 2


def test_a_look_up_that_crashes_is_no_answer(monkeypatch, said):
    monkeypatch.setattr(pwd, "getpwnam", lambda _user: os._exit(1))
    assert not groups.has_member(["root"], "root")
    assert len(said) == 1


def test_a_host_without_a_free_process_has_no_answer(monkeypatch, said):
    def fork():
        raise BlockingIOError("no process")

    monkeypatch.setattr(os, "fork", fork)
    assert not groups.has_member(["root"], "root")
    assert len(said) == 1


def test_a_burst_of_the_same_account_is_one_question(monkeypatch):
    asked = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: asked.append(1) or fork())
    assert all(groups.has_member(["root"], "root") for _ in range(50))
    assert len(asked) == 1
    assert not groups.has_member(["root"], "nobody")
    monkeypatch.setattr(groups, "FRESH_SECONDS", 0)
    assert groups.has_member(["root"], "root")
    assert len(asked) == 3
