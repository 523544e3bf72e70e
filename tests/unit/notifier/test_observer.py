# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observer: every capture becomes one alert of the right type, and only one observer runs at a time."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import parts
import pytest
from parts import another_process_holding, wait_for
from ssh_login_notify import observer, paths
from ssh_login_notify.login_types import COMMAND_OVER, SOMETHING_OVER, UNKNOWN
from ssh_login_notify.observer import Observer, Watched, observe, recover_orphans
from ssh_login_notify.outbox import start_sender
from ssh_login_notify.processes import Processes
from ssh_login_notify.spool import Lock, Spool

# Python itself can affect each case.
pytestmark = pytest.mark.each

NAME = "1763884862.123456-4242"
LATER = "1763884862.123457-9"
CAPTURE = b"capture=1\0parent=0\0parent_stat=\0\0PAM_USER=deploy\0"  # of a connection that has ended
takes_bash = pytest.mark.skipif(not shutil.which("bash"), reason="takes bash, for exec -a")


@pytest.fixture(autouse=True)
def calm(monkeypatch):
    """Change neither priority nor scheduling of this process, and shorten its waits."""
    monkeypatch.setattr(observer, "set_priority", lambda nice: None)
    monkeypatch.setattr(observer, "run_first", lambda wanted: None)
    monkeypatch.setattr(observer, "TUNNEL_SECONDS", 0.1)


def put(spool, name, contents=CAPTURE):
    parts.Path(spool.path("incoming", name)).write_bytes(contents)


def alerts_by_user(spool):
    found = [json.loads(spool.read("outgoing", name).decode()) for name in spool.names("outgoing")]
    return {alert["user"]: alert["type"] for alert in found}


def test_a_login_becomes_an_alert_and_wakes_the_sender(installation):
    log = installation.keeps_its_log()
    installation.run({"SSH_CONNECTION": "203.0.113.50 45006 192.0.2.2 22", "SSH_AUTH_INFO_0": "password"})
    wait_for(lambda: installation.names("outgoing"))
    (name,) = installation.names("outgoing")
    found = json.loads(installation.read("outgoing", name).decode())
    assert (found["id"], found["user"], found["address"], found["port"]) == (name, "deploy", "203.0.113.50", 45006)
    assert (found["type"], found["methods"]) == ("unknown", [{"method": "password"}])
    installation.wait()
    assert os.path.exists(installation.spool.path("state", "wake"))
    assert os.listdir(installation.spool.path("incoming")) == []
    assert "login user=deploy from=203.0.113.50 port=45006 type=unknown auth=password" in log.read_text()


# Simulated sshd processes: a shell named like sshd, with sshd's title as its arguments.
SERVED = {
    "shell": ("@pts/0", "(exec -a -bash bash -c 'read -t 4 x <>{fifo}')"),
    "command": ("@notty", "bash -c 'sleep 4 ; : --password=hunter2'"),
    "true": ("@notty", "bash -c true; read -t 4 x <>{fifo}"),
    "rsync": ("@notty", "rsync() {{ read -t 4 x <>{fifo}; }}; export -f rsync; bash -c 'rsync --server .'"),
    "sftp": ("@notty", "(exec -a 'sshd: sftp@internal-sftp' sshd) <<< 'read -t 4 x <>{fifo}'"),
    "tunnel": ("", "read -t 4 x <>{fifo}"),
    "a@b.example": ("", "read -t 4 x <>{fifo}"),
    "silent": ("@notty", "read -t 4 x <>{fifo}"),
}
EXPECTED = {
    "shell": "SSH (interactive)",
    "command": "SSH (command: sleep)",
    "rsync": "rsync",
    "sftp": "SFTP or SCP",
    "tunnel": "Tunnel (no session)",
    "a@b.example": "Tunnel (no session)",
    "silent": "SSH (command or transfer, over at once)",
    "root": "SSH (interactive)",
}


