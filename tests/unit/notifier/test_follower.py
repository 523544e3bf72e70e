# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The follower: a later session of a connection is reported once, whatever was reported before."""

import json
import os
import signal
import subprocess
import time

import parts
import pytest
from ssh_login_notify import alert, finisher, follower, open_connections, paths
from ssh_login_notify.capture import start_time
from ssh_login_notify.exit_codes import TRY_LATER
from ssh_login_notify.follower import Follower, follow
from ssh_login_notify.login_types import COMMAND, INTERACTIVE, RSYNC, SOMETHING_OVER, TUNNEL, UNKNOWN
from ssh_login_notify.open_connections import OpenConnections, Record
from ssh_login_notify.processes import Processes
from ssh_login_notify.rules import is_ignored
from ssh_login_notify.spool import Lock, Spool

# Python itself can affect each case.
pytestmark = pytest.mark.each

NAME = "1763884862.123456-4242"
MONITOR, SERVER, CHILD = 100, 101, 102
START = 1000 + MONITOR


class Host:
    """A host with one reported connection and its follower, which looks when a test tells it to."""

    def __init__(self, spool, root, monkeypatch):
        self.spool = spool
        self.proc = parts.FakeProc(root)
        monkeypatch.setattr(follower, "Processes", lambda **more: Processes(str(root), **more))
        monkeypatch.setattr(follower, "Spool", lambda root=None: Spool(root or self.spool.root))
        self.proc.add(MONITOR, 50, "sshd", "sshd: deploy [priv]")
        self.faults = 0
        self.serve("")
        self.follower = Follower(spool)

    def serve(self, ending="@notty", reaped_faults=0):
        self.faults += 1  # sshd has not slept meanwhile
        more = {"faults": self.faults, "reaped_faults": reaped_faults}
        self.proc.add(SERVER, MONITOR, "sshd", "sshd: deploy" + ending, **more)

    def run(self, *arguments, **more):
        self.serve("@notty")
        self.proc.add(more.pop("pid", CHILD), SERVER, arguments[0].strip("-"), *arguments, **more)

    def reported(self, kind=TUNNEL, remembered="0:", start=START, tells_end=False):
        record = Record(parts.alert(id=NAME, type=kind), MONITOR, start, remembered, tells_end)
        OpenConnections(self.spool).keep(record)

    def look(self, times=1):
        for _time in range(times):
            self.follower.take()
            self.follower.look()

    @property
    def alerts(self):
        return [json.loads(self.spool.read("outgoing", name).decode()) for name in self.spool.names("outgoing")]

    @property
    def types(self):
        return [found["type"] for found in self.alerts]


@pytest.fixture
def host(spool, tmp_path, monkeypatch, said):
    for name in ("SYSTEMD", "PATH_UNIT"):
        monkeypatch.setattr(paths, name, "/")  # a host whose path unit starts the sender
    return Host(spool, tmp_path / "proc", monkeypatch)


def test_a_shell_that_a_tunnel_opens_later_is_reported_once(host, said):
    host.reported()
    host.look(3)
    assert host.alerts == []
    host.run("-bash")
    host.look(3)
    (found,) = host.alerts
    assert (found["follows"], found["was"], found["type"]) == (NAME, TUNNEL, INTERACTIVE)
    assert (found["user"], found["address"], found["methods"]) == ("deploy", "203.0.113.50", parts.alert()["methods"])
    assert [sentence.split()[0] for _, sentence in said] == ["followup"]
    assert host.spool.names("open") == []  # it can show nothing more
    assert os.path.exists(host.spool.path("state", "wake"))


def test_each_step_is_reported_and_none_twice(host):
    host.reported()
    host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
    host.look(3)
    host.proc.add(CHILD + 1, SERVER, "id", "id")
    host.look(3)
    host.proc.add(CHILD + 2, SERVER, "git-shell", "rsync", "--server", ".", executable="/usr/bin/rsync")
    host.look(3)
    host.proc.add(CHILD + 3, SERVER, "bash", "-bash")
    host.look(3)
    assert host.types == [RSYNC, "SSH (command: id)", INTERACTIVE]
    assert {found["follows"] for found in host.alerts} == {NAME}
    assert [found["was"] for found in host.alerts] == [TUNNEL, *host.types[:2]]


