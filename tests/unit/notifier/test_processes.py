# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""processes: facts from /proc, and nothing about a process that has ended."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import parts
import pytest
from ssh_login_notify.connection import Connection
from ssh_login_notify.login_types import UNKNOWN
from ssh_login_notify.processes import CUT, LARGEST_BYTES, Processes, lift_file_size_limit, run_first, set_priority

# Python itself can affect each case.
pytestmark = pytest.mark.each

RLIMIT_RTTIME = 15  # asm-generic/resource.h


@pytest.fixture
def child():
    process = subprocess.Popen(
        [sys.executable, "-ISc", "import sys; sys.stdin.read()", "an argument"], stdin=subprocess.PIPE
    )
    parts.wait_for(lambda: b"an argument" in Processes().arguments(process.pid))
    yield process
    process.stdin.close()
    process.wait()


def test_a_real_process_tells_its_name_arguments_file_start_and_parent(child):
    processes = Processes()
    assert processes.arguments(child.pid)[-1] == b"an argument"
    assert processes.name(child.pid) == os.path.basename(sys.executable).encode()
    assert processes.executable(child.pid) == os.fsencode(os.path.realpath(sys.executable))
    assert processes.start(child.pid) >= processes.start(os.getpid()) > 0
    assert child.pid in processes.children(os.getpid())


@parts.needs_root
def test_in_a_mount_namespace_of_its_own_a_process_has_another_file_at_a_known_path():
    """Why the namespaces are compared: /proc/PID/exe shows the path as that process sees it."""
    known = os.fsencode(os.path.realpath("/bin/cat"))
    script = 'mount --bind "$1" "$2" && exec "$2"'
    stranger = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, "sh", os.path.realpath(sys.executable), known], stdin=subprocess.PIPE
    )
    processes = Processes()
    try:
        parts.wait_for(lambda: processes.executable(stranger.pid) == known)
        assert processes.mount_namespace(stranger.pid) != processes.mount_namespace(os.getpid()) != b""
    finally:
        stranger.stdin.close()
        stranger.kill()
        stranger.wait()


def without_privileges(function):
    """Return a function's result in another user's process, as text."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setresuid(65534, 65534, 65534)
            os.write(writes, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(writes)
    os.waitpid(child, 0)
    with open(reads, "rb") as file:
        return file.read().decode()


@parts.needs_root
def test_a_process_that_may_not_be_traced_is_not_asked_for_its_file(monkeypatch):
    """Under SELinux each denial is a line in the audit log, at each login."""
    asked = []
    readlink = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: asked.append(path) or readlink(path))
    processes, mine = Processes(), os.getpid()

    def look():
        return processes.executable(mine), processes.mount_namespace(mine), asked, processes.start(mine) is not None

    assert without_privileges(look) == "(b'', b'', [], True)"
    assert look()[0] == os.fsencode(os.path.realpath(sys.executable))


def test_a_process_that_has_exited_is_not_asked_for_its_file(monkeypatch):
    monkeypatch.setattr(os, "readlink", lambda path: pytest.fail(f"looked at {path}"))
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    processes = Processes()
    assert processes.start(child)
    assert processes.executable(child) == b""
    os.waitpid(child, 0)


def test_a_process_that_is_loading_a_program_is_asked_for_its_file(tmp_path):
    """For a moment its code begins at 0. If that counted as a denial, its arguments would be trusted."""
    proc = parts.FakeProc(tmp_path)
    proc.add(10, 1, "x", "sftp-server", executable="/home/deploy/evil")
    stat = (tmp_path / "10" / "stat").read_text()
    assert " 65536 " in stat
    (tmp_path / "10" / "stat").write_text(stat.replace(" 65536 ", " 0 "))
    assert Processes(str(tmp_path)).executable(10) == b"/home/deploy/evil"


def test_a_kept_process_is_read_anew_each_time(child):
    processes = Processes()
    before = processes.arguments(os.getpid()), processes.start(os.getpid()), processes.children(os.getpid())
    processes.keep(os.getpid())
    assert before == (processes.arguments(os.getpid()), processes.start(os.getpid()), processes.children(os.getpid()))
    another = subprocess.Popen(["sleep", "60"])
    try:
        assert processes.children(os.getpid()) == [*before[2], another.pid]
    finally:
        another.kill()
        another.wait()
    assert processes.children(os.getpid()) == before[2]
    processes.let_go(os.getpid())


def test_a_process_that_was_kept_and_is_gone_tells_nothing_of_who_has_its_pid(tmp_path):
    proc = parts.FakeProc(tmp_path)
    proc.add(10, 1, "sshd", "sshd: deploy")
    processes = Processes(str(tmp_path))
    processes.keep(10)
    proc.remove(10)
    proc.add(10, 1, "sshd", "sshd: eve")
    assert processes.arguments(10) == []
    assert processes.start(10) is None
    processes.let_go(10)
    assert processes.arguments(10) == [b"sshd: eve"]


def test_only_so_many_files_are_kept_open(tmp_path, monkeypatch):
    monkeypatch.setattr("ssh_login_notify.processes.MOST_KEPT", 4)
    proc = parts.FakeProc(tmp_path)
    processes = Processes(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    for pid in (10, 11, 12):
        proc.add(pid, 1, "sshd", f"sshd: {pid}")
        processes.keep(pid)
        processes.keep(pid)
        processes.keep(pid + 100)
    assert len(os.listdir("/proc/self/fd")) == before + 4
    assert [processes.arguments(pid) for pid in (10, 11, 12)] == [[b"sshd: 10"], [b"sshd: 11"], [b"sshd: 12"]]
    for pid in (10, 11, 12):
        processes.let_go(pid)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_kernel_without_lists_of_children_is_asked_about_every_process(child):
    processes = Processes()
    assert child.pid in processes._children_by_search(os.getpid())
    assert os.getpid() not in processes._children_by_search(os.getpid())


@pytest.mark.parametrize("size", [LARGEST_BYTES - 2, LARGEST_BYTES - 1, LARGEST_BYTES, 100000])
def test_arguments_that_are_not_all_read_say_so(size):
    process = subprocess.Popen([sys.executable, "-c", "input()", "a" * size, "; id"], stdin=subprocess.PIPE)
    try:
        parts.wait_for(lambda: b"input()" in Processes().arguments(process.pid))
        arguments = Processes().arguments(process.pid)
        assert arguments[-1].endswith(CUT)
        assert [argument.count(CUT) for argument in arguments[:-1]] == [0] * (len(arguments) - 1)
    finally:
        process.communicate()


def test_a_process_that_has_exited_has_a_name_and_no_arguments():
    process = subprocess.Popen([sys.executable, "-ISc", ""])
    processes = Processes()
    parts.wait_for(lambda: not processes.arguments(process.pid))
    assert processes.name(process.pid) == os.path.basename(sys.executable).encode()
    process.wait()


def test_a_process_that_is_gone_tells_nothing():
    process = subprocess.Popen([sys.executable, "-ISc", ""])
    process.wait()
    processes = Processes()
    assert processes.start(process.pid) is None
    assert processes.name(process.pid) == processes.executable(process.pid) == b""
    assert processes.arguments(process.pid) == processes.children(process.pid) == []


def test_a_host_without_proc_tells_nothing(tmp_path):
    processes = Processes(str(tmp_path / "missing"))
    assert processes.start(1) is None
    assert processes.children(1) == []


def test_a_name_with_spaces_and_parentheses_does_not_hide_the_parent(tmp_path):
    proc = parts.FakeProc(tmp_path)
    proc.add(10, 1, "sshd", "sshd")
    proc.add(11, 10, "a) S 99 (b", "x")
    proc.forget_children()
    assert Processes(str(tmp_path)).children(10) == [11]


def test_a_title_is_a_single_argument_without_padding(tmp_path):
    proc = parts.FakeProc(tmp_path)
    proc.add(10, 1, "sshd", "sshd: deploy [priv]")
    (tmp_path / "10" / "cmdline").write_bytes(b"sshd: deploy [priv]" + b"\0" * 40)
    assert Processes(str(tmp_path)).arguments(10) == [b"sshd: deploy [priv]"]


def test_a_priority_that_may_not_be_set_is_no_trouble():
    pid = os.fork()
    if pid == 0:
        set_priority(5)
        done = os.getpriority(os.PRIO_PROCESS, 0) == 5
        os.setpriority = lambda *_: (_ for _ in ()).throw(PermissionError())
        set_priority(-15)
        os._exit(0 if done else 1)
    assert os.waitpid(pid, 0)[1] == 0


def in_a_child(check):
    """Return whether something is true in a child process."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("error", [PermissionError(), AttributeError()])
