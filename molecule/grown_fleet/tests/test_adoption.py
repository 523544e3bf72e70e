# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hand-made notifier is replaced in one step: each login is reported once, by the old notifier or by the new one."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import byhand
from tests.lab.containers import address
from tests.lab.deploy import PROJECT
from tests.lab.logins import LoginError, Person
from tests.lab.operating import CLEAN, EVERYWHERE, KEY, PROGRAM, SCENARIO, Operator, make_bare, wait_for
from tests.lab.people import PASSWORD

ASIDE = "/root/ssh-login-notify-adopted"
# An inventory that lists the files includes the configuration, whose path is also the notifier's own.
ADOPT = {
    "ssh_login_notify_adopt": True,
    "ssh_login_notify_adopt_files": [byhand.SCRIPT, byhand.CONFIGURATION],
}
FOOTPRINT = "sh /root/footprint.sh"
# Other services include it.
INCLUDED = "/etc/pam.d/common-session"
UNKNOWN = "/opt/unknown.sh now"
LIMIT_SECONDS = 60


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Operator:
    return Operator(tmp_path_factory.mktemp("operator"), ("byhand",))


@pytest.fixture
def server(grown_servers):
    server = grown_servers["byhand"]
    byhand.set_up(server)
    yield server
    byhand.clear(server)
    make_bare([server])


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path, because sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="people-") as directory:
        yield Path(directory)


def ends(message) -> list[str]:
    """Return the sources of the logins that a message of either notifier reports; a digest reports several."""
    found = re.match(r"by hand: \S+ from (\S+) (\d+)", message.text or "")
    return [f"{found[1]} port {found[2]}"] if found else [alert.source for alert in message.alerts]


@contextmanager
def logins_all_the_time(place: Path) -> Iterator[list[str]]:
    """Log in continuously during the block. Yields a list of the logins' sources, complete after the block."""
    ada = Person("deploy", address(f"byhand-{SCENARIO}"), place / "ada", KEY)
    sources: list[str] = []
    failures: list[LoginError] = []
    enough = threading.Event()

    def log_in() -> None:
        while not enough.is_set():
            try:
                sources.append(ada.command("true").source)
            except LoginError as error:
                failures.append(error)

    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        yield sources
    finally:
        enough.set()
        thread.join()
    assert failures == [], "no login failed"


