# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate a host's log of sshd and the notifier's ledger from events, for the tests of the audit."""

import json
import os
import sys
import time

import parts
import pytest
from ssh_login_notify import audit, ledger, paths, sshd_history, sshd_log, suspects

# journald's fields of a second sshd, which somebody has started by hand.
BY_HAND = {"_SYSTEMD_UNIT": "session-5.scope"}
START = 1763848800.0  # 2025-11-22 22:00 UTC
KEY = "ED25519 SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CERTIFICATE = "ED25519-CERT SHA256:abcdefghijklmnopqrstuvwxyz ID {} (serial 0) CA " + KEY
ADA = "203.0.113.50"
OTHER = "192.0.2.1"
JOURNAL, ISO, TRADITIONAL, BUSYBOX = "journal", "iso", "traditional", "busybox"
FORMATS = (JOURNAL, ISO, TRADITIONAL, BUSYBOX)
PROGRAM = paths.PROGRAM
NOT_RUN = f"pam_exec(sshd:session): {PROGRAM} failed: exit code "


def real_lines():
    """Return lines that sshd wrote on Debian 11, 12 and 13 (OpenSSH 8.4, 9.2, 10.0), by image and case.

    Each row has its case, the seconds since the first line, the program, a number for the process, its user, systemd's
    unit, whether journald could read the process's executable, and the message with a number for each port.
    """
    if not REAL_LINES:
        for path in sorted(parts.Path(__file__).with_name("sshd_lines").glob("*.json")):
            for row in json.loads(path.read_text()):
                REAL_LINES.setdefault((path.stem, row[0]), []).append(row)
    return REAL_LINES


REAL_LINES = {}