def test_to_run_first_may_be_refused_and_is_no_trouble(error, monkeypatch):
    monkeypatch.setattr(os, "sched_setscheduler", lambda *_: (_ for _ in ()).throw(error))
    run_first(True)
    run_first(False)


@pytest.mark.parametrize("limit", [1000, 0])
def test_where_a_limit_would_end_it_a_process_does_not_run_first(limit, monkeypatch):
    """Under RLIMIT_RTTIME the kernel would soon kill it."""
    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *arguments: asked.append(arguments))

    def check():
        resource.setrlimit(RLIMIT_RTTIME, (limit, limit))
        run_first(True)
        return [policy for _pid, policy, _param in asked] == [os.SCHED_OTHER]

    assert in_a_child(check)


def test_a_limit_on_the_size_of_files_is_lifted():
    def check():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        lift_file_size_limit()
        return resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY

    assert in_a_child(check)
    lift_file_size_limit()


def test_ended_children_come_from_the_kernels_records():
    taken = []

    class Told:
        def of(self, parent):
            return [(11, b"true")] if parent == 10 else []

        def take(self, now):
            taken.append(now)

    processes = Processes(exits=Told())
    processes.make_room_for_ended(5.0)
    assert processes.ended_children(10) == [(11, b"true")]
    assert taken == [5.0]
    processes = Processes()
    processes.make_room_for_ended(5.0)
    assert processes.ended_children(10) == []


def test_a_file_that_can_not_be_read_tells_nothing(tmp_path):
    proc = parts.FakeProc(tmp_path)
    proc.add(10, 1, "sshd", "sshd")
    Path(str(tmp_path), "10", "comm").unlink()
    Path(str(tmp_path), "10", "comm").mkdir()
    assert Processes(str(tmp_path)).name(10) == b""


def test_a_hidden_process_reads_as_empty_and_its_type_is_unknown(monkeypatch):
    """AppArmor, SELinux or hidepid=2 (proc(5)) hide a process."""

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    for name in ("builtins.open", "os.open", "os.readlink", "os.listdir"):
        monkeypatch.setattr(name, refuse)
    processes = Processes()
    processes.keep(1)
    seen = [processes.start(1), processes.name(1), processes.arguments(1)]
    seen += [processes.executable(1), processes.children(1)]
    unknown = Connection(processes, 1, 5, b"deploy").look(0.0)
    monkeypatch.undo()
    assert seen == [None, b"", [], b"", []]
    assert unknown == UNKNOWN
