# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""own_connection: real processes, and the files of root. No name, variable or file of the service user misleads it."""

import contextlib
import os
import shutil
import subprocess
import time

import pytest
from parts import FINGERPRINT, alert, needs_root
from ssh_login_notify import ledger, own_connection, sshds
from ssh_login_notify.alert import to_json
from ssh_login_notify.open_connections import OpenConnections, Record
from ssh_login_notify.own_connection import NotFoundError, ancestors, find, process_of_sshd
from ssh_login_notify.processes import Processes
from ssh_login_notify.state import State

IDENTITY = {"user": "deploy", "address": "127.0.0.1", "key": "publickey " + FINGERPRINT}


PORT = 41234


@pytest.fixture
def served(monkeypatch, spool):
    """Make this process appear to be the sshd that opened the PAM session of a login. Return the client's port."""
    monkeypatch.setattr(own_connection, "process_of_sshd", lambda _pids: os.getpid())
    monkeypatch.setattr(own_connection, "ancestors", lambda _processes, _pid: [os.getpid()])
    os.makedirs(spool.path(ledger.DIRECTORY), exist_ok=True)
    note(spool)
    return PORT


def note(spool, pid=None, **changes):
    """Add a login of this connection to the ledger."""
    name = f"{changes.pop('time', time.time()):017.6f}-1"
    ledger.note(spool, login(PORT, id=name, **changes), pid or os.getpid())


def login(port, **changes):
    return alert(**dict({"address": "127.0.0.1", "port": port, "time": time.time(), "id": "1763884801.5-1"}, **changes))


def delivered(port, **changes):
    now = time.time()
    entry = {
        "id": "1-1", "user": "deploy", "from": f"127.0.0.1 port {port}", "login_time": now, "delivered_at": now,
        "status": 200, "address": "127.0.0.1", "key": IDENTITY["key"], "type": "SSH (interactive)",
    }  # fmt: skip
    return dict(entry, **changes)


# -- the process and its sockets --------------------------------------------------------------------------------------


@pytest.fixture
def line_of_processes():
    """Return the pids of a process, its parent and its grandparent, which is this one."""
    shells = subprocess.Popen(
        ["/bin/sh", "-c", "sh -c 'echo $$; read line'; :"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield int(shells.stdout.readline()), shells.pid, os.getpid()
    shells.communicate(b"\n")


def test_the_first_ancestor_that_is_roots_sshd_counts(monkeypatch, line_of_processes):
    pid, parent, grandparent = line_of_processes
    monkeypatch.setattr(sshds, "executable_of", lambda pid: "/usr/sbin/sshd" if pid in (parent, grandparent) else "")
    assert process_of_sshd(ancestors(Processes(), pid)) == parent
    monkeypatch.setattr(sshds, "executable_of", lambda pid: "/usr/sbin/sshd" if pid == grandparent else "")
    assert process_of_sshd(ancestors(Processes(), pid)) == grandparent


def test_without_such_an_ancestor_there_is_none(monkeypatch):
    monkeypatch.setattr(sshds, "executable_of", lambda _pid: "")
    assert process_of_sshd(ancestors(Processes(), os.getpid())) == 0
    assert ancestors(Processes(), 1 << 22) == [1 << 22]


@contextlib.contextmanager
def running(words, executable, uid):
    def become():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    with subprocess.Popen(words, executable=executable, preexec_fn=become if uid else None) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@needs_root
@pytest.mark.parametrize(
    ("words", "called", "uid", "is_sshds"),
    [
        (["sshd: deploy [priv]", "30"], "sleep", 0, False),
        (["sshd: deploy [priv]", "30"], "sleep", 65534, False),
        (["sshd", "30"], "sshd", 65534, False),
        (["x", "30"], "sshd", 0, True),
    ],
)
def test_neither_a_name_nor_a_file_makes_a_users_process_sshds(tmp_path, words, called, uid, is_sshds):
    program = tmp_path / called
    shutil.copy(shutil.which("sleep"), str(program))
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    with running(words, str(program), uid) as pid:
        time.sleep(0.1)
        assert bool(sshds.executable_of(pid)) == is_sshds


# -- its login --------------------------------------------------------------------------------------------------------


def find_now(spool, muted=()):
    return find(spool, list(muted), seconds=0)


def test_a_login_that_waits_is_found(spool, served):
    spool.write("outgoing", "1763884801.5-1", to_json(login(served)), 0o640)
    assert find_now(spool) == IDENTITY


def test_a_login_that_was_delivered_is_found(spool, served):
    State(spool).delivered([delivered(served)])
    assert find_now(spool) == IDENTITY


def test_a_login_that_was_folded_is_found(spool, served):
    entry = delivered(served)
    State(spool).fold(dict({name: entry[name] for name in ("id", "from", "user", "address", "key", "type")},
                           into="1-2", at=time.time()))  # fmt: skip
    assert find_now(spool) == IDENTITY


def test_a_login_that_was_muted_is_found(spool, served):
    muted = dict(IDENTITY, id="1-1", at=time.time(), **{"from": f"127.0.0.1 port {served}"})
    assert find_now(spool, [muted]) == IDENTITY


def test_a_connection_that_is_open_is_found_by_its_process_alone(spool, served):
    start = Processes().start(os.getpid())
    other = login(1, id="1763884801.5-2", user="eve")
    OpenConnections(spool).keep(Record(other, os.getpid(), start + 1, ""))
    with pytest.raises(NotFoundError):
        find_now(spool)
    OpenConnections(spool).keep(Record(login(1), os.getpid(), start, ""))
    assert find_now(spool) == IDENTITY


def test_where_no_process_can_be_looked_into_the_record_alone_tells(spool, monkeypatch):
    """In a container without CAP_SYS_PTRACE, sshd's processes hide their files and their sockets."""
    monkeypatch.setattr(sshds, "executable_of", lambda _pid: "")
    # The parent of the tests can be the first process, which is nobody's connection.
    monkeypatch.setattr(os, "getppid", os.getpid)
    OpenConnections(spool).keep(Record(login(1), os.getpid(), Processes().start(os.getpid()), ""))
    monkeypatch.setattr(Processes, "arguments", lambda _self, _pid: [b"sshd: deploy [priv]"])
    assert find_now(spool) == IDENTITY
    OpenConnections(spool).remove("1763884801.5-1")
    with pytest.raises(NotFoundError, match="not known"):
        find_now(spool)


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "127.0.0.1 port 1"},
        {"from": "127.0.0.1"},
        {"address": "127.0.0.2"},
        {"login_time": 5.0},
    ],
)
def test_no_other_login_is_taken(spool, served, changes):
    State(spool).delivered([delivered(served, **changes)])
    with pytest.raises(NotFoundError, match=r"not known.*log in again"):
        find_now(spool)


