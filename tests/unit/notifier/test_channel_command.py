# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels/command: a program that only root can change reads the alerts; its exit code counts; it can time out."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from forms import CHOSEN
from hypothesis import given
from parts import alert, configuration, needs_root, wait_for
from ssh_login_notify import channels, trust
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.channels.command import LARGEST_OUTPUT_BYTES
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.transport import Answer, TransportError

# Python itself can affect each case.
pytestmark = [needs_root, pytest.mark.each]

NOW = 1763884862.0
LOGIN = alert(1, weights=[])


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A directory that only root can write to. Its parents are not checked, because /tmp is world-writable."""
    is_open = trust._is_open
    monkeypatch.setattr(trust, "_is_open", lambda path: path.startswith(str(tmp_path)) and is_open(path))
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def program(directory):
    """Create a program from these lines of Python, and return its path: program("print(1)")."""

    def make_program(text, name="program"):
        path = directory / name
        path.write_text(f"#!{sys.executable} -IS\nimport json, os, signal, sys, time\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return make_program


def make(*command, **more):
    return channels.load(dict({"name": "own", "kind": "command", "command": command}, **more), configuration(), None)


def send(channel, *alerts):
    alerts = list(alerts) or [LOGIN]
    return channel.send(channel.message(alerts, NOW), alerts)


def failing(channel):
    with pytest.raises(TransportError) as failed:
        send(channel)
    assert str(failed.value).isprintable()
    return failed.value


def test_the_program_reads_the_document_as_one_line(program):
    path = program(
        "line = sys.stdin.readline(); assert not sys.stdin.read(); print(json.loads(line)['alerts'][0]['id'])"
    )
    channel = make(path)
    found = send(channel)
    assert (channel.read(found).kind, str(found)) == (DELIVERED, "0 " + LOGIN["id"])
    document = json.loads(channel.message([LOGIN, alert(2)], NOW, 3).decode())
    assert (document["version"], document["dropped"], len(document["alerts"])) == (1, 3, 2)


def test_as_text_it_reads_a_line_for_each_alert(program):
    channel = make(program("sys.stdout.write(sys.stdin.read())"), format="text")
    lines = channel.message([LOGIN, alert(2, notes=["\u65e5\u672c"])], NOW, 3).decode().split("\n")
    assert lines[0].startswith("Before this, 3 older alerts were dropped")
    assert lines[1].startswith("deploy logged in on web-3: SSH (interactive)")
    assert lines[2].endswith(" · id " + alert(2)["id"])
    assert lines[3:] == [""]
    assert send(channel).text.startswith("deploy logged in on web-3: ")


def test_its_arguments_are_what_they_are_and_no_shell_reads_them(program):
    arguments = ["$HOME", "`id`", "a b", "*", "; exit 1", "", "\u00e9"]
    found = send(make(program("print(json.dumps(sys.argv[1:]))"), *arguments))
    assert json.loads(found.text) == arguments


def test_its_environment_its_directory_and_its_files_are_not_the_senders(program, monkeypatch):
    monkeypatch.setenv("SECRET", "not-a-real-secret")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)
    text = (
        "print(json.dumps([dict(os.environ), os.getcwd(), os.listdir('/proc/self/fd'), os.getsid(0) == os.getpid()]))"
    )
    environment, place, files, is_leader = json.loads(send(make(program(text))).text)
    os.close(kept)
    assert {name: text for name, text in environment.items() if name != "LC_CTYPE"} == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8",
    }  # fmt: skip
    assert (place, is_leader) == ("/", True)
    assert sorted(map(int, files)) == [0, 1, 2, 3], "the last is that of the listing"


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [
        ("pass", 0, DELIVERED), ("sys.exit(75)", 75, LIMITED), ("sys.exit(65)", 65, REFUSED),
        ("sys.exit(78)", 78, CLOSED),
        ("sys.exit(1)", 1, FAILED), ("sys.exit(255)", 255, FAILED), ("os.kill(os.getpid(), 9)", 137, FAILED),
        ("raise ValueError", 1, FAILED),
    ],
)  # fmt: skip
def test_the_exit_code_settles_a_message(program, end, status, kind):
    channel = make(program("sys.stdin.read(); print('a word', file=sys.stderr, flush=True)\n" + end))
    found = send(channel)
    verdict = channel.read(found)
    assert (found.status, verdict.kind) == (status, kind)
    assert found.text.startswith("a word")
    assert bool(verdict.mend) == (kind != DELIVERED)


def test_what_it_prints_is_shown_and_bounded(program):
    text = "sys.stdin.read(); sys.stdout.buffer.write(b'\\x1b[2J\\xff' + b'x' * 5000000)"
    found = send(make(program(text)))
    assert found.status == 0
    assert len(found.text) < LARGEST_OUTPUT_BYTES + 10
    assert found.words.isprintable()


@pytest.mark.parametrize("text", ["pass", "sys.stdin.close()", "os.close(0); time.sleep(0.2)"])
def test_it_need_not_read(program, text):
    huge = [alert(number, weights=[], notes=["x" * 300] * 60) for number in range(1, 41)]
    assert send(make(program(text)), *huge).status == 0


def test_it_may_print_before_it_reads(program):
    huge = [alert(number, weights=[], notes=["x" * 300] * 60) for number in range(1, 41)]
    text = "print('y' * 300000, flush=True); print(len(sys.stdin.read()))"
    assert send(make(program(text)), *huge).status == 0


def test_at_the_deadline_it_is_ended_with_all_that_it_has_started(program, directory):
    pids = directory / "pids"
    text = (
        f"child = os.fork()\nopen({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10))\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    )
    began = time.monotonic()
    error = failing(make(program(text), timeout=0.5))
    assert time.monotonic() - began < 5
    assert str(error).endswith(" was ended after 0.5 seconds")
    assert error.sent, "the message may be there"
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 2

    def is_gone(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_for(lambda: all(map(is_gone, found)))


def test_what_it_leaves_behind_delays_nothing(program):
    text = "sys.stdin.read()\nif os.fork() == 0:\n    time.sleep(3)\nprint('done')"
    began = time.monotonic()
    assert send(make(program(text))).text == "done"
    assert time.monotonic() - began < 2


def test_a_program_that_closes_its_output_is_waited_for(program):
    assert send(make(program("sys.stdin.read(); os.close(1); os.close(2); time.sleep(0.3); os._exit(75)"))).status == 75
    error = failing(make(program("sys.stdin.read(); os.close(1); os.close(2); time.sleep(9)"), timeout=0.3))
    assert "was ended" in str(error)


def refused(*command):
    with pytest.raises(ConfigurationError) as failed:
        make(*command)
    return str(failed.value)


def test_what_is_no_program_is_refused(directory):
    assert "needs its whole path" in refused("logger")
    assert "can't be used (No such file" in refused(str(directory / "missing"))
    assert "can't be used (not a plain file)" in refused(str(directory))


def test_a_program_that_another_user_can_change_is_refused(program, directory):
    path = program("pass")
    os.chmod(path, 0o775)
    assert refused(path).endswith(f"chmod go-w {path}")
    os.chmod(path, 0o755)
    os.chown(path, 65534, 0)
    assert path in refused(path)
    os.chown(path, 0, 0)
    assert send(make(path)).status == 0
    directory.chmod(0o777)
    assert refused(path).endswith(f"chmod go-w {directory}")


@pytest.mark.parametrize("is_relative", [False, True])
def test_each_link_on_the_way_is_looked_at(program, directory, is_relative):
    """Also one in the middle: the owner of a directory with a symlink in it decides which program runs."""
    path = program("pass")
    for name in ("first", "middle"):
        (directory / name).mkdir(mode=0o755)
    (directory / "middle" / "link").symlink_to("../program" if is_relative else path)
    (directory / "first" / "link").symlink_to("../middle/link" if is_relative else directory / "middle" / "link")
    first = str(directory / "first" / "link")
    assert send(make(first)).status == 0
    (directory / "middle").chmod(0o777)
    assert refused(first).endswith("chmod go-w " + str(directory / "middle"))


def test_links_in_a_circle_are_no_program(directory):
    (directory / "link").symlink_to("link")
    assert "can't be used" in refused(str(directory / "link"))


def test_a_program_that_was_changed_since_is_not_run(program):
    path = program("pass")
    channel = make(path)
    os.chmod(path, 0o777)
    error = failing(channel)
    assert "users other than root can change the program" in str(error)
    assert not error.sent


def test_a_program_that_can_not_be_run_says_why(program):
    path = program("pass")
    channel = make(path)
    os.chmod(path, 0o644)
    assert str(failing(channel)).endswith("can't be run: Permission denied")
    assert "can't be run" in str(failing(make(program("pass", "other"), "a\0b")))


def test_it_runs_as_who_the_sender_is():
    """With a program of the system, whose whole path is checked."""
    child = os.fork()
    if child == 0:
        try:
            channel = make("/usr/bin/id", "-u")
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if send(channel).text == "65534" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_the_program_has_all_signals(program):
    """The sender blocks one signal that it waits for, and Python ignores another."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
    text = "print(list(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    assert send(make(program(text))).text == "[]"
    assert signal.SIGURG in signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert send(make("/bin/sh", "-c", "yes | head -n 1; kill -PIPE $$; echo alive")).status == 128 + signal.SIGPIPE


def test_an_exit_code_counts_also_where_children_are_ignored(program):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert send(make(program("sys.exit(75)"))).status == 75
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_nothing_is_run_to_ask(program):
    assert make(program("pass")).knock() is None


@pytest.mark.parametrize("status", [2, 77, 126, 127, 255, 1000])
def test_any_other_code_is_tried_again(program, status):
    assert make(program("pass")).read(Answer(status, "")).kind == FAILED


@given(user=CHOSEN, note=CHOSEN, name=CHOSEN)
def test_no_text_that_strangers_choose_makes_a_line(user, note, name):
    settings = {"name": "own", "kind": "command", "command": ["/bin/true"], "format": "text"}
    hostile = [alert(1, weights=[], user=user, notes=[note], name=name), LOGIN]
    for form in ("text", "json"):
        message = channels.load(dict(settings, format=form), configuration(), None).message(hostile, NOW).decode()
        assert message.count("\n") == (2 if form == "text" else 1)
        assert all(line.isprintable() for line in message.split("\n"))
