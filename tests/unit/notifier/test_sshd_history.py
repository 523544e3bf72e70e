# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd_history: each of sshd's lines is read once, whatever happens to the files or the journal in between."""

import gzip
import lzma
import os
import signal
import time

import pytest
from audited import ADA, BY_HAND, ISO, JOURNAL, KEY, START, TRADITIONAL, Clock, _zone, any_server, server
from ssh_login_notify import proof, sshd_log

pytestmark = pytest.mark.each

__all__ = ["_zone", "any_server", "server"]

# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "opener"), [(".1", open), (".2.gz", gzip.open), ("-20251122.xz", lzma.open)])
def test_rotated_files_are_read_with_the_others(server, ending, opener):
    server.kind = ISO
    server.login()
    server.login(known=False)
    old = "".join(map(server._text, server.lines))
    server.lines = []
    path = server.root / ("auth.log" + ending)
    with opener(str(path), "wb") as file:
        file.write(old.encode())
    os.utime(str(path), (server.now, server.now))
    server.login()
    result = server.audit()
    assert (result.accepted, result.known, result.missed_count) == (3, 2, 1)


def test_a_file_that_cannot_be_read_is_said(server):
    server.kind = ISO
    for name, raw in (("auth.log.1.gz", b"no gzip"), ("auth.log.2.zst", b"x")):
        (server.root / name).write_bytes(raw)
    server.login()
    result = server.audit()
    assert [".gz" in gap or ".zst" in gap for gap in result.gaps if "can't be read" in gap] == [True, True]
    assert result.known == 1


class Days:
    """A host whose self-check runs every five minutes."""

    def __init__(self, server, monkeypatch):
        self.server = server
        monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
        monkeypatch.setattr(proof, "BEHIND_RUN_SECONDS", 60.0)
        self.clock = Clock(monkeypatch, START - 200)
        self.look()

    def look(self, write=True):
        if write:
            self.server.write()
        proof.update(self.server.spool, [])
        return proof.as_json(self.server.spool)

    def pass_by(self, seconds=290):
        self.server.now += seconds
        self.clock.at = self.server.now


@pytest.fixture(params=[ISO, TRADITIONAL])
def days(request, server, monkeypatch):
    server.kind = request.param
    return Days(server, monkeypatch)