def test_a_user_whose_name_the_ledger_escapes_is_found(spool, monkeypatch, served):
    shutil.rmtree(spool.path(ledger.DIRECTORY))
    os.mkdir(spool.path(ledger.DIRECTORY))
    note(spool, user="andré")
    State(spool).delivered([delivered(served, user="andré")])
    assert find_now(spool)["user"] == "andré"


@pytest.mark.parametrize("changes", [{"user": "eve"}, {"user": "root"}, {"address": "127.0.0.2"}])
@pytest.mark.parametrize("place", ["recent", "folded", "outgoing", "muted"])
def test_no_file_of_the_service_user_gives_this_connection_another_user_or_address(spool, served, place, changes):
    """Else somebody who is that user could have root mute one login in the name of another."""
    entry, muted = delivered(served, **changes), []
    if place == "recent":
        State(spool).delivered([entry])
    elif place == "folded":
        names = ("id", "from", "user", "address", "key", "type")
        State(spool).fold(dict({name: entry[name] for name in names}, into="1-2", at=time.time()))
    elif place == "outgoing":
        spool.write("outgoing", "1763884801.5-1", to_json(login(served, **changes)), 0o640)
    else:
        muted = [dict(IDENTITY, id="1-1", at=time.time(), **{"from": entry["from"]}, **changes)]
    with pytest.raises(NotFoundError, match="not known"):
        find_now(spool, muted)


def test_a_login_that_the_ledger_does_not_have_is_not_found(spool, served):
    shutil.rmtree(spool.path(ledger.DIRECTORY))
    State(spool).delivered([delivered(served)])
    with pytest.raises(NotFoundError, match="not known"):
        find_now(spool)


def test_a_login_of_a_process_that_had_the_same_pid_before_does_not_count(spool, served):
    shutil.rmtree(spool.path(ledger.DIRECTORY))
    os.mkdir(spool.path(ledger.DIRECTORY))
    booted = time.time() - Processes().start(os.getpid()) / os.sysconf("SC_CLK_TCK")
    note(spool, time=max(booted, 1) - 86400, user="eve")
    State(spool).delivered([delivered(served, user="eve")])
    with pytest.raises(NotFoundError, match="not known"):
        find_now(spool)
    note(spool)
    State(spool).delivered([delivered(served)])
    assert find_now(spool) == IDENTITY


def test_where_two_keys_fit_none_is_taken(spool, served):
    State(spool).delivered([delivered(served), delivered(served, id="1-2", key="publickey SHA256:" + "E" * 43)])
    with pytest.raises(NotFoundError, match="not known"):
        find_now(spool)


def test_the_same_login_known_twice_is_one(spool, served):
    State(spool).delivered([delivered(served)])
    spool.write("outgoing", "1763884801.5-1", to_json(login(served)), 0o640)
    assert find_now(spool) == IDENTITY


def test_what_is_no_login_and_what_is_damaged_is_passed_over(spool, served):
    spool.write("outgoing", "1763884801.5-1", to_json(login(served, about="test")), 0o640)
    spool.write("outgoing", "1763884801.5-2", b"{", 0o640)
    with pytest.raises(NotFoundError):
        find_now(spool)


def test_a_login_that_is_still_being_looked_at_is_waited_for(spool, served, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        spool.write("outgoing", "1763884801.5-1", to_json(login(served)), 0o640)

    monkeypatch.setattr(time, "sleep", sleep)
    assert find(spool, [], seconds=5) == IDENTITY
    assert len(waits) == 1


def test_outside_of_a_connection_nothing_is_found(spool, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "127.0.0.1 5 127.0.0.1 22")
    monkeypatch.setattr(sshds, "executable_of", lambda _pid: "")
    with pytest.raises(NotFoundError, match="not run in an SSH connection"):
        find_now(spool)
