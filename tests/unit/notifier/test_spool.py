# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""spool: a kill at any point loses nothing, duplicates nothing, and leaves no half-written file."""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import parts
import pytest
from ssh_login_notify import overflow
from ssh_login_notify import spool as module
from ssh_login_notify.spool import ALERT_MODE, LARGEST_FILE_BYTES, UNFINISHED_SECONDS, Lock, is_name, is_older
from ssh_login_notify.state import State

# Python itself can affect each case.
pytestmark = pytest.mark.each

NAME = "1763884862.123456-4242"
LATER = "1763884862.123457-9"
CALLS = ("open", "rename", "unlink", "fchmod", "fdopen", "fsync", "close")


def put(spool, directory, name, contents=b"x"):
    path = Path(spool.path(directory, name))
    path.write_bytes(contents)
    return path


def everything(spool):
    return sorted(f"{directory}/{entry}" for directory in parts.DIRECTORIES
                  for entry in os.listdir(spool.path(directory)))  # fmt: skip


def publish(spool, name, contents):
    """Do everything that is done with a capture whose alert is ready."""
    spool.stage(name, contents)
    spool.publish(name)


def killed_after(number, action, *arguments):
    """Run the action in a process that is killed after this many system calls. Return whether it finished."""
    pid = os.fork()
    if pid == 0:
        left = [number]

        def counted(call):
            def run(*values, **more):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return call(*values, **more)

            return run

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            action(*arguments)
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("number", range(20))
def test_a_capture_becomes_one_alert_whenever_its_observer_is_killed(spool, number):
    put(spool, "incoming", NAME, b"capture")
    whole = b"alert" * 50000
    ended = killed_after(number, publish, spool, NAME, whole)
    if number == 19:
        assert ended, "the kills have not reached the end"
    # The next observer finishes what the killed one had begun, then takes the remaining captures.
    spool.recover()
    assert len(spool.names("incoming") + spool.names("outgoing")) == 1
    for name in spool.names("incoming"):
        publish(spool, name, whole)
    assert spool.names("outgoing") == [NAME]
    assert spool.read("outgoing", NAME) == whole
    assert [entry for entry in os.listdir(spool.path("incoming")) if not entry.startswith(".")] == []
    assert stat.S_IMODE(os.stat(spool.path("outgoing", NAME)).st_mode) == ALERT_MODE


@pytest.mark.parametrize("number", range(20))
def test_a_killed_observer_never_leaves_two_alerts_of_one_capture(spool, number):
    put(spool, "incoming", NAME, b"capture")
    killed_after(number, publish, spool, NAME, b"alert")
    # A sender can take the alert from outgoing/ before the next observer runs, so no capture may be left then.
    if spool.names("outgoing"):
        spool.remove("outgoing", NAME)
        spool.recover()
        assert spool.names("incoming") == spool.names("outgoing") == []


@pytest.mark.parametrize("number", range(12))
def test_an_alert_that_is_set_aside_is_never_lost_to_a_kill(spool, number):
    put(spool, "outgoing", NAME, b"alert")
    killed_after(number, spool.set_aside, NAME, b"404 no_service\n")
    found = spool.names("outgoing") + spool.names("failed")
    assert found == [NAME]
    if spool.names("failed"):
        assert spool.read("failed", NAME + ".answer") == b"404 no_service\n"


@pytest.mark.parametrize("number", range(8))
def test_an_alert_that_is_put_back_is_never_lost_to_a_kill(spool, number):
    put(spool, "failed", NAME, b"alert")
    put(spool, "failed", NAME + ".answer", b"no")
    killed_after(number, spool.put_back, NAME)
    assert spool.names("outgoing") + spool.names("failed") == [NAME]


def test_handing_over_wakes_the_sender(spool):
    put(spool, "incoming", NAME)
    publish(spool, NAME, b"alert")
    assert everything(spool) == ["outgoing/" + NAME, "state/wake"]
    spool.wake()  # it can be awake already


def test_an_alert_whose_handing_over_ended_in_between_needs_no_capture(spool):
    put(spool, "incoming", NAME + ".alert", b"alert")
    spool.recover()
    assert everything(spool) == ["outgoing/" + NAME, "state/wake"]


def test_what_another_process_is_handing_over_is_left_to_it(spool):
    put(spool, "incoming", NAME)
    with parts.another_process(spool.claim, NAME):
        spool.stage(NAME, b"alert")
        spool.recover()
        assert spool.names("outgoing") == []
    spool.recover()
    assert everything(spool) == ["outgoing/" + NAME, "state/wake"]


def test_a_capture_that_was_finished_while_it_was_claimed_is_gone(spool, monkeypatch):
    capture = put(spool, "incoming", NAME)
    monkeypatch.setattr(fcntl, "flock", lambda *_: capture.unlink())
    with pytest.raises(FileNotFoundError):
        spool.claim(NAME)


