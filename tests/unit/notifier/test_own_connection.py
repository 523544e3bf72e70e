# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""own_connection: the kernel's information, with real processes and sockets. A name or a variable can't mislead it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from parts import FINGERPRINT, alert, needs_root
from ssh_login_notify import own_connection, sshds
from ssh_login_notify.alert import to_json
from ssh_login_notify.open_connections import OpenConnections, Record
from ssh_login_notify.own_connection import NotFoundError, ancestors, find, peers, process_of_sshd
from ssh_login_notify.processes import Processes
from ssh_login_notify.state import State

IDENTITY = {"user": "deploy", "address": "127.0.0.1", "key": "publickey " + FINGERPRINT}


@pytest.fixture
def connection():
    """A connection of this process, whose other end is a client's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
            yield client


@pytest.fixture
def served(monkeypatch, connection):
    """Make this process appear to serve the connection. Return the client's port."""
    monkeypatch.setattr(own_connection, "process_of_sshd", lambda _pids: os.getpid())
    monkeypatch.setattr(own_connection, "ancestors", lambda _processes, _pid: [os.getpid()])
    # This process has both ends.
    port = connection.getsockname()[1]
    monkeypatch.setattr(own_connection, "peers", lambda root, pid: peers(root, pid) & {("127.0.0.1", port)})
    return port


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


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_the_other_ends_of_a_process_are_found(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            assert not os.path.exists("/proc/net/if_inet6"), "this machine has IPv6"
            return
        listener.listen(1)
        with socket.create_connection(listener.getsockname()[:2]) as client, listener.accept()[0]:
            ours = ("::1" if address == "::1" else "127.0.0.1", client.getsockname()[1])
            assert ours in peers("/proc", os.getpid())
            listening = listener.getsockname()[1]
        assert ours not in peers("/proc", os.getpid()), "it is closed"
        assert all(port not in (0, listening) for _address, port in peers("/proc", os.getpid()))


def test_sockets_of_other_processes_do_not_count(connection):
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as process:
        try:
            assert peers("/proc", process.pid) == set()
        finally:
            process.kill()


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
    monkeypatch.setattr(own_connection, "peers", None)
    parent = os.getppid()
    OpenConnections(spool).keep(Record(login(1), parent, Processes().start(parent), ""))
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


def test_a_login_from_an_address_in_ipv6_form_is_the_same(spool, served):
    State(spool).delivered([delivered(served, address="::ffff:127.0.0.1")])
    assert find_now(spool)["address"] == "::ffff:127.0.0.1"


def test_where_two_logins_fit_none_is_taken(spool, served):
    State(spool).delivered([delivered(served), delivered(served, id="1-2", user="eve")])
    with pytest.raises(NotFoundError, match="forwarded ports"):
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