@pytest.mark.parametrize(
    ("reported", "arguments"),
    [(COMMAND, ("id",)), ("SSH (command: sleep)", ("rsync", "--server", ".")), (RSYNC, ("scp", "-t", "."))],
)
def test_a_less_serious_session_is_not_reported(host, reported, arguments):
    host.reported(reported)
    host.run(*arguments, executable="/usr/bin/" + arguments[0])
    host.look(3)
    assert host.alerts == []
    assert host.spool.names("open") == [NAME]


@pytest.mark.parametrize("reported", [TUNNEL, RSYNC, UNKNOWN])
def test_a_session_between_two_looks_is_reported(host, reported):
    host.reported(reported)
    host.look()
    host.serve("@notty", reaped_faults=250)
    host.look(3)
    assert host.types == [SOMETHING_OVER]


def test_a_session_while_no_process_watched_is_reported(host):
    host.reported(remembered="100:")
    host.serve("@notty", reaped_faults=350)
    host.look(2)
    assert host.types == [SOMETHING_OVER]


def test_the_state_of_a_connection_is_kept_for_the_next_follower(host):
    host.reported(RSYNC, remembered="0:102")
    host.look()
    host.serve("@notty", reaped_faults=250)  # this is the transfer, which was seen, and has ended
    host.look(2)
    host.follower = Follower(host.spool)
    host.serve("@notty", reaped_faults=500)
    host.look(2)
    assert host.types == [SOMETHING_OVER]


def test_a_connection_that_is_over_is_forgotten(host):
    host.reported()
    host.look()
    host.run("-bash", start=1)
    host.proc.add(MONITOR, 50, "sshd", "sshd: deploy [priv]", start=START + 1)  # another process with the same pid
    host.look()
    assert (host.alerts, host.spool.names("open")) == ([], [])


def test_a_record_of_another_boot_is_of_nobody(host, monkeypatch, said):
    host.reported()
    monkeypatch.setattr(open_connections, "boot_id", lambda: "another")
    host.run("-bash")
    host.look()
    assert (host.alerts, host.spool.names("open"), said) == ([], [], [])


def test_the_next_follower_goes_on_after_a_kill(host):
    host.reported()
    host.look(2)
    host.follower = Follower(host.spool)
    host.run("-bash")
    host.look()
    assert host.types == [INTERACTIVE]


OF_NOBODY = json.dumps({"boot": "", "monitor": 1, "start": 1, "remembered": "", "alert": parts.alert(id="x")}).encode()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b"[" * 100000, OF_NOBODY])
def test_a_damaged_record_is_removed_and_logged(host, said, raw, without_garbage):
    host.spool.write("open", NAME, raw, 0o600)
    host.look()
    assert host.spool.names("open") == []
    assert NAME in said[0][1]


def test_a_rule_by_type_is_asked_again():
    rule = parts.configuration(ignore=[{"type": TUNNEL}])
    first = parts.alert(type=TUNNEL)
    assert is_ignored(first, rule)
    assert not is_ignored(alert.following(first, INTERACTIVE), rule)
    assert is_ignored(alert.following(first, RSYNC), parts.configuration(ignore=[{"type": RSYNC}]))


def test_where_the_spool_takes_no_record_it_is_in_memory(host, said, monkeypatch):
    os.rename(host.spool.path("open"), host.spool.path("away"))
    host.reported()
    assert os.listdir(os.path.join(paths.OVERFLOW, "open")) == [NAME]
    host.run("-bash")
    host.look()
    assert (host.types, OpenConnections(host.spool).names()) == ([INTERACTIVE], [])
    assert os.listdir(paths.OVERFLOW) == []


def test_the_records_are_bounded(host, monkeypatch):
    monkeypatch.setattr(open_connections, "MOST_RECORDS", 0)
    with pytest.raises(OSError, match="0 records are there already"):
        host.reported()