@pytest.mark.whole
@takes_bash
def test_many_connections_at_once_are_told_apart_by_one_observer(installation, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    sshd, fifo = programs / "sshd", tmp_path / "fifo"
    sshd.symlink_to(shutil.which("bash"))
    os.mkfifo(str(fifo))
    installation.change(installation.library / "observer.py", "TUNNEL_SECONDS = 0.3", "TUNNEL_SECONDS = 1.2")
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", "UNSERVED_SECONDS = 8.0")
    started = []
    for user, (ending, script) in SERVED.items():
        served = f'(exec -a "sshd: {user}{ending}" {sshd}) <<"X"\n{script.format(fifo=fifo)}\nX'
        started.append(connect(installation, programs, user, served))
    # Up to OpenSSH 9.7 root's monitor itself becomes the server.
    script = f'exec -a "sshd: root@pts/1" {sshd} <<"X"\n(exec -a -bash bash -c "sleep 4; :")\nX'
    started.append(connect(installation, programs, "root", script))
    seen = set()

    def all_are_there():
        seen.update(observers(installation))
        return len(installation.names("outgoing")) == len(started)

    try:
        wait_for(all_are_there)
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    found = alerts_by_user(installation.spool)
    # It takes a millisecond. It can be missed, but is never mistaken for anything else.
    assert found.pop("true") in ("SSH (command: true)", COMMAND_OVER, SOMETHING_OVER, UNKNOWN)
    assert found == EXPECTED
    assert seen
    installation.wait()
    assert installation.names("incoming") == []


def connect(installation, programs, user, script):
    """Do what sshd's monitor does for a connection: run the hook, then the session's server."""
    variables = {"PATH": f"{programs}:/usr/bin:/bin", "PAM_TYPE": "open_session", "PAM_USER": user}
    process = subprocess.Popen(
        [f"sshd: {user} [priv]"], executable=str(programs / "sshd"), env=variables, stdin=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    process.stdin.write(f"{installation.hook} </dev/null\n{script}\n".encode())
    process.stdin.close()
    return process


def is_held(path):
    if not os.path.exists(path):
        return False
    with open(path, "r+b") as file:
        try:
            os.lockf(file.fileno(), os.F_TEST, 0)
        except OSError:
            return True
    return False


def observers(installation):
    """Return the sessions of the processes that run the hook's file. One session is one observer."""
    return {pid for pid in installation.processes() if getsid(pid) == pid}


def getsid(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@pytest.mark.whole
def test_a_capture_that_comes_while_an_observer_is_at_work_is_taken_by_it(installation):
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", "UNSERVED_SECONDS = 3.0")
    installation.run({"PAM_USER": "first"})
    (first,) = wait_for(lambda: observers(installation))
    wait_for(lambda: is_held(installation.spool.path("observer.lock")))
    installation.run({"PAM_USER": "second"})
    # The second hook's fork ends as soon as it has written its capture.
    wait_for(lambda: {getsid(pid) for pid in installation.processes()} == {first})
    wait_for(lambda: len(installation.names("outgoing")) == 2)
    assert set(alerts_by_user(installation.spool)) == {"first", "second"}


def test_a_capture_of_an_observer_that_was_killed_is_finished_by_the_next(installation):
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", "UNSERVED_SECONDS = 9.0")
    installation.run({"PAM_USER": "first"})
    wait_for(lambda: is_held(installation.spool.path("observer.lock")))
    (first,) = observers(installation)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: first not in installation.processes())
    assert installation.names("outgoing") == []
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 9.0", "UNSERVED_SECONDS = 0.3")
    installation.run({"PAM_USER": "second"})
    wait_for(lambda: len(installation.names("outgoing")) == 2)
    assert set(alerts_by_user(installation.spool)) == {"first", "second"}


@pytest.mark.parametrize("directory", ["", "incoming", "outgoing"])
def test_a_login_that_the_spool_can_not_keep_still_stands_in_the_systems_log(installation, directory):
    log = installation.keeps_its_log()
    os.rename(installation.spool.path(directory), str(installation.root / "away"))
    assert installation.run()[:2] == (0, b"")
    wait_for(lambda: log.exists() and "login user=deploy" in log.read_text())
    assert log.read_text().count("login user=deploy") == 1
    assert "can't be used" in log.read_text() or "was not queued for sending" in log.read_text()


def test_without_systemd_the_sender_is_started_with_an_environment_of_its_own(installation):
    installation.has_no_systemd()
    installation.run({"LD_PRELOAD_": "x", "SECRET": "of the login"})
    wait_for(installation.sent.exists)
    text = installation.sent.read_text()
    assert text.splitlines()[0].endswith("sender send")
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" in text
    assert "SECRET" not in text
    assert "PAM_" not in text


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """A sender that records its start."""
    program, started = tmp_path / "sender", tmp_path / "started"
    program.write_text(f"#!/bin/sh\necho x >> {started}\n")
    program.chmod(0o755)
    monkeypatch.setattr(paths, "PROGRAM", str(program))
    monkeypatch.setattr(paths, "SYSTEMD", "/nowhere")
    return started


def test_of_senders_that_are_started_at_once_one_runs(spool, programs):
    parts.Path(paths.PROGRAM).write_text(f"#!/bin/sh\necho x >> {programs}\nexec sleep 2\n")
    for _ in range(5):
        start_sender(spool)
    wait_for(programs.exists)
    time.sleep(0.3)
    assert programs.read_text() == "x\n"
    assert is_held(spool.path("sender.lock")), "the program has the lock from its beginning"


def test_a_sender_is_started_and_is_nobodys_to_wait_for(spool, programs):
    start_sender(spool)
    with pytest.raises(ChildProcessError):
        os.wait()
    wait_for(lambda: programs.exists() and programs.read_text())
    assert programs.read_text() == "x\n"


def test_a_sender_that_an_observer_started_can_be_stopped(spool, programs, tmp_path):
    """The observer ignores SIGTERM, and exec(2) preserves ignored signals."""
    status = tmp_path / "status"
    parts.Path(paths.PROGRAM).write_text(
        f"#!/bin/sh\ngrep SigIgn /proc/$$/status > {status}.new\nmv {status}.new {status}\n"
    )
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        start_sender(spool)
        wait_for(status.exists)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not int(status.read_text().split()[1], 16) & (1 << (signal.SIGTERM - 1))


@pytest.fixture
def no_forks(monkeypatch):
    """Make every start of a process fail at once."""

    def fork():
        raise AssertionError("a process was started")

    monkeypatch.setattr(os, "fork", fork)


def test_a_sender_that_is_at_work_gets_no_rival(spool, no_forks):
    spool.wake()
    with another_process_holding(spool.path("sender.lock")):
        start_sender(spool)


def test_where_systemd_starts_the_sender_the_observer_does_not(spool, no_forks, monkeypatch):
    monkeypatch.setattr(paths, "SYSTEMD", "/")
    monkeypatch.setattr(paths, "PATH_UNIT", "/")
    spool.wake()
    start_sender(spool)


@pytest.mark.parametrize("refused", ["SYSTEMD", "PATH_UNIT"])
def test_where_it_may_not_look_for_systemd_it_starts_no_sender(spool, no_forks, monkeypatch, refused):
    """SELinux can deny sshd's domain access to units. A sender in that domain could not connect to anything."""
    monkeypatch.setattr(paths, "SYSTEMD", "/")
    monkeypatch.setattr(paths, "PATH_UNIT", "/")
    monkeypatch.setattr(paths, refused, "/refused")
    stat = os.stat

    def refusing_stat(path, *arguments, **options):
        if path == "/refused":
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing_stat)
    start_sender(spool)


def test_while_another_observer_has_the_lock_captures_are_left_to_it(spool, said):
    put(spool, NAME)
    with another_process_holding(spool.path("observer.lock")):
        observe(spool, {})
    assert spool.names("incoming") == [NAME]


def test_what_could_not_be_kept_is_finished_although_another_observer_has_the_lock(spool, said):
    put(spool, LATER)
    with another_process_holding(spool.path("observer.lock")):
        observe(spool, {NAME: CAPTURE})
    assert spool.names("outgoing") == [NAME]
    assert spool.names("incoming") == [LATER]


def test_a_capture_that_comes_while_the_observer_ends_is_taken(spool, monkeypatch):
    # A hook that finds the lock held exits, so the holder must look once more after releasing it.
    run = Observer.run
    arriving = [LATER]

    def run_then_another_login(self):
        run(self)
        if arriving:
            put(spool, arriving.pop())

    monkeypatch.setattr(Observer, "run", run_then_another_login)
    put(spool, NAME)
    observe(spool, {})
    assert spool.names("outgoing") == [NAME, LATER]


def test_a_capture_that_comes_after_the_last_look_under_the_lock_is_taken(spool, monkeypatch):
    give_up = Lock.give_up
    arriving = [LATER]

    def another_login_then_give_up(self):
        if arriving:
            put(spool, arriving.pop())
        give_up(self)

    monkeypatch.setattr(Lock, "give_up", another_login_then_give_up)
    put(spool, NAME)
    observe(spool, {})
    assert spool.names("outgoing") == [NAME, LATER]


def test_what_no_run_can_finish_does_not_keep_it_running(spool, said):
    os.mkfifo(spool.path("incoming", NAME))
    os.mkdir(spool.path("incoming", "1.1-1"))
    os.symlink("/etc/passwd", spool.path("incoming", "1.1-2"))
    put(spool, LATER)
    observe(spool, {})
    assert spool.names("outgoing") == [LATER]
    assert sorted(os.listdir(spool.path("incoming"))) == ["1.1-1", "1.1-2", NAME]


@pytest.mark.parametrize("finish", [lambda spool: observe(spool, {}), recover_orphans], ids=["observe", "abandoned"])
def test_a_capture_that_can_not_be_read_keeps_none_waiting(spool, said, monkeypatch, finish):
    read = Spool.read

    def read_from_a_bad_disk(self, directory, name):
        if name == "1.1-1":
            raise OSError(errno.EIO, "Input/output error")
        return read(self, directory, name)

    monkeypatch.setattr(Spool, "read", read_from_a_bad_disk)
    put(spool, "1.1-1")
    put(spool, "1.1-2")
    finish(spool)
    assert spool.names("outgoing") == ["1.1-2"]
    assert spool.names("incoming") == ["1.1-1"]
    assert [sentence for _, sentence in said if "The capture 1.1-1 can't be read" in sentence]


def test_what_an_earlier_run_had_begun_is_ended_and_is_no_hindrance(spool, said):
    put(spool, NAME + ".alert", b"alert")
    os.mkdir(spool.path("incoming", LATER + ".alert"))
    os.mkdir(spool.path("outgoing", LATER))
    parts.Path(spool.path("outgoing", LATER, "in the way")).touch()
    put(spool, "1.1-1")
    observe(spool, {})
    assert "1.1-1" in spool.names("outgoing")


def test_a_connection_that_shows_nothing_is_not_watched_for_ever(spool, monkeypatch, tmp_path):
    proc = parts.FakeProc(tmp_path / "proc")
    proc.add(100, 1, "sshd", "sshd: deploy [priv]")
    proc.add(101, 100, "sshd", "sshd: deploy")
    monkeypatch.setattr(observer, "Processes", lambda exits: Processes(str(tmp_path / "proc"), exits))
    stat = (tmp_path / "proc" / "100" / "stat").read_bytes()
    put(spool, NAME, b"capture=1\0parent=100\0parent_stat=" + stat + b"\0\0PAM_USER=deploy\0")
    observe(spool, {})
    assert alerts_by_user(spool) == {"deploy": "Tunnel (no session)"}


def test_a_session_of_another_service_is_reported_at_once(spool, monkeypatch):
    """It has no sshd that could show anything while the program that opened the session runs."""
    monkeypatch.setattr(observer, "UNSERVED_SECONDS", 3 * parts.LONGEST_WAIT)
    with open("/proc/self/stat", "rb") as file:
        head = b"capture=1\0parent=%d\0parent_stat=%s\0\0" % (os.getpid(), file.read().rstrip())
    put(spool, NAME, head + b"PAM_USER=root\0PAM_SERVICE=su\0PAM_TTY=pts/0\0PAM_RUSER=deploy\0PAM_TYPE=open_session\0")
    started = time.monotonic()
    observe(spool, {})
    assert time.monotonic() - started < parts.LONGEST_WAIT
    assert alerts_by_user(spool) == {"root": "PAM session"}
    assert spool.names("open") == []


def run_of_the_hook(parent, key=b"publickey ssh-ed25519 AAAA", start=77):
    """Return the capture of a run of the hook for an sshd process that has ended."""
    stat = b"%d (sshd) S %s %d" % (parent, b" ".join([b"0"] * 18), start) if start else b""
    head = b"capture=1\0parent=%d\0parent_stat=%s\0\0" % (parent, stat)
    return head + b"PAM_TTY=ssh\0PAM_USER=deploy\0SSH_AUTH_INFO_0=%s\0" % key


WHOLE, WITHHELD = run_of_the_hook(4242), run_of_the_hook(4242, b"withheld")


def finished(spool):
    observe(spool, {})
    assert spool.names("incoming") == []
    return spool.names("outgoing")


def test_a_hook_that_was_killed_after_its_fork_and_ran_again_reports_the_login_once(spool, said):
    put(spool, NAME, WHOLE)
    put(spool, LATER, WITHHELD)
    assert finished(spool) == [NAME]
    assert [sentence for _, sentence in said if "was killed" in sentence] == [
        f"The hook of login {NAME} was killed, so PAM ran it again. The login is reported once."
    ]


@pytest.mark.parametrize("watched", [True, False])
def test_of_the_two_the_one_that_has_the_key_is_reported_even_if_it_comes_later(spool, monkeypatch, watched):
    """One that is finished already can't be taken back. Two alerts are better than one without the key."""
    observer_ = Observer(spool, {}, listing=False)
    put(spool, LATER, WITHHELD)
    observer_.take({LATER: WITHHELD})
    if not watched:
        wait_for(lambda: observer_.run() or spool.names("outgoing"))
    put(spool, NAME, WHOLE)
    observer_.take({NAME: WHOLE})
    observer_.run()
    assert spool.names("outgoing") == ([NAME] if watched else sorted([NAME, LATER]))
    assert spool.names("incoming") == []


@pytest.mark.parametrize(
    "other",
    [
        run_of_the_hook(4243, b"withheld"),
        run_of_the_hook(4242, b"withheld", start=78),
        run_of_the_hook(4242),
        run_of_the_hook(4242, b"withheld", start=None),
    ],
    ids=["of another process", "of a later process with the same pid", "not withheld", "of an unknown process"],
)
def test_captures_that_can_be_those_of_two_logins_are_both_reported(spool, other):
    put(spool, NAME, WHOLE)
    put(spool, LATER, other)
    assert finished(spool) == [NAME, LATER]


def test_a_login_of_which_only_the_second_run_is_there_is_reported(spool):
    put(spool, LATER, WITHHELD)
    assert finished(spool) == [LATER]


def test_a_second_run_that_another_finisher_has_claimed_is_left_to_it(spool, said):
    put(spool, NAME, WHOLE)
    put(spool, LATER, WITHHELD)
    with parts.another_process(spool.claim, LATER):
        observe(spool, {})
    assert (spool.names("outgoing"), spool.names("incoming")) == ([NAME], [LATER])
    assert not [sentence for _, sentence in said if "was killed" in sentence]


class Silent:
    """A connection that shows nothing, and counts the looks."""

    served_since = None
    opening = False
    over = False
    missed = False
    looks = 0
    closed = False

    def look(self, _now):
        self.looks += 1

    def is_opening(self, _now, seconds):
        return self.opening and seconds == observer.OPENING_SECONDS

    def last_look(self):
        return "unknown"

    def has_missed_one(self):
        return self.missed

    def remembered(self):
        return "" if self.over else "7:"

    def close(self):
        self.closed = True


class Showing(Silent):
    """A connection that shows these types, one per look, and ends after the last."""

    def __init__(self, *kinds):
        self.kinds = list(kinds)

    def look(self, _now):
        self.over = not self.kinds
        return self.kinds.pop(0) if self.kinds else "unknown"


def reported(connection, pace=0.125):
    """Return the reported type of a connection, the seconds until then, and what is remembered of it."""
    watched, now, kind = Watched(connection, 100.0), 100.0, None
    while kind is None:
        kind = watched.look(now)
        now += pace
    return kind, round(now - pace - 100.0, 3), watched.remembered


@pytest.mark.parametrize("first", ["rsync", "SFTP or SCP", "SSH (command: sleep)"])
def test_of_what_is_seen_in_the_first_second_the_most_serious_counts(first):
    shell = "SSH (interactive)"
    assert reported(Showing(first, None, shell, first)) == (shell, 0.25, "")
    assert reported(Showing(*[first] * 20)) == (first, observer.SETTLING_SECONDS, "7:")
    assert reported(Showing(*[first] * 20, shell)) == (first, observer.SETTLING_SECONDS, "7:")  # the follower's task


def test_a_transfer_whose_connection_is_over_is_reported_at_once():
    assert reported(Showing("rsync", None, "rsync")) == ("rsync", 0.375, "")


def test_an_interactive_shell_is_reported_at_once_and_not_looked_at_again():
    assert reported(Showing(None, "SSH (interactive)", None)) == ("SSH (interactive)", 0.125, "")


def test_what_came_and_went_beside_a_transfer_is_no_transfer():
    connection = Showing(*["rsync"] * 20)
    connection.missed = True
    assert reported(connection)[0] == "SSH (command or transfer, over at once)"


def test_a_connection_that_shows_a_first_kind_is_looked_at_slowly():
    connection = Showing("rsync", "rsync")
    connection.served_since, connection.opening = 100.0, True
    watched = Watched(connection, 100.0)
    watched.look(100.0)
    assert watched.due == 100.0 + observer.SETTLING_PACE_SECONDS


def due_after(connection, age):
    """Return the seconds until a connection of this age is looked at again."""
    watched = Watched(connection, 100.0)
    watched.look(100.0 + age)
    return round(watched.due - 100.0 - age, 6)


def test_it_looks_more_often_when_a_session_is_opening(monkeypatch):
    monkeypatch.setattr(observer, "TUNNEL_SECONDS", 3.0)
    connection = Silent()
    assert due_after(connection, 0.0) == observer.UNSERVED_PACE_SECONDS
    assert due_after(connection, 0.5) == observer.PACES[1][1]
    assert due_after(connection, 2.9) == observer.PACES[2][1]
    assert observer.UNSERVED_PACE_SECONDS < 0.002  # in containers the client's request arrives as early as this
    connection.served_since = 100.0
    assert due_after(connection, 0.1) == observer.PACES[0][1]
    assert due_after(connection, 0.5) == observer.PACES[1][1]
    connection.served_since = 102.8  # a slow PAM stack has finished, so the session is new
    assert due_after(connection, 2.9) == observer.PACES[0][1]
    connection.opening = True
    assert due_after(connection, 2.9) == observer.OPENING_PACE_SECONDS


def test_a_connection_of_which_the_kind_is_clear_is_let_go():
    connection = Silent()
    watched = Watched(connection, 100.0)
    assert watched.look(100.0) is None
    assert not connection.closed
    assert watched.look(100.0 + observer.UNSERVED_SECONDS) == "unknown"
    assert connection.closed


def test_a_session_that_opens_makes_nobody_look_more_often_at_the_others(spool, monkeypatch):
    watching = Observer(spool, {}, listing=True)
    monkeypatch.setattr(observer, "UNSERVED_PACE_SECONDS", 0.004)
    opening, others = Silent(), [Silent() for _ in range(9)]
    opening.opening = True
    watching._watched = {str(n): Watched(connection, 100.0) for n, connection in enumerate([opening, *others])}
    for millisecond in range(40):
        watching._look(100.0 + millisecond / 1000)
    assert opening.looks == 40
    assert {connection.looks for connection in others} <= {8, 9, 10, 11}  # every 4 ms, apart from rounding


def test_the_pause_lasts_until_the_next_look_and_at_least_as_long_as_the_last_ones_used_a_processor(spool):
    watching = Observer(spool, {}, listing=True)
    assert watching._pause(0.0, 100.0) == observer.LISTING_SECONDS
    watching._watched = {NAME: Watched(Silent(), 100.0)}
    watching._watched[NAME].due = 100.003
    assert watching._pause(0.001, 100.001) == pytest.approx(0.002)
    assert watching._pause(0.050, 100.050) == pytest.approx(0.050)  # hundreds of connections: half a processor at most
    # It did not run for 50 ms, and is already late.
    assert watching._pause(0.0001, 100.050) == observer.OPENING_PACE_SECONDS
    watching._watched[NAME].due = 103.0
    assert watching._pause(0.0, 100.0) == observer.LISTING_SECONDS
    watching._watched[NAME].due = 99.0
    assert watching._pause(0.0, 100.0) == observer.OPENING_PACE_SECONDS


def test_it_runs_first_while_a_few_connections_are_young_and_no_longer(spool, monkeypatch):
    wishes = []
    monkeypatch.setattr(observer, "run_first", wishes.append)
    watching = Observer(spool, {}, listing=True)
    first = Silent()
    watching._watched = {"0": Watched(first, 100.0)}
    for now in (100.0, 100.2, 100.31, 102.0):  # looked at since 100.0
        watching._run_first_while_it_counts(now)
    assert wishes == [True, False]
    first.served_since = 104.0  # a slow PAM stack has finished
    for now in (104.1, 104.4):
        watching._run_first_while_it_counts(now)
    assert wishes == [True, False, True, False]
    watching._watched = {str(number): Watched(Silent(), 110.0) for number in range(observer.MOST_YOUNG)}
    watching._run_first_while_it_counts(110.0)
    watching._watched["one more"] = Watched(Silent(), 110.1)  # a storm: the host's own work continues
    watching._run_first_while_it_counts(110.1)
    watching._run_first_while_it_counts(110.35)  # the additional one is the only young one
    assert wishes == [True, False, True, False, True, False, True]
    watching._watched = {}
    watching._run_first_while_it_counts(110.36)
    assert wishes[-1] is False


def test_what_an_observer_leaves_runs_no_longer_first(spool, monkeypatch):
    """The sender does the same for orphaned captures, and continues afterwards."""
    wishes = []
    monkeypatch.setattr(observer, "run_first", wishes.append)
    put(spool, NAME)
    recover_orphans(spool)
    observe(spool, {})
    assert wishes[-1] is False


def policies(pid):
    """Return how a process is scheduled (proc(5), stat): its nice value, and its policy without flags."""
    fields = parts.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[16]), int(fields[38])