@contextmanager
def at_the_password(place: Path) -> Iterator[Path]:
    """Have a login wait at the password prompt. It continues when the file is created, and must succeed."""
    go, ask = place / "go", place / "ask"
    ask.write_text(f"#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.1; done\necho {PASSWORD}\n")
    ask.chmod(0o700)
    rita = Person("rita", address(f"byhand-{SCENARIO}"), place / "rita", password=PASSWORD)
    environment = {**os.environ, "LOGIN_SOURCE": str(place / "source"), "SSH_ASKPASS": str(ask)}
    environment["SSH_ASKPASS_REQUIRE"] = "force"
    command = [*rita.ssh, "-n", rita.address, "true"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    try:
        yield go
        assert process.wait(LIMIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_without_leave_the_host_is_refused_and_left_alone(play, server):
    """The same with a line in a file that others include, and with a script that has the notifier's name."""
    server.check_output(f"echo '{byhand.LINE}' >> {INCLUDED}; echo 'echo mine' > {PROGRAM}")
    before = server.check_output(FOOTPRINT)
    try:
        run = play("deploy")
        assert play("remove", EVERYWHERE).status != 0, "the script is not the notifier's"
        assert server.check_output(f"cat {PROGRAM}") == "echo mine"
        assert server.check_output(FOOTPRINT) == before
    finally:
        server.check_output(f"sed -i '\\,{byhand.SCRIPT},d' {INCLUDED}; rm {PROGRAM}")
    assert run.status != 0
    told = " ".join(run.output.split())
    assert f"{byhand.PAM}: {byhand.SCRIPT}" in told
    assert f"{INCLUDED}: {byhand.SCRIPT}" in told
    assert "set ssh_login_notify_adopt: true" in told
    assert "/usr/local/etc/ssh-notify.conf was written by hand" in told
    assert f"{PROGRAM} was written by hand" in told
    assert "Nothing was changed" in told


def test_check_mode_tells_and_changes_nothing_and_logs_nobody_in(play, server, receiver):
    before, mark = server.check_output(FOOTPRINT), receiver.last()
    run = play("deploy", ("--check", "--diff"), byhand=ADOPT)
    assert run.status == 0, run.output
    assert f"-{byhand.LINE}" in run.output
    assert server.check_output(FOOTPRINT) == before
    assert "TASK [Log in again]" not in run.output
    receiver.settle()
    # Ansible's own login, reported by the notifier that is already there.
    assert [
        message for message in receiver.attempts(after=mark) if not (message.text or "").startswith("by hand")
    ] == []


def test_every_login_is_told_once_all_the_way_through(play, server, receiver, place):
    """The role also names the command of another program, because it can't know whether that reports logins."""
    server.check_output(f"echo 'session optional pam_exec.so log=/var/log/x {UNKNOWN}' >> {byhand.PAM}")
    mark = receiver.last()
    runs = []

    def adopt() -> None:
        runs.append(play("deploy", byhand=ADOPT))

    with logins_all_the_time(place) as sources, at_the_password(place) as go:
        wait_for(lambda: server.run("pgrep -f 'sshd: rita .net.'").rc == 0, LIMIT_SECONDS)
        thread = threading.Thread(target=adopt)
        thread.start()
        wait_for(lambda: byhand.SCRIPT not in server.check_output(f"cat {byhand.PAM}"), LIMIT_SECONDS)
        time.sleep(3)
        old = [server.file(path).exists for path in byhand.TEXTS]
        go.touch()
        thread.join()
    assert old == [True] * len(old), "the login that began earlier still needs them"
    assert runs[0].status == 0, runs[0].output
    assert f"{byhand.PAM}: {UNKNOWN}" in " ".join(runs[0].output.split())
    assert all(not server.file(path).exists for path in byhand.TEXTS if path != byhand.CONFIGURATION)
    for path, text in byhand.TEXTS.items():
        assert server.check_output(f"cat {ASIDE}{path}") == text.rstrip("\n")
        assert server.file(f"{ASIDE}{path}").mode == int(byhand.MODES[path], 8)
    assert server.file(ASIDE).mode == 0o700
    receiver.settle()
    messages = receiver.messages(after=mark)
    told = [end for message in messages for end in ends(message)]
    by_hand = {end for message in messages if (message.text or "").startswith("by hand") for end in ends(message)}
    rita = (place / "source").read_text()
    assert [(end, told.count(end)) for end in [*sources, rita] if told.count(end) != 1] == []
    assert rita in by_hand, "it was asked for its password before the line was replaced"
    assert by_hand & set(sources)
    assert set(sources) - by_hand, "both notifiers were at work in this test"

    again = play("deploy", byhand=ADOPT)
    assert again.status == 0, again.output
    assert again.recap("byhand")["changed"] == 0


def test_a_host_that_can_not_be_proven_has_its_own_notifier_back(play, server, receiver, place):
    before = server.check_output(FOOTPRINT)
    silent = {**ADOPT, "ssh_login_notify_ignore": [{"user": "deploy", "weight": "first"}]}
    run = play("deploy", ("-e", "prove_login_seconds=3"), byhand=silent)
    assert run.status != 0
    assert "and the hand-made notifier was restored" in " ".join(run.output.split())
    assert server.check_output(FOOTPRINT) == before
    mark = receiver.last()
    login = Person("deploy", address(f"byhand-{SCENARIO}"), place / "ada", KEY).command("true")
    receiver.wait_for(lambda message: login.source in ends(message), after=mark)


def test_the_readmes_way_back_brings_back_the_files_and_nothing_else(play, server):
    """Another removal does not touch them either, including the hand-made configuration at the notifier's path."""
    before = server.check_output(FOOTPRINT)
    directories = "stat -c '%a %U %n' / /usr /usr/local /usr/local/bin /usr/local/etc /etc /etc/cron.d"
    modes = server.check_output(directories)
    run = play("deploy", byhand=ADOPT)
    assert run.status == 0, run.output
    assert play("remove", CLEAN).status == 0
    readme = (PROJECT / "roles" / "ssh_login_notify" / "README.md").read_text()
    (command,) = re.findall(r"^    (cd /root/ssh-login-notify-adopted .+)$", readme, re.MULTILINE)
    server.check_output(command.replace("%", "%%"))
    assert server.check_output(directories) == modes
    server.check_output(f"echo '{byhand.LINE}' >> {byhand.PAM}; rm -r {ASIDE}")
    assert server.check_output(FOOTPRINT) == before
    assert play("remove", EVERYWHERE).status == 0
    assert server.check_output(FOOTPRINT) == before