def raise_read_only(*_):
    raise OSError(30, "Read-only file system")


def test_a_record_that_can_not_be_removed_keeps_no_follower(host, monkeypatch):
    host.reported(start=1)

    monkeypatch.setattr(OpenConnections, "remove", raise_read_only)
    follow(host.spool)
    assert host.spool.names("open") == [NAME]


@pytest.mark.parametrize("changed", ["its own module", "any other file"])
def test_a_follower_ends_when_the_program_has_changed(host, monkeypatch, tmp_path, changed):
    """Otherwise it would run the old program as long as a connection is open."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text("of before")
    monkeypatch.setattr(paths, "MANIFEST", str(manifest))
    monkeypatch.setattr(follower, "VERSION", follower._version())
    host.reported()

    def upgrade(_seconds):
        if changed == "any other file":
            manifest.unlink()
            manifest.write_text("of now, by the role")
        else:
            monkeypatch.setattr(follower, "VERSION", [])

    monkeypatch.setattr(time, "sleep", upgrade)
    follow(host.spool)
    assert host.spool.names("open") == [NAME]


def test_it_rests_at_least_so_long_that_it_takes_a_twentieth_of_a_processor(host, monkeypatch):
    host.reported()
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            host.spool.remove("open", NAME)

    monkeypatch.setattr(time, "sleep", sleep)
    used = iter([0.0, 0.001, 1.0, 1.1])
    monkeypatch.setattr(time, "process_time", lambda: next(used))
    host.follower.run()
    assert waits == [follower.PACE_SECONDS, pytest.approx(2.0)]


def followers(spool):
    """Return the pid that holds the follower's lock, if any."""
    found = []
    inode = os.stat(spool.path("follower.lock")).st_ino if os.path.exists(spool.path("follower.lock")) else 0
    with open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            words = line.split()
            if words[1] == "POSIX" and int(words[5].rpartition(":")[2]) == inode:
                found.append(int(words[4]))
    return found


def test_one_process_follows_and_another_after_it_was_killed(spool, monkeypatch, said):
    """With real processes. Any process that stays for a while can act as sshd's."""
    sshd = subprocess.Popen(["sleep", "60"])
    try:
        stat = parts.Path(f"/proc/{sshd.pid}/stat").read_bytes()
        record = Record(parts.alert(id=NAME, type=TUNNEL), sshd.pid, start_time(stat), "0:", tells_end=True)
        OpenConnections(spool).keep(record)
        follower.start(spool)
        parts.wait_for(lambda: followers(spool))
        first = followers(spool)
        follower.start(spool)
        assert followers(spool) == first
        assert os.getpgid(first[0]) != os.getpgid(0)
        os.kill(first[0], signal.SIGKILL)
        parts.wait_for(lambda: not followers(spool))
        follower.start(spool)
        parts.wait_for(lambda: followers(spool))
        assert followers(spool) != first
    finally:
        sshd.kill()
        sshd.wait()
    parts.wait_for(lambda: not followers(spool))
    assert spool.names("open") == []
    (told,) = (json.loads(spool.read("outgoing", name).decode()) for name in spool.names("outgoing"))
    assert (told["about"], told["follows"]) == ("logout", NAME)


def close(host):
    """End the connection: its pid now belongs to another process."""
    host.proc.remove(SERVER)
    host.proc.add(MONITOR, 50, "sshd", "sshd: deploy [priv]", start=START + 1)


@pytest.mark.parametrize("kind", [TUNNEL, RSYNC, INTERACTIVE])
def test_the_end_of_a_connection_is_told_once_if_that_is_wanted(host, said, kind):
    host.reported(kind, tells_end=True)
    host.look(3)
    assert (host.alerts, host.spool.names("open")) == ([], [NAME])
    close(host)
    before = time.time()
    host.look(3)
    (found,) = host.alerts
    assert (found["about"], found["follows"], found["type"]) == ("logout", NAME, kind)
    assert (found["user"], found["address"], found["began"]) == ("deploy", "203.0.113.50", 1763884862.123456)
    assert before - 1 < found["seen"] <= found["time"] <= time.time()
    assert [sentence.split()[0] for _, sentence in said] == ["logout"]
    assert host.spool.names("open") == []
    assert os.path.exists(host.spool.path("state", "wake"))