def may_run_first():
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        finally:
            os._exit(policies(os.getpid())[1] != os.SCHED_FIFO)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(not may_run_first(), reason="takes the right to run first")
def test_a_real_observer_hurries_and_its_finisher_does_not(installation):
    installation.change(installation.library / "observer.py", "YOUNG_SECONDS = 0.3", "YOUNG_SECONDS = 2.0")
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", "UNSERVED_SECONDS = 3.0")
    slow = installation.library / "alert.py"
    slow.write_text("import time\ntime.sleep(0.5)\n" + slow.read_text())
    installation.run()
    (pid,) = wait_for(lambda: installation.processes())
    wait_for(lambda: is_held(installation.spool.path("observer.lock")))
    group = parts.Path(f"/proc/{pid}/autogroup")
    assert policies(pid) == (observer.NICE, os.SCHED_FIFO)
    if group.exists() and group.read_text():
        assert group.read_text().split()[-1] == str(observer.NICE)
    wait_for(lambda: policies(pid) == (observer.NICE, os.SCHED_OTHER))
    both = wait_for(lambda: len(installation.processes()) == 2 and installation.processes())
    (finisher_pid,) = set(both) - {pid}
    wait_for(lambda: getsid(finisher_pid) == finisher_pid)
    wait_for(lambda: policies(finisher_pid) == (0, os.SCHED_OTHER))
    group = parts.Path(f"/proc/{finisher_pid}/autogroup")
    if group.exists() and group.read_text():
        assert group.read_text().split()[-1] == "0"