class Server:
    """A host's log and ledger, made from events."""

    def __init__(self, spool, root, kind, name="sshd", monkeypatch=None):
        self.spool, self.root, self.kind, self.name = spool, root, kind, name
        self.now, self.pid, self.boot = START, 1000, "boot-1"
        self.lines, self.monkeypatch = [], monkeypatch

    def says(self, pid, message, at=None, **fields):
        """Write a line to the log. at: the time, by default now"""
        self.lines.append((self.now if at is None else at, pid, message, dict({"boot": self.boot}, **fields)))

    def login(
        self, user="ada", address=ADA, port=None, key=KEY, known=True, session=True, end=ledger.REPORTED, late=0.004,
        ledger_port=None, **fields,
    ):  # fmt: skip
        """Log somebody in, and return the id of the login. fields: of the line, see says"""
        self.pid += 7
        pid, port = self.pid, port or 1024 + self.pid * 31 % 60000
        self.says(pid, f'Connection from {address} port {port} on 192.0.2.2 port 22 rdomain ""')
        accepted = f"Accepted publickey for {user} from {address} port {port} ssh2"
        self.says(pid, f"{accepted}: {key}" if key else accepted, **fields)
        login_id = f"{self.now + late:017.6f}-{pid + 1}"
        if known:
            found = parts.alert(id=login_id, user=user, address=address, port=port, service="sshd")
            if ledger_port is not None:
                found["port"] = ledger_port
            ledger.note(self.spool, found, pid)
            if end:
                ledger.end(self.spool, [login_id], end)
        self.now += 0.01
        if session:
            self.says(pid, f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)", **fields)
        self.now += 1
        if session:
            self.says(pid, f"pam_unix(sshd:session): session closed for user {user}")
        return login_id

    def replay(self, case, image, known=True, user="ada", **fields):
        """Write the lines of a real sshd in a case, and the ledger's lines of its logins if they are known."""
        pids, first = {}, self.pid + 7
        for row in real_lines()[image, case]:
            _case, after, name, process, uid, unit, is_seen, message = row
            pid = pids.setdefault(process, first + process)
            self.pid = max(self.pid, pid)
            ports = [1024 + (first * 31 + number) % 60000 for number in range(9)]
            # The lines of pam_env are never relevant, and each line costs time.
            if "pam_env(" in message:
                continue
            message = message.format(*ports).replace(" ada", f" {user}")
            entry = {"_UID": str(uid), "_SYSTEMD_UNIT": unit or None, "SYSLOG_IDENTIFIER": name}
            if not is_seen:
                entry.update(_EXE=None, _COMM=name)
            self.says(pid, message, self.now + after, entry=dict(entry, **fields), name=name)
            if message.startswith("Accepted ") and known:
                port = int(message.partition(" port ")[2].split(" ")[0])
                self.reports(self.now + after + 0.004, pid, port)
        self.now += 3

    def reports(self, at, pid, port):
        """Write a login to the ledger."""
        path = parts.Path(self.spool.path("ledger", str(ledger.day_of(at))))
        with path.open("a") as file:
            file.write(f"\n{at:017.6f}-{pid + 1} {pid} {ADA} {port} sshd ada\n")

    def write(self):
        """Write the log in the host's format, make the audit find it, and return its history."""
        patch = self.monkeypatch.setattr
        for name, value in (("JOURNALCTL", ()), ("JOURNALS", ()), ("LOG_FILES", ())):
            patch(sshd_log, name, value)
        if self.kind == JOURNAL:
            return self._write_journal(patch)
        path = self.root / "auth.log"
        path.write_text("".join(map(self._text, self.lines)))
        os.utime(str(path), (self.now, self.now))
        patch(sshd_log, "LOG_FILES", (str(path),))
        return sshd_history.here()

    def _text(self, line):
        at, pid, message, fields = line
        local = time.localtime(at)
        stamp = time.strftime("%b ", local) + f"{local.tm_mday:2} " + time.strftime("%H:%M:%S", local)
        if self.kind == ISO:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06}+00:00"
        facility = "auth.info " if self.kind == BUSYBOX else ""
        return "{} web1 {}{}[{}]: {}\n".format(stamp, facility, fields.get("name", self.name), pid, message)

    def _write_journal(self, patch):
        (self.root / "machine-id").write_text("abc\n")
        journals = self.root / "journals" / "abc"
        if not journals.exists():
            journals.mkdir(parents=True)
        (journals / "system.journal").write_text("")
        entries = []
        for number, (at, pid, message, fields) in enumerate(self.lines):
            entry = {
                "__CURSOR": f"s=abc;i={number:x}", "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
                "_BOOT_ID": fields["boot"],
                "_UID": "0", "_PID": str(pid), "_EXE": "/usr/sbin/sshd", "_TRANSPORT": "syslog", "MESSAGE": message,
                "SYSLOG_IDENTIFIER": self.name, "_SYSTEMD_UNIT": "ssh.service", "SYSLOG_PID": str(pid),
                "__MONOTONIC_TIMESTAMP": str(int((at - fields.get("booted", START - 90100)) * 1e6)),
            }  # fmt: skip
            entry.update(fields.get("entry", {}))
            entries.append({name: value for name, value in entry.items() if value is not None})
        (self.root / "entries").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        program = self.root / "journalctl"
        program.write_text(
            f"#!{sys.executable} -ISB\nimport json, sys\n"
            "after = [int(a.split('i=')[1], 16) for a in sys.argv if a.startswith('--after-cursor=s=abc')]\n"
            "since = [int(a.split('@')[1]) for a in sys.argv if a.startswith('--since=')]\n"
            f"for line in open({str(self.root / 'entries')!r}):\n"
            "    entry = json.loads(line)\n"
            "    if after and int(entry['__CURSOR'].split('i=')[1], 16) <= after[0]: continue\n"
            "    if since and int(entry['__REALTIME_TIMESTAMP']) < since[0] * 1000000: continue\n"
            "    try: print(line, end='')\n"
            "    except BrokenPipeError: break\n"
        )
        program.chmod(0o755)
        patch(sshd_log, "JOURNALCTL", (str(program),))
        patch(sshd_log, "MACHINE_ID", str(self.root / "machine-id"))
        patch(sshd_log, "JOURNALS", (str(self.root / "journals"),))
        return sshd_history.here()

    def audit(self, since=START - 10, until=None, **context):
        context.setdefault("began", START - 86400)
        history = self.write()
        until = self.now + 3600 if until is None else until
        return audit.compare(self.spool, history, suspects.Context(**context), since, until, time.monotonic() + 60)[0]


@pytest.fixture
def server(spool, tmp_path, monkeypatch):
    """A host whose lines are all recent. Its log begins earlier than they do."""
    made = Server(spool, tmp_path, JOURNAL, monkeypatch=monkeypatch)
    made.says(1, "Server listening on 0.0.0.0 port 22.", START - 90000)
    return made


@pytest.fixture(params=FORMATS)
def any_server(request, server):
    server.kind = request.param
    return server


@pytest.fixture(autouse=True)
def _zone(monkeypatch):
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: None)  # saves time with thousands of logins
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def reasons(result):
    return [missed.reason for missed in result.missed]


class Clock:
    """The host's clock."""

    def __init__(self, monkeypatch, at):
        self.at = at
        monkeypatch.setattr(time, "time", lambda: self.at)