def test_a_connection_is_watched_to_its_end_after_the_most_serious_that_it_can_open(host):
    host.reported(tells_end=True)
    host.run("-bash")
    host.look(3)
    assert (host.types, host.spool.names("open")) == ([INTERACTIVE], [NAME])
    close(host)
    host.look(2)
    assert [found["about"] for found in host.alerts] == ["login", "logout"]
    assert [found["type"] for found in host.alerts] == [INTERACTIVE, INTERACTIVE]


def test_a_record_of_an_earlier_version_tells_no_end(host, said):
    host.reported()
    record = json.loads(host.spool.read("open", NAME).decode())
    del record["tells_end"]
    host.spool.write("open", NAME, json.dumps(record).encode(), 0o600)
    host.look()
    close(host)
    host.look()
    assert (host.alerts, host.spool.names("open"), said) == ([], [], [])


def noted(host, seconds_ago):
    """Make the previous follower have watched until then."""
    lock = host.spool.path("follower.lock")
    parts.Path(lock).touch()
    os.utime(lock, (time.time() - seconds_ago,) * 2)


@pytest.mark.parametrize("boot", ["this", "another"])
def test_the_next_follower_says_since_when_nothing_watched(host, monkeypatch, boot):
    noted(host, 60)
    host.reported(INTERACTIVE, tells_end=True)
    close(host)
    if boot == "another":
        monkeypatch.setattr(open_connections, "boot_id", lambda: "another")
    host.follower = Follower(host.spool)
    host.look(2)
    (found,) = host.alerts
    assert found["about"] == "logout"
    assert found["time"] - found["seen"] == pytest.approx(60, abs=2)
    assert host.spool.names("open") == []


def test_a_login_that_nothing_has_watched_was_open_when_it_began(host):
    noted(host, 1e9)  # long before the login
    host.reported(INTERACTIVE, tells_end=True)
    close(host)
    host.follower = Follower(host.spool)
    host.look()
    (found,) = host.alerts
    assert found["seen"] == found["began"]


@pytest.mark.parametrize("tells_end", [True, False])
def test_it_notes_that_it_watches_only_where_an_end_is_to_be_told(host, tells_end):
    noted(host, 60)
    host.reported(tells_end=tells_end)
    host.look(2)
    age = time.time() - os.stat(host.spool.path("follower.lock")).st_mtime
    assert age == pytest.approx(0 if tells_end else 60, abs=2)


@pytest.mark.parametrize("place", ["queue", "remove"])
def test_an_end_is_the_same_alert_after_a_kill(host, monkeypatch, said, place):
    """So the queue has it once, and a channel can recognize it as already sent."""
    host.reported(INTERACTIVE, tells_end=True)
    host.look()
    close(host)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        if place == "queue":
            killed.setattr(follower.outbox, "put", kill)
        else:
            killed.setattr(OpenConnections, "remove", kill)
        with pytest.raises(KeyboardInterrupt):
            host.look()
    told = json.loads(host.spool.read("open", NAME).decode())["alert"]["id"]
    for name in host.spool.names("outgoing"):
        host.spool.remove("outgoing", name)
    host.follower = Follower(host.spool)
    host.look(2)
    assert [found["id"] for found in host.alerts] == [told]
    assert host.spool.names("open") == []
    assert [sentence.split()[0] for _, sentence in said] == ["logout"]


def test_the_end_by_a_reboot_is_the_same_alert_after_a_kill(host, monkeypatch, said):
    """Even if another process has the same pid and start time by then."""
    host.reported(INTERACTIVE, tells_end=True)
    monkeypatch.setattr(open_connections, "boot_id", lambda: "another")
    with monkeypatch.context() as killed:
        killed.setattr(OpenConnections, "remove", raise_read_only)
        host.look()
    assert (len(host.alerts), host.spool.names("open")) == (1, [NAME])
    host.follower = Follower(host.spool)
    host.look(2)
    assert (len(host.alerts), host.spool.names("open")) == (1, [])


