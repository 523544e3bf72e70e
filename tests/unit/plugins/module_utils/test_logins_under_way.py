# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logins still run the old PAM lines, with the process titles of OpenSSH 8.4, 9.2, 9.8 and 10.0."""

import os
import subprocess
import sys
import time

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _logins_under_way

SCRIPT = "/usr/local/bin/ssh-login-notify.sh"


def processes(*rows):
    """Return the result of a look, from rows of (pid, parent, title or list of arguments)."""
    found = {}
    for pid, parent, command in rows:
        words = command if isinstance(command, list) else [command]
        found[pid] = _logins_under_way.Process(pid, str(pid), parent, words)
    return found


LISTENER = (1, 0, "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups")


@pytest.mark.parametrize(
    ("priv", "net"),
    [
        ("sshd: ada [priv]", "sshd: ada [net]"),
        ("sshd: unknown [priv]", "sshd: unknown [net]"),
        ("sshd-session: ada [priv]", "sshd-session: ada [net]"),
        ("sshd-session: ada [priv]", "sshd-auth: ada [net]"),
        ("sshd-session: ada [postauth]", "run-parts"),
        ("sshd-second: ada [priv]", "sshd-second: ada [net]"),
        ("sshd.pam: ada [priv]", "sshd.pam: ada [net]"),
    ],
)
def test_a_login_that_is_asked_for_its_password_is_under_way(priv, net):
    assert _logins_under_way.under_way(processes(LISTENER, (7, 1, priv), (8, 7, net))) == {(7, "7")}


def test_so_is_one_whose_session_rules_run():
    found = processes(LISTENER, (7, 1, "sshd: ada [priv]"), (8, 7, ["/bin/sh", SCRIPT]))
    assert _logins_under_way.under_way(found) == {(7, "7")}
    assert _logins_under_way.under_way(found, [SCRIPT]) == {(7, "7"), (8, "8")}


@pytest.mark.parametrize(
    "rows",
    [
        [(7, 1, "sshd: ada [priv]"), (8, 7, "sshd: ada@pts/0"), (9, 8, "-bash")],
        [(7, 1, "sshd-session: ada [priv]"), (8, 7, "sshd-session: ada@notty")],
        [(7, 1, "sshd: ada [priv]"), (8, 7, "sshd: ada")],
        [(7, 1, "sshd-session: ada [postauth]"), (8, 7, "sshd-session: ada")],
        [(7, 1, "sshd-second: ada [priv]"), (8, 7, "sshd-second: ada@notty")],
        [(7, 1, "sshd: root@pts/0"), (8, 7, "-bash")],
        # ssh -N as root: the title stays, and it has no child.
        [(7, 1, "sshd: root [priv]")],
        # PAM has not started yet, and will read the new file.
        [(7, 1, "sshd: [accepted]"), (8, 7, "sshd: [net]")],
        [(7, 1, ["vim", "sshd: ada [priv]"]), (8, 7, "sh")],
    ],
)
def test_an_open_session_is_not_nor_what_has_not_asked_pam(rows):
    assert _logins_under_way.under_way(processes(LISTENER, *rows)) == set()


def test_a_command_is_compared_word_by_word():
    found = processes((5, 1, ["/bin/sh", "/root/notify.sh", "x"]), (6, 1, ["/bin/sh", "/root/notify.sh.old"]))
    assert _logins_under_way.under_way(found, ["/root/notify.sh"]) == {(5, "5")}
    assert _logins_under_way.under_way(found, ["/bin/sh /root/notify.sh"]) == {(5, "5")}
    assert _logins_under_way.under_way(found, ["/bin/bash /root/notify.sh", ""]) == set()


@pytest.fixture
def sleeper(tmp_path):
    script = tmp_path / "notify.sh"
    script.write_text("sleep $1\n")

    def start(seconds):
        return script, subprocess.Popen(["/bin/sh", str(script), str(seconds)])  # noqa: S603

    return start


@pytest.fixture
def proc(tmp_path):
    """A /proc with only some processes: proc(process, …). Other users may be logging in on this machine."""

    def show(*processes):
        (tmp_path / "proc").mkdir()
        for process in processes:
            (tmp_path / "proc" / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        return tmp_path / "proc"

    return show


def test_the_wait_ends_with_the_command(sleeper, proc):
    script, process = sleeper(2)
    time.sleep(0.2)
    assert _logins_under_way.wait(30, [str(script)], proc(process)) == set()
    assert process.poll() is not None, "it was waited for"
    process.wait()


def test_the_wait_has_an_end_and_tells_what_is_left(sleeper, proc):
    script, process = sleeper(60)
    time.sleep(0.2)
    try:
        assert {pid for pid, _start in _logins_under_way.wait(1, [str(script)], proc(process))} == {process.pid}
    finally:
        process.kill()
        process.wait()


def test_a_look_sees_this_very_process():
    own = _logins_under_way.look()[os.getpid()]
    assert own.parent == os.getppid()
    assert sys.executable in own.words[0] or "python" in own.words[0]
