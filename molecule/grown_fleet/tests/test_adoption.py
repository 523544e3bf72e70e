# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A notifier that was set up by hand is replaced in one step: every login is told, by the one or by the other, once."""

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
from tests.lab.operating import CLEAN, EVERYWHERE, KEY, SCENARIO, Operator, make_bare, wait_for
from tests.lab.people import PASSWORD

ASIDE = "/root/ssh-login-notify-adopted"
# Whoever lists the files lists the configuration, too, whose path is that of the notifier's own.
ADOPT = {
    "ssh_login_notify_adopt": True,
    "ssh_login_notify_adopt_files": [byhand.SCRIPT, byhand.CONFIGURATION],
}
FOOTPRINT = "sh /root/footprint.sh"
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
    """A directory with a short path: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="people-") as directory:
        yield Path(directory)


def ends(message) -> list[str]:
    """The clients' ends of the logins that a message of either notifier tells of; several in one of what had waited."""
    found = re.match(r"by hand: \S+ from (\S+) (\d+)", message.text or "")
    return [f"{found[1]} port {found[2]}"] if found else [alert.source for alert in message.alerts]


@contextmanager
def logins_all_the_time(place: Path) -> Iterator[list[str]]:
    """Log in again and again; the list has the client's end of each login that was let in, when the block has ended."""
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
    assert failures == [], "nobody was kept out"


@contextmanager
def at_the_password(place: Path) -> Iterator[Path]:
    """Somebody who is asked for a password now, and gives it when the file is made; the login has to succeed."""
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
    before = server.check_output(FOOTPRINT)
    run = play("deploy")
    assert run.status != 0
    told = " ".join(run.output.split())
    assert f"/etc/pam.d/sshd: {byhand.SCRIPT}" in told
    assert "set ssh_login_notify_adopt: true" in told
    assert "/usr/local/etc/ssh-notify.conf was written by hand" in told
    assert "Nothing was changed" in told
    assert server.check_output(FOOTPRINT) == before


def test_check_mode_tells_and_changes_nothing(play, server):
    before = server.check_output(FOOTPRINT)
    run = play("deploy", ("--check", "--diff"), byhand=ADOPT)
    assert run.status == 0, run.output
    assert f"-{byhand.LINE}" in run.output
    assert server.check_output(FOOTPRINT) == before


def test_every_login_is_told_once_all_the_way_through(play, server, receiver, place):
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
    assert old == [True] * len(old), "the login that had begun before still needs them"
    assert runs[0].status == 0, runs[0].output
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


def test_the_removal_leaves_a_configuration_that_is_not_the_notifiers(play, server):
    assert play("remove", EVERYWHERE).status == 0
    assert server.check_output(f"cat {byhand.CONFIGURATION}") == byhand.TEXTS[byhand.CONFIGURATION].rstrip("\n")


def test_a_script_that_has_the_notifiers_name_is_not_overwritten(play, server):
    byhand.clear(server)
    server.check_output("echo 'echo mine' > /usr/local/bin/ssh-login-notify")
    try:
        run = play("deploy", byhand=ADOPT)
        assert play("remove", EVERYWHERE).status != 0
        assert server.check_output("cat /usr/local/bin/ssh-login-notify") == "echo mine"
    finally:
        server.check_output("rm /usr/local/bin/ssh-login-notify")
    assert run.status != 0
    assert "/usr/local/bin/ssh-login-notify was written by hand" in " ".join(run.output.split())


def test_the_notifier_itself_is_not_to_be_adopted(play, server):
    itself = {"ssh_login_notify_adopt_commands": ["/bin/sh /usr/local/bin/ssh-login-notify"]}
    run = play("deploy", byhand={**ADOPT, **itself})
    assert run.status != 0
    assert "must not name the notifier itself" in " ".join(run.output.split())
    assert byhand.SCRIPT in server.check_output(f"cat {byhand.PAM}")


def test_a_line_in_a_file_that_others_include_is_refused(play, server):
    server.check_output(f"echo '{byhand.LINE}' >> /etc/pam.d/common-session")
    try:
        run = play("deploy", byhand=ADOPT)
    finally:
        server.check_output(f"sed -i '\\,{byhand.SCRIPT},d' /etc/pam.d/common-session")
    assert run.status != 0
    assert "/etc/pam.d/common-session" in run.output
    assert "Nothing was changed" in run.output


def test_a_command_that_nobody_has_named_is_told_of(play, server):
    """Whether it tells of logins, the role can't know."""
    byhand.clear(server)
    server.check_output(f"echo 'session optional pam_exec.so log=/var/log/x /opt/unknown.sh now' >> {byhand.PAM}")
    try:
        run = play("deploy")
    finally:
        server.check_output(f"sed -i '\\,/opt/unknown.sh,d' {byhand.PAM}")
    assert run.status == 0, run.output
    assert "/etc/pam.d/sshd: /opt/unknown.sh now" in " ".join(run.output.split())