@pytest.mark.parametrize(("selinux", "written"), [(False, "-15"), (True, "")])
def test_under_selinux_the_priority_of_the_group_is_left_alone(installation, selinux, written):
    """The kernel would check the policy for sys_admin, and each login would leave a denial in the audit log."""
    group, enforce = installation.root / "autogroup", installation.root / "enforce"
    group.touch()
    if selinux:
        enforce.touch()
    for name, path in {"AUTOGROUP": group, "SELINUX": enforce}.items():
        installation.change(installation.library / "handover.py", f"{name} = .*", f'{name} = "{path}"')
    installation.run()
    wait_for(lambda: installation.names("outgoing"))
    assert group.read_text() == written


# Modules that take a millisecond or more to import: regular expressions, enumerations, and their users.
DEAR = {"signal", "enum", "functools", "collections", "re", "typing", "json", "datetime", "subprocess", "syslog"}


def test_an_observer_begins_to_look_without_loading_what_takes_long(installation):
    code = "import sys; sys.path.insert(0, sys.argv[1])\n"
    code += "from ssh_login_notify import exits, observer\nprint(*sys.modules)"
    command = [sys.executable, "-ISBc", code, str(installation.root / "lib")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert DEAR.intersection(done.stdout.decode().split()) == set()


@pytest.mark.whole
def test_the_patience_with_a_tunnel_begins_when_sshd_serves_it(spool, monkeypatch, tmp_path):
    """The rest of the PAM stack follows the hook, and can take longer than the whole wait, 0.1 s here."""
    proc = parts.FakeProc(tmp_path / "proc")
    proc.add(100, 1, "sshd", "sshd: deploy [priv]")
    monkeypatch.setattr(observer, "Processes", lambda exits: Processes(str(tmp_path / "proc"), exits))
    stat = (tmp_path / "proc" / "100" / "stat").read_bytes()
    put(spool, NAME, b"capture=1\0parent=100\0parent_stat=" + stat + b"\0\0PAM_USER=deploy\0")
    looks = []

    def and_then(seconds, sleep=time.sleep):
        looks.append(seconds)
        if len(looks) == 250:  # long after the wait
            proc.add(101, 100, "sshd", "sshd: deploy@notty")
            proc.add(102, 101, "bash", "bash", "-c", "uname -a")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", and_then)
    observe(spool, {})
    assert len(looks) >= 250
    assert alerts_by_user(spool) == {"deploy": "SSH (command: uname)"}


def test_a_connection_that_sshd_never_serves_is_not_waited_for_for_ever(spool, monkeypatch, tmp_path):
    monkeypatch.setattr(observer, "UNSERVED_SECONDS", 0.2)
    proc = parts.FakeProc(tmp_path / "proc")
    proc.add(100, 1, "sshd", "sshd: deploy [priv]")
    monkeypatch.setattr(observer, "Processes", lambda exits: Processes(str(tmp_path / "proc"), exits))
    stat = (tmp_path / "proc" / "100" / "stat").read_bytes()
    put(spool, NAME, b"capture=1\0parent=100\0parent_stat=" + stat + b"\0\0PAM_USER=deploy\0")
    observe(spool, {})
    assert alerts_by_user(spool) == {"deploy": "unknown"}


def test_any_failure_is_logged_and_leaves_the_captures(spool, said, monkeypatch):
    put(spool, NAME)
    monkeypatch.setattr(observer, "Spool", lambda: spool)
    monkeypatch.setattr(observer, "Observer", None)
    environment = dict(os.environ)
    try:
        observer.main({})
        assert dict(os.environ) == {}  # the login's environment affects nothing later
    finally:
        os.environ.update(environment)
    assert spool.names("incoming") == [NAME]
    assert any("The observer failed. Its unfinished captures stay" in sentence for _, sentence in said)


def test_a_capture_that_was_finished_while_an_abandoned_one_was_looked_at_makes_no_second_alert(spool, monkeypatch):
    """The next login's observer also takes every capture in incoming/."""
    monkeypatch.setattr(observer, "set_priority", lambda _: None)
    old = "1763884862.123456-4242"
    parts.Path(spool.path("incoming", old)).write_bytes(b"capture=1\0parent=0\0parent_stat=\0\0PAM_USER=x\0")
    run = Observer.run

    def another_finishes_it(this):
        spool.stage(old, b"alert")
        spool.publish(old)
        spool.remove("outgoing", old)  # sent
        run(this)

    monkeypatch.setattr(Observer, "run", another_finishes_it)
    recover_orphans(spool)
    assert spool.names("outgoing") == spool.names("incoming") == []