def test_an_end_on_a_disk_that_can_not_be_changed_is_the_same_alert_every_time(host, monkeypatch, said):
    host.reported(INTERACTIVE, tells_end=True)
    monkeypatch.setattr(OpenConnections, "remove", raise_read_only)
    write = Spool.write
    read_only = lambda spool, *rest, **more: (  # noqa: E731
        raise_read_only() if spool.root == host.spool.root and rest[0] == "open" else write(spool, *rest, **more)
    )
    monkeypatch.setattr(Spool, "write", read_only)
    close(host)
    for _time in range(3):
        host.follower = Follower(host.spool)
        host.look(2)
    assert len(host.alerts) == 1
    assert [sentence.split()[0] for _, sentence in said] == ["logout"]


def test_a_record_on_the_disk_replaces_the_one_in_memory(host, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(open_connections, "MOST_RECORDS", 1)
        OpenConnections(host.spool).keep(Record(parts.alert(1), MONITOR, START, "0:"))
        write = open_connections._write
        refusing = lambda place, record: raise_read_only() if place is host.spool else write(place, record)  # noqa: E731
        full.setattr(open_connections, "_write", refusing)
        OpenConnections(host.spool).keep(Record(parts.alert(1, user="in memory"), MONITOR, START, "0:"))
    assert OpenConnections(host.spool).read(parts.alert(1)["id"]).reported["user"] == "in memory"
    OpenConnections(host.spool).keep(Record(parts.alert(1, user="on the disk"), MONITOR, START, "0:"))
    assert OpenConnections(host.spool).read(parts.alert(1)["id"]).reported["user"] == "on the disk"


def test_as_systemds_service_it_ends_well_once_nothing_is_left(host):
    host.reported(start=1)  # it has ended
    assert follower.main() == 0
    assert host.spool.names("open") == []


@pytest.mark.parametrize("left", ["a record that stays", "a file of somebody's", "a file in its place", "no spool"])
def test_as_systemds_service_it_is_not_started_again_at_once_where_something_is_left(host, monkeypatch, said, left):
    """Otherwise the path unit would start it, because its directory is not empty."""
    directory = parts.Path(host.spool.path("open"))
    if left == "a record that stays":
        host.reported(start=1)
        monkeypatch.setattr(OpenConnections, "remove", raise_read_only)
    elif left == "a file of somebody's":
        (directory / "README").touch()
    elif left == "a file in its place":
        directory.rmdir()
        directory.touch()
    else:
        host.spool.root = "/nowhere"
    assert follower.main() == TRY_LATER
    assert len(said) == (left == "no spool")


def test_as_systemds_service_it_leaves_the_rest_to_another_version_at_once(host, monkeypatch):
    monkeypatch.setattr(follower, "VERSION", [])
    host.reported()
    assert follower.main() == 0
    assert host.spool.names("open") == [NAME]


@pytest.mark.parametrize("by_systemd", [True, False])
def test_where_systemd_starts_it_nobody_else_does(host, monkeypatch, by_systemd):
    started = []
    monkeypatch.setattr(follower, "start", started.append)
    monkeypatch.setattr(paths, "PATH_UNIT", "/" if by_systemd else "/nowhere")
    finisher.start_follower(host.spool)
    assert started == [] if by_systemd else [host.spool]


def test_nobody_follows_where_nothing_is_open_or_the_processes_of_others_are_hidden(spool, monkeypatch):
    follower.start(spool)
    OpenConnections(spool).keep(Record(parts.alert(id=NAME), 1, 1, ":"))
    monkeypatch.setattr(follower, "FIRST_PROCESS", "/nowhere")
    follower.start(spool)
    assert Lock(spool.path("follower.lock")).take()
    assert spool.names("open") == [NAME]