def rotate(server, how):
    path = server.root / "auth.log"
    if how == "renamed":
        os.rename(str(path), str(path) + ".1")
    elif how == "compressed":
        with gzip.open(str(path) + ".1.gz", "wb") as file:
            file.write(path.read_bytes())
        os.utime(str(path) + ".1.gz", (server.now, server.now))
        path.unlink()
    elif how == "copied":  # and truncated: copytruncate of logrotate
        (server.root / "auth.log.1").write_bytes(path.read_bytes())
        os.utime(str(path) + ".1", (server.now, server.now))
    elif how == "inode":  # the new file has the old one's inode
        (server.root / "auth.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
        os.utime(str(path) + ".1.gz", (server.now, server.now))
    server.lines = []


@pytest.mark.parametrize("how", ["renamed", "compressed", "copied", "inode"])
@pytest.mark.parametrize("after", [1, 40])
def test_each_login_is_read_once_whatever_a_rotation_does(days, how, after):
    """After it the file is shorter than before, or longer."""
    server = days.server
    for _number in range(5):
        server.login()
    server.login(user="missed1", known=False)
    days.pass_by()
    days.look()
    server.login()
    server.login(user="missed2", known=False)
    server.write()
    rotate(server, how)
    for _number in range(after):
        server.login()
    server.login(user="missed3", known=False)
    days.pass_by()
    found = days.look()
    days.pass_by()
    assert found == dict(days.look(), **{name: found[name] for name in ("until", "proven", "looked")})
    assert (found["accepted"], found["missed"], found["unlogged"]) == (9 + after, 3, 0)
    assert found["gaps"] == []


def test_a_cursor_of_the_file_does_not_stop_the_journal_nor_the_other_way_round(server, monkeypatch):
    server.kind = ISO
    days = Days(server, monkeypatch)
    for kind in (JOURNAL, ISO, JOURNAL):
        server.login()
        server.login(user="missed", known=False)
        days.pass_by()
        days.look()
        server.kind = kind
    found = days.look()
    assert (found["accepted"], found["missed"], found["gaps"]) == (6, 3, [])


def test_the_log_of_many_failures_between_two_logins_is_not_read_twice(server, monkeypatch):
    server.kind = ISO
    days = Days(server, monkeypatch)
    server.login()
    for _number in range(2000):
        server.says(99, f"Failed password for root from {ADA} port 5 ssh2")
    days.pass_by()
    days.look()
    position = int(proof.Proof(server.spool).kept["cursor"].split(":")[1])
    assert position == os.path.getsize(str(server.root / "auth.log"))


@pytest.mark.parametrize("place", ["auth.log.1", "auth.log-20251122.gz"])
def test_a_pipe_in_the_place_of_a_rotated_file_stops_no_audit(server, place):
    """Opening it would wait for a writer, and every alert would wait with the self-check."""
    server.kind = ISO
    server.login()
    history = server.write()
    os.mkfifo(str(server.root / place))
    signal.alarm(20)
    try:
        found = list(history.entries(START - 10, "", time.monotonic() + 60))
    finally:
        signal.alarm(0)
    assert any("Accepted" in entry.message for entry in found)
    assert "no regular file" in history.unreadable[0]


def test_a_directory_beside_the_log_is_no_part_of_it(server):
    server.kind = ISO
    server.login()
    (server.root / "auth.log-old").mkdir()
    assert server.audit().gaps == []


@pytest.mark.parametrize(("ending", "opener"), [(".bak", open), (".1", open), (".1.gz", gzip.open)])
def test_a_copy_of_the_log_counts_no_login_twice(server, ending, opener):
    """An administrator makes one, and so does logrotate before it truncates the file, or removes the plain one."""
    server.kind = ISO
    server.login()
    server.write()
    with opener(str(server.root / ("auth.log" + ending)), "wb") as file:
        file.write((server.root / "auth.log").read_bytes())
    server.login(user="mallory", known=False)
    result = server.audit()
    assert (result.accepted, result.known, result.missed_count) == (2, 1, 1)


JUNK = {
    "some": b"\0" * 5000, "many": b"\0" * (3 << 20), "long": b"x" * (3 << 20) + b"\n", "no text": b"\xff\xfe\n",
    "empty": b"\n\n",
}  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
def test_what_a_power_failure_leaves_in_a_file_hides_no_login(server, junk):
    server.kind = ISO
    server.login()
    server.login(user="mallory", known=False)
    history = server.write()
    path = server.root / "auth.log"
    lines = path.read_bytes().splitlines(True)
    path.write_bytes(lines[0] + JUNK[junk] + b"".join(lines[1:]))
    found = [entry.message for entry in history.entries(START - 10, "", time.monotonic() + 60)]
    assert sum("Accepted" in message for message in found) == 2


ACCEPTED = "Accepted publickey for ada from 203.0.113.50 port 5 ssh2\n"
PROTOCOL_23 = "<86>1 2025-11-22T22:00:01.5Z web1 sshd 77 - - \ufeff" + ACCEPTED


def test_the_form_of_rfc_5424_is_read(server):
    server.kind = ISO
    history = server.write()
    (server.root / "auth.log").write_text(PROTOCOL_23, encoding="utf-8")
    (entry,) = history.entries(START - 10, "", time.monotonic() + 60)
    assert (entry.at, entry.pid, entry.message[:9]) == (START + 1.5, 77, "Accepted ")


def test_a_form_that_is_not_known_is_said(server):
    server.kind = ISO
    server.login()
    history = server.write()
    with (server.root / "auth.log").open("a") as file:
        file.write("22 Nov 2025 22:00 sshd/77 " + ACCEPTED)
    list(history.entries(START - 10, "", time.monotonic() + 60))
    assert "can't read" in history.unreadable[0]


OLD_JOURNALCTL = """#!/bin/sh
for word; do case $word in --output-fields*) echo "unrecognized option" >&2; exit 1;; esac; done
exec {} "$@"
"""


def test_the_journal_of_systemd_219_is_read(server, monkeypatch):
    """Amazon Linux 2 has it, and OpenSSH 7.4."""
    server.login()
    server.login(user="mallory", known=False)
    history = server.write()
    old = server.root / "old-journalctl"
    old.write_text(OLD_JOURNALCTL.format(server.root / "journalctl"))
    old.chmod(0o755)
    monkeypatch.setattr(sshd_log, "JOURNALCTL", (str(old),))
    messages = [entry.message for entry in history.entries(START - 10, "", time.monotonic() + 60)]
    assert sum("Accepted" in message for message in messages) == 2


def test_a_journal_with_a_part_that_can_not_be_read_tells_the_rest_and_says_so(server):
    server.login(user="mallory", known=False)
    history = server.write()
    program = server.root / "journalctl"
    program.write_text(program.read_text() + "import os\nif '--output-fields=_PID' not in sys.argv: os._exit(1)\n")
    program.write_text(program.read_text().replace("print(line, end='')", "print(line, end='', flush=True)"))
    found = [entry.message for entry in history.entries(START - 10, "", time.monotonic() + 60)]
    assert any("mallory" in message for message in found)
    assert "a part of the journal" in history.unreadable[0]


def test_a_journalctl_that_hangs_ends_with_the_time_that_it_has(server):
    history = server.write()
    (server.root / "journalctl").write_text("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    assert list(history.entries(START, "", began + 0.3)) == []
    assert time.monotonic() - began < 10
    assert not history.is_whole


def test_a_journalctl_that_searches_on_is_ended_when_enough_was_read(server):
    """The audit stops at the first young login."""
    server.login()
    history = server.write()
    program = server.root / "journalctl"
    pid = server.root / "pid"
    program.write_text(
        program.read_text().replace("print(line, end='')", "print(line, end='', flush=True)")
        + f"import os, time\nif '--output-fields=_PID' not in sys.argv:\n"
        f"    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    )
    began = time.monotonic()
    entries = history.entries(START - 10, "", began + 60)
    next(entries)
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.01)
    entries.close()
    assert time.monotonic() - began < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_line_without_an_end_is_not_kept_in_memory(server, monkeypatch):
    history = server.write()
    monkeypatch.setattr(sshd_log, "LONGEST_LINE_BYTES", 1 << 17)
    (server.root / "journalctl").write_text("#!/bin/sh\nexec yes | tr -d '\\n'\n")
    assert list(history.entries(START, "", time.monotonic() + 60)) == []


def test_a_message_that_is_no_plain_text_is_read(server):
    server.login()
    raw = list(f"Accepted publickey for \x01mallory from {ADA} port 5 ssh2: {KEY}".encode())
    server.says(77, "", entry=dict(BY_HAND, MESSAGE=raw))
    assert server.audit().missed_count == 1


@pytest.mark.parametrize("value", [None, 5, [], ["a", "b"], [300], {"a": 1}, ""])
def test_an_entry_of_any_form_is_passed_over(server, value):
    server.says(77, "", entry={"MESSAGE": value, "_PID": str(value)})
    server.login()
    assert server.audit().accepted == 1


def test_junk_of_journalctl_is_passed_over(server):
    server.login()
    history = server.write()
    program = server.root / "journalctl"
    program.write_text(program.read_text().replace("for line in", "print('[]'); print('{', 'x' * 99)\nfor line in"))
    found = [entry for entry in history.entries(START - 10, "", time.monotonic() + 60) if "Accepted" in entry.message]
    assert len(found) == 1
