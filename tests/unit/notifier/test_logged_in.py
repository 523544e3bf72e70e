# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""logged_in: exactly the users who are logged in, by sshd's processes, logind and the ledger."""

import os
import time

import parts
import pytest
from parts import FINGERPRINT, needs_root
from ssh_login_notify import ledger, logged_in, sshds
from ssh_login_notify.open_connections import OpenConnections, Record

pytestmark = needs_root
TICKS = os.sysconf("SC_CLK_TCK")
UPTIME = 10000.0


class Host:
    """A host with processes, a logind and a ledger. Times are seconds before now."""

    def __init__(self, root, monkeypatch, spool):
        self.now = time.time()
        self.spool = spool
        self.root = root
        os.makedirs(spool.path(ledger.DIRECTORY), exist_ok=True)
        self.proc = parts.FakeProc(root / "proc")
        (root / "proc").mkdir()
        (root / "proc" / "uptime").write_text(f"{UPTIME} 1.0\n")
        (root / "proc" / "self" / "ns").mkdir(parents=True)
        (root / "proc" / "self" / "ns" / "pid").symlink_to("pid:[1]")
        self.sshd = root / "sshd"
        self.sshd.write_text("sshd")
        monkeypatch.setattr(sshds, "PROC", str(root / "proc"))
        monkeypatch.setattr(logged_in, "LOGINCTL", (str(root / "loginctl"),))

    def process(self, pid, parent, title, ago, uid=0, executable=None):
        start = int((UPTIME - ago) * TICKS)
        self.proc.add(pid, parent, "sshd", title, start=start, uid=uid, executable=executable or str(self.sshd))
        (self.root / "proc" / str(pid) / "root").symlink_to("/")
        (self.root / "proc" / str(pid) / "ns" / "pid").symlink_to("pid:[1]")

    def login(self, pid, user, ago):
        """Add a login to sshd's processes."""
        self.process(pid, 7, f"sshd: {user} [priv]", ago)
        self.process(pid + 1, pid, f"sshd: {user}@pts/0", ago, uid=1000)

    def entry(self, pid, user, ago, address="203.0.113.50"):
        found = parts.alert(user=user, address=address, port=45006)
        ledger.note(self.spool, dict(found, id=f"{self.now - ago:017.6f}-{pid}"), pid)

    def logind(self, *sessions):
        names = " ".join(str(number) for number in range(len(sessions)))
        shown = "\n\n".join("\n".join(f"{name}={value}" for name, value in session.items()) for session in sessions)
        path = self.root / "loginctl"
        listing = "".join(f"{number} 1000 x seat0 tty1\n" for number in range(len(sessions)))
        path.write_text(
            f"#!/bin/sh\ncase $1 in list-sessions) printf '{listing}' ;; show-session) shift 2\n"
            f"[ \"$*\" = '{names}' ] && cat << 'END'\n{shown}\nEND\n;; esac\n"
        )
        path.chmod(0o755)

    def shown(self, ago):
        return time.strftime("%H:%M:%S", time.localtime(self.now - ago))

    def line(self, **people):
        return logged_in.line(self.spool, people.get("people", {}))


@pytest.fixture
def host(tmp_path, monkeypatch, spool):
    return Host(tmp_path, monkeypatch, spool)


def test_nobody_is_nobody(host):
    host.process(7, 1, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 9000)
    assert host.line() == "nobody"


def test_a_login_of_the_ledger_has_its_address_and_its_time(host):
    host.login(40, "deploy", 61)
    host.entry(40, "deploy", 60)
    assert host.line() == f"deploy from 203.0.113.50 since {host.shown(60)}"


def test_a_login_that_the_ledger_does_not_know_is_named_by_sshd_and_by_logind(host):
    host.login(40, "eve", 61)
    assert host.line().startswith("eve since ")
    when = time.strftime("Fri %Y-%m-%d %H:%M:%S UTC", time.localtime(host.now - 30))
    session = {"Name": "eve", "Timestamp": when, "RemoteHost": "192.0.2.1", "Leader": "40", "Class": "user"}
    console = {"Name": "root", "Timestamp": when, "TTY": "tty1", "Leader": "50", "Class": "user", "Service": "login"}
    host.logind(session, console)
    first, second = host.line().split("; ")
    assert first == f"root on tty1 since {host.shown(30)}"
    assert second.startswith("eve from 192.0.2.1 since ")