def test_a_capture_is_finished_also_where_nothing_can_be_locked(spool, monkeypatch):
    put(spool, "incoming", NAME, b"capture")
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "No locks")))
    with spool.claim(NAME) as capture:
        assert capture.read() == b"capture"


def test_two_that_hand_over_the_same_alert_hand_it_over_once(spool):
    put(spool, "incoming", NAME)
    publish(spool, NAME, b"alert")
    spool.publish(NAME)
    assert everything(spool) == ["outgoing/" + NAME, "state/wake"]


def test_a_write_that_fails_leaves_nothing(spool, monkeypatch):
    monkeypatch.setattr(module.os, "fchmod", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        spool.write("outgoing", NAME, b"x", ALERT_MODE)
    assert everything(spool) == []


def test_names_are_sorted_by_time_and_others_are_not_ours(spool):
    for name in (LATER, NAME, ".hidden", "README", NAME + ".alert", "core", "1763884862-x", "-1", "1.2.3-4", "1"):
        put(spool, "incoming", name)
    assert spool.names("incoming") == [NAME, LATER]


@pytest.mark.parametrize("name", [NAME, "0-1", "1.5-1"])
def test_a_name_is_a_time_and_a_pid(name):
    assert is_name(name)
    assert float(name.partition("-")[0]) >= 0


@pytest.mark.parametrize(
    "name",
    ["", "-", "1-", "-1", ".-1", "1e5-1", "nan-1", "inf-1", "1-1-1", "../1-1", "²-1", "1-²", "٣-1", "1-٣"],
)
def test_what_is_no_name_is_left_alone(name):
    assert not is_name(name)


def test_only_a_plain_file_is_read(spool, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("root's")
    os.mkfifo(spool.path("incoming", "1.1-1"))
    os.symlink(str(secret), spool.path("incoming", "1.1-2"))
    os.mkdir(spool.path("incoming", "1.1-3"))
    os.symlink("/dev/zero", spool.path("incoming", "1.1-4"))
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(spool.path("incoming"))  # the path of a socket must be short
        try:
            server.bind("1.1-5")
        finally:
            os.chdir(here)
        for name in sorted(os.listdir(spool.path("incoming"))):
            began = time.monotonic()
            with pytest.raises(OSError, match=r"not a plain file|symbolic links|directory|No such device"):
                spool.read("incoming", name)
            assert time.monotonic() - began < 1
    assert len(os.listdir(spool.path("incoming"))) == 5


def test_a_file_is_not_read_without_end(spool):
    with open(spool.path("incoming", NAME), "wb") as file:
        file.truncate(LARGEST_FILE_BYTES * 100)
    assert len(spool.read("incoming", NAME)) == LARGEST_FILE_BYTES


def test_a_link_in_the_way_is_not_followed(spool, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    os.symlink(str(victim), spool.path("outgoing", NAME))
    os.symlink(str(victim), spool.path("state", "wake"))
    put(spool, "incoming", NAME)
    publish(spool, NAME, b"alert")
    assert victim.read_text() == "untouched"
    assert spool.read("outgoing", NAME) == b"alert"


@pytest.mark.parametrize("directory", parts.DIRECTORIES)
def test_what_a_killed_writer_left_is_cleared_when_it_is_nobodys_any_more(spool, directory):
    new, old = put(spool, directory, "." + NAME), put(spool, directory, f".{LATER}.4242")
    os.utime(str(old), (time.time() - UNFINISHED_SECONDS - 10,) * 2)
    os.mkdir(spool.path(directory, ".somebodys"))
    os.utime(spool.path(directory, ".somebodys"), (time.time() - UNFINISHED_SECONDS - 10,) * 2)
    spool.clear_unfinished()
    assert everything(spool) == [f"{directory}/{new.name}", f"{directory}/.somebodys"]


def test_a_capture_that_gets_its_name_just_now_is_no_trouble(spool, monkeypatch):
    put(spool, "incoming", NAME)
    listdir = os.listdir
    monkeypatch.setattr(module.os, "listdir", lambda path: [*listdir(path), "." + LATER])
    spool.clear_unfinished()
    assert spool.names("incoming") == [NAME]


def test_what_is_foreign_is_told_and_all_that_is_ours_is_not(spool):
    ours = {
        "incoming": (NAME, NAME + ".alert", "." + NAME, f".{NAME}.alert.7"),
        "outgoing": (NAME, f".{NAME}.7"),
        "failed": (NAME, NAME + ".answer"),
        "state": ("wake", "sender.json", "watch.json", ".sender.json.7", "ends-1763856000"),
    }
    for directory in ours:
        for entry in ours[directory]:
            put(spool, directory, entry)
    put(spool, "", "observer.lock")
    put(spool, "", "sender.lock")
    assert spool.unexpected() == []
    foreign = [
        "outgoing/" + NAME + ".answer", "incoming/README", "state/" + NAME, "state/ends-²", "core", "failed/x.answer",
    ]  # fmt: skip
    for entry in foreign:
        put(spool, "", entry)
    os.mkdir(spool.path("incoming", "directory"))
    # Having one of our names does not make it one of our files.
    os.mkdir(spool.path("incoming", LATER))
    os.symlink("/etc/passwd", spool.path("outgoing", LATER))
    assert spool.unexpected() == sorted([*foreign, "incoming/directory", "incoming/" + LATER, "outgoing/" + LATER])
    assert (spool.names("incoming"), spool.names("outgoing")) == ([NAME], [NAME])


def test_the_sizes_are_those_of_our_files(spool):
    put(spool, "outgoing", NAME, b"12345")
    put(spool, "outgoing", LATER, b"")
    put(spool, "outgoing", "README", b"123")
    os.mkdir(spool.path("outgoing", "1.1-1"))
    assert spool.sizes("outgoing") == {NAME: 5, LATER: 0}


def test_a_name_is_old_after_its_age_and_when_the_clock_was_set_back_since():
    now = time.time()
    assert is_older(f"{now - 61:017.6f}-1", 60)
    assert not is_older(f"{now - 59:017.6f}-1", 60)
    assert not is_older(f"{now + 5:017.6f}-1", 60)
    assert is_older(f"{now + 3600:017.6f}-1", 60)


def test_an_alert_is_on_the_disk_before_it_has_its_name(spool, monkeypatch):
    calls = []
    for name in ("fsync", "rename"):
        call = getattr(os, name)
        monkeypatch.setattr(module.os, name, lambda *values, n=name, c=call: calls.append(n) or c(*values))
    spool.stage(NAME, b"alert")
    assert calls == ["fsync", "rename"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_an_alert_is_set_aside_also_where_there_is_no_room_for_its_answer(spool, monkeypatch, code):
    put(spool, "outgoing", NAME)

    def no_room(*_values, **_more):
        raise OSError(code, "no room")

    monkeypatch.setattr(spool, "write", no_room)
    spool.set_aside(NAME, b"404")
    assert everything(spool) == ["failed/" + NAME]


# The inotify(7) events for which systemd's path unit watches an existing file (src/core/path.c, path_spec_watch).
# Before 240 it checks the file again only after one of them.
IN_ATTRIB, IN_DELETE_SELF, IN_MOVE_SELF = 0x4, 0x400, 0x800


class Watch:
    """The events of one file, as the kernel reports them to systemd."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        mask = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
        assert libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask) >= 0

    def has_seen_something(self):
        try:
            return bool(os.read(self._descriptor, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(self._descriptor)


@pytest.mark.parametrize("stands_there", ["a sign of before", "a directory", "a dangling link", "a foreign file"])
def test_a_second_sign_is_seen_whatever_a_run_that_never_began_has_left(spool, stands_there, tmp_path):
    sign = spool.path("state", "wake")
    if stands_there == "a sign of before":
        spool.wake()
    elif stands_there == "a directory":
        os.mkdir(sign)
    elif stands_there == "a foreign file":
        with open(sign, "w") as file:
            file.write("whose is it?")
    else:
        nowhere = str(tmp_path / "nowhere")
        os.symlink(nowhere, sign)
        spool.wake()
        assert os.path.exists(sign), "what PathExists= asks"
        assert not os.path.exists(nowhere)
        return
    watch = Watch(sign)
    spool.wake()
    assert os.path.exists(sign)
    assert watch.has_seen_something()
    left = [name for name in os.listdir(spool.path("state")) if name != "wake"]
    assert [name.rpartition("-")[0] for name in left] == ["wake-in-the-way"] * (stands_there == "a directory")


def test_the_sign_to_wake_is_taken_away_whatever_stands_there(spool):
    sign = spool.path("state", "wake")
    spool.stop_waking()
    spool.wake()
    spool.stop_waking()
    os.makedirs(os.path.join(sign, "deep"))
    spool.stop_waking()
    assert not os.path.lexists(sign)
    (set_aside,) = os.listdir(spool.path("state"))
    assert spool.unexpected() == ["state/" + set_aside]


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_can_only_be_read_matters_where_the_sign_is_there(spool, monkeypatch, there):
    def refuse(path):
        raise OSError(30, "Read-only file system", path)

    if there:
        spool.wake()
    monkeypatch.setattr(os, "unlink", refuse)
    if there:
        with pytest.raises(OSError, match="Read-only"):
            spool.stop_waking()
    else:
        spool.stop_waking()


def test_where_there_is_no_room_even_to_wake_it_is_no_trouble(spool):
    os.rmdir(spool.path("state"))
    assert spool.wake() is False


def test_removing_what_is_gone_is_no_trouble(spool):
    spool.remove("outgoing", NAME)


def test_a_lock_is_one_processs_at_a_time_and_ends_with_it(tmp_path):
    path = str(tmp_path / "lock")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"yes" if Lock(path).take() and Lock(path).take() else b"no")
        other = Lock(path)  # a second descriptor: the process holds the lock as long as it is open
        other.take()
        signal.pause()
    assert os.read(reader, 9) == b"yes"
    lock = Lock(path)
    parts.wait_for(lambda: not lock.take())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert lock.take()
    lock.give_up()
    assert is_free(path)
    assert lock.take()
    assert not is_free(path)
    os.close(reader)
    os.close(writer)


def is_free(path):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if Lock(path).take() else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_a_lock_is_no_link(tmp_path):
    os.symlink(str(tmp_path / "victim"), str(tmp_path / "lock"))
    with pytest.raises(OSError, match="symbolic links"):
        Lock(str(tmp_path / "lock"))
    assert not (tmp_path / "victim").exists()


def test_a_lock_that_is_kept_through_exec_may_be_taken_again_there_and_by_nobody_else(tmp_path):
    path = str(tmp_path / "lock")
    reader, writer = os.pipe()
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from ssh_login_notify.spool import Lock\n"
        "os.write(int(sys.argv[3]), b'yes' if Lock(sys.argv[2]).take() else b'no'); sys.stdin.read()"
    )
    os.set_inheritable(writer, True)
    held, end = os.pipe()
    os.set_inheritable(held, True)
    library = parts.library()
    pid = os.fork()
    if pid == 0:
        try:
            lock = Lock(path)
            lock.take()
            lock.keep_through_exec()
            os.dup2(held, 0)
            os.close(end)
            os.execv(sys.executable, [sys.executable, "-ISBc", code, library, path, str(writer)])  # noqa: S606
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 9) == b"yes"
    assert not Lock(path).take()
    os.close(end)
    os.waitpid(pid, 0)
    assert Lock(path).take()


WAYS = {
    # The operation, where a directory is in the way meanwhile, and where the file must be afterwards.
    "set aside": (lambda spool: spool.set_aside(NAME, b"400"), "failed/" + NAME, ["failed/" + NAME]),
    "its answer": (lambda spool: spool.set_aside(NAME, b"400"), f"failed/{NAME}.answer", [f"failed/{NAME}.answer"]),
    "put back": (lambda spool: spool.put_back(LATER), "outgoing/" + LATER, ["outgoing/" + LATER]),
    "the answer of that": (lambda spool: spool.put_back(LATER), f"failed/{LATER}.answer", ["outgoing/" + LATER]),
    "forgotten": (lambda spool: spool.forget("failed", LATER), f"failed/{LATER}.answer", []),
    "handed over": (
        lambda spool: publish(spool, "1.5-1", b"x"), "outgoing/1.5-1", ["outgoing/1.5-1", "state/wake"]
    ),
    "what a killed observer had begun": (
        lambda spool: [spool.stage("1.5-1", b"x"), spool.recover()], "outgoing/1.5-1", ["outgoing/1.5-1"]
    ),
    "brought back": (
        lambda spool: [overflow.keep("1.5-1", b"x"), overflow.bring_back(spool)], "outgoing/1.5-1", ["outgoing/1.5-1"]
    ),
    "removed": (lambda spool: spool.remove("outgoing", "1.5-1"), "outgoing/1.5-1", []),
    "the sender's memory": (lambda spool: State(spool).delivered([]), "state/sender.json", ["state/sender.json"]),
    "the watch's memory": (
        lambda spool: spool.write("state", "watch.json", b"{}", 0o640), "state/watch.json", ["state/watch.json"]
    ),
    "the sign to wake": (lambda spool: [spool.stop_waking(), spool.wake()], "state/wake", ["state/wake"]),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_in_the_way_is_moved_away_and_told(spool, way, said):
    """Somebody with the service user's rights can create one wherever the sender writes a file."""
    action, obstacle, expected = WAYS[way]
    put(spool, "outgoing", NAME)
    put(spool, "failed", LATER)
    os.makedirs(spool.path(obstacle, "deep"))
    action(spool)
    for path in expected:
        assert os.path.isfile(spool.path(path))
    (moved,) = spool.unexpected()
    assert moved.startswith(obstacle + "-in-the-way-")
    assert os.listdir(spool.path(moved)) == ["deep"]
    assert said == []


def test_a_link_to_a_directory_is_no_directory(spool, tmp_path):
    os.symlink(str(tmp_path), spool.path("failed", NAME))
    put(spool, "outgoing", NAME, b"alert")
    spool.set_aside(NAME, b"400")
    assert spool.read("failed", NAME) == b"alert"
    assert spool.unexpected() == []