@pytest.mark.parametrize(
    "changes",
    [{"Class": "manager"}, {"Service": "cron"}, {"Service": "systemd-user"}, {"State": "closing"}, {"Leader": ""}],
)
def test_sessions_of_services_are_no_logins(host, changes):
    host.logind(dict({"Name": "x", "Leader": "50", "Class": "user", "State": "active"}, **changes))
    assert host.line() == "nobody"


def test_a_root_login_has_no_monitor(host):
    host.process(40, 7, "sshd-session: root@pts/0", 61)
    assert host.line().startswith("root since ")


@pytest.mark.parametrize("title", ["sshd: root [net]", "sshd: ada [pam]", "sshd: [accepted]", "sshd: unknown [priv]"])
def test_who_is_only_trying_is_not_logged_in(host, title):
    host.process(40, 7, "sshd: root [priv]", 5)
    host.process(41, 40, title, 5, uid=74)
    assert host.line() == "nobody"


def test_a_title_that_anybody_can_write_counts_for_nothing(host, tmp_path):
    other = tmp_path / "python"
    other.write_text("python")
    host.process(40, 7, "sshd: root@pts/0", 61, uid=1000)
    host.process(41, 7, "sshd: root@pts/0", 61, executable=str(other))
    assert host.line() == "nobody"


def test_the_command_line_of_somebodys_own_process_is_not_read(host, monkeypatch):
    """Its owner can map it from a FUSE file, and then the message would never be sent."""
    host.login(40, "deploy", 61)
    host.process(50, 1, "sshd: eve@pts/0", 61, uid=1000)
    read, arguments = [], logged_in.Processes.arguments
    monkeypatch.setattr(logged_in.Processes, "arguments", lambda self, pid: read.append(pid) or arguments(self, pid))
    assert host.line().startswith("deploy since ")
    assert 41 in read
    assert 50 not in read


def test_a_pid_that_is_used_again_does_not_get_an_earlier_logins_address(host):
    host.entry(40, "eve", 4000, "192.0.2.1")
    host.login(40, "deploy", 61)
    host.entry(40, "deploy", 60)
    assert host.line() == f"deploy from 203.0.113.50 since {host.shown(60)}"


def test_who_has_left_a_moment_ago_is_named_and_who_left_long_ago_is_not(host):
    host.entry(40, "eve", 90, "192.0.2.1")
    host.entry(41, "old", 4000, "192.0.2.2")
    assert host.line() == f"eve from 192.0.2.1 at {host.shown(90)}, ended"


def test_the_roles_test_alert_is_no_login(host):
    found = parts.alert(id=f"{host.now - 30:017.6f}-40", service="ssh-login-notify-test", user="")
    ledger.note(host.spool, found, 40)
    assert host.line() == "nobody"


def test_a_person_is_named_where_the_connections_keys_are_known(host):
    host.login(40, "deploy", 61)
    host.entry(40, "deploy", 60)
    found = parts.alert(methods=[{"method": "publickey", "fingerprint": FINGERPRINT}])
    OpenConnections(host.spool).keep(Record(found, 40, 1, ""))
    assert host.line(people={FINGERPRINT: "ada"}).startswith("deploy (ada) from 203.0.113.50 since ")


def test_of_many_ten_are_named(host):
    for number in range(25):
        host.login(100 + 2 * number, f"user{number}", 1000 - number)
    line = host.line()
    assert line.startswith("user24 since ")
    assert line.endswith("; 15 more")
    assert line.count(";") == 10


def test_a_hostile_name_is_quoted_and_cut(host):
    host.logind({"Name": 'x\x1b"; root since 00:00:00' + "y" * 500, "Leader": "50", "Class": "user", "Timestamp": ""})
    line = host.line()
    assert line.startswith('"x')
    assert line.endswith('" since an unknown time')
    assert line.isprintable()
    assert len(line) < 200


def test_where_nothing_can_be_seen_nothing_is_said(host, monkeypatch):
    monkeypatch.setattr(logged_in, "FIRST_PROCESS", "/nowhere")
    assert host.line() == ""
