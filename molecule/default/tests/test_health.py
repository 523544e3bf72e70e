# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server tells when something is wrong with it: whoever asks for its status, and the channel, once."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

import pytest

from tests.lab.deploy import SECRET, deploy, refusals, url

testinfra_hosts = ["ansible://debian13-default", "ansible://plain"]

PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
STATE = "/var/spool/ssh-login-notify/state"
PAM = "/etc/pam.d/sshd"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
# What is broken, how, and what is said of it.
FAULTS = {
    "the line is gone": (f"sed -i /pam_exec/d {PAM}", f"the PAM line in {PAM} is gone"),
    "the line is a comment": (f"sed -i 's/.*pam_exec/#&/' {PAM}", f"the PAM line in {PAM} is gone"),
    "the last of the lines is gone": (
        f"sed -i '/session optional pam_exec/d' {PAM}",
        f"the PAM line in {PAM} is not complete",
    ),
    "the line is misplaced": (
        f"grep ssh-login-notify {PAM} > /root/lines && sed -i /ssh-login-notify/d {PAM} && cat /root/lines >> {PAM}",
        f"the PAM line in {PAM} is not the first of the session part",
    ),
    "the line is doubled": (f"sed -i 's/.*pam_exec.*/&\\n&/' {PAM}", f"the PAM line in {PAM} is there more than once"),
    "the configuration is open": (f"chmod 0644 {CONFIGURATION}", f"users other than root can read {CONFIGURATION}"),
    "the program is another": (f"echo >> {PROGRAM}", f"files differ from what the role installed ({PROGRAM}"),
    "a module is another": (
        f"echo >> {LIBRARY}/ssh_login_notify/connection.py",
        f"files differ from what the role installed ({LIBRARY}/ssh_login_notify/connection.py",
    ),
}
FILES = f"{PAM} {CONFIGURATION} {PROGRAM} {LIBRARY}"


@contextmanager
def broken(host, fault):
    """The server with this fault."""
    host.check_output(f"tar -cPf /root/installed.tar {FILES}")
    try:
        host.check_output(FAULTS[fault][0])
        yield FAULTS[fault][1]
    finally:
        host.check_output("tar -xPf /root/installed.tar && rm /root/installed.tar")


def look(host) -> None:
    """What the timer does, or cron: a run, some minutes after the installation and the last look."""
    for path in (f"{LIBRARY}/manifest.json", CONFIGURATION, f"{STATE}/watch.json"):
        host.check_output(f"test ! -e {path} || touch -d '-10min' {path}")
    if host.file("/run/systemd/system").exists:
        host.check_output("systemctl start --wait ssh-login-notify.service")
    else:
        host.check_output(f"{PROGRAM} send")


def status(host) -> tuple[int, str, dict]:
    """The exit code, the line for a person, what a machine is told."""
    person, machine = host.run(f"{PROGRAM} status"), host.run(f"{PROGRAM} status --json")
    assert person.rc == machine.rc
    return person.rc, person.stdout, json.loads(machine.stdout)


@pytest.fixture
def told(host, receiver):
    """What the channel was told of this server since the test began. What went before it is told by then."""
    look(host)
    receiver.settle()
    mark = receiver.last()
    name = host.check_output("hostname")

    def headers() -> list[str]:
        receiver.settle()
        messages = [message for message in receiver.messages(after=mark) if message.fields.get("Server") == name]
        assert all(message.harmless for message in messages)
        return [message.header for message in messages]

    return headers


SECOND = "/etc/ssh/second"


@pytest.fixture
def second_sshd(host):
    """One with another port and without PAM, as somebody has started it by hand."""
    made = f"sed '/^Port/d; s/^UsePAM.*/UsePAM no/' /etc/ssh/sshd_config > {SECOND} && echo Port 2222 >> {SECOND}"
    host.check_output(f"{made} && /usr/sbin/sshd -f {SECOND} -o PidFile=/run/second.pid")
    yield
    host.check_output(f"kill $(cat /run/second.pid); rm -f {SECOND} /run/second.pid")


def test_a_second_sshd_whose_logins_are_not_reported_is_told(host, second_sshd):
    code, line, answer = status(host)
    assert code == 2
    assert f": /usr/sbin/sshd -f {SECOND} on port 2222 runs with UsePAM no" in line
    assert answer["sshds"] == ["/usr/sbin/sshd on port 22", f"/usr/sbin/sshd -f {SECOND} on port 2222"]


def test_where_all_is_well_the_status_says_so_in_one_line(host, ada, alerts):
    login = ada.command()
    alerts(login)
    code, line, found = status(host)
    assert (code, found["state"], found["problems"]) == (0, "ok", [])
    assert re.fullmatch(r"OK: [\w-]+: nothing is wrong; captured 0, waiting 0, failed 0; last delivery .*\n", line)
    assert f"deploy from {login.source}" in line


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_critical(host, fault):
    name = host.check_output("hostname")
    with broken(host, fault) as sentence:
        code, line, found = status(host)
        assert (code, found["state"]) == (2, "critical")
        assert line.startswith(f"CRITICAL: {name}: {sentence}")
        assert line.count("\n") == 1
    assert status(host)[0] == 0


def test_the_channel_is_told_once_and_once_that_it_is_over(host, told):
    name = host.check_output("hostname")
    with broken(host, "the line is gone") as gone:
        look(host)
        look(host)
    with broken(host, "the configuration is open") as exposed:
        look(host)
        look(host)
    look(host)
    look(host)
    assert told() == [f"{name}: {gone}", f"{name}: {exposed}", f"{name} is well again"]


def test_nobody_but_root_is_told_anything(host):
    asked = host.run(f"su deploy -s /bin/sh -c '{PROGRAM} status'")
    assert asked.rc == 3
    assert asked.stdout == ""


TIME = "Mon,Thu 08:30"
PING = "https://receiver:8443/ping/not-a-real-id"


@pytest.fixture(scope="module")
def with_heartbeat(host, tmp_path_factory):
    """The server with a heartbeat, which is taken away again."""
    directory = tmp_path_factory.mktemp("heartbeat")
    given = {"heartbeat_time": TIME, "heartbeat_ping_url": PING, "send_test_alert": False}
    done = deploy(host, directory, url(SECRET), **given)
    assert done.returncode == 0, done.stdout
    assert PING not in done.stdout
    yield done
    back = deploy(host, directory, url(SECRET), send_test_alert=False)
    assert back.returncode == 0, back.stdout
    assert heartbeat_command(host) is None


def heartbeat_command(host) -> str | None:
    """What systemd or cron runs at the time, None when nothing is set up."""
    if host.file("/run/systemd/system").exists:
        timer = host.run("systemctl is-enabled ssh-login-notify-heartbeat.timer").stdout.strip()
        assert timer == ("enabled" if host.service("ssh-login-notify-heartbeat.timer").is_running else "disabled")
        return "systemctl start ssh-login-notify-heartbeat.service" if timer == "enabled" else None
    lines = host.file("/etc/cron.d/ssh-login-notify").content_string.splitlines()
    commands = [line.split(" root ")[1] for line in lines if line.startswith("30 8 * * 1,4 root ")]
    return commands[0].replace("--spread 1800", "--spread 1") if commands else None


def test_the_heartbeat_is_planned_for_its_time(host, with_heartbeat):
    assert heartbeat_command(host)
    if host.file("/run/systemd/system").exists:
        timer = host.file("/etc/systemd/system/ssh-login-notify-heartbeat.timer").content_string
        assert f"OnCalendar={TIME}\n" in timer
        assert "RandomizedDelaySec=1800\n" in timer
        host.check_output(f"systemd-analyze calendar '{TIME}'")


def test_a_heartbeat_is_a_message_and_reaches_the_dead_mans_switch(host, with_heartbeat, told, receiver):
    pings = len(receiver.status()["pings"])
    host.check_output(heartbeat_command(host))
    name = host.check_output("hostname")
    assert told() == [f"Heartbeat from {name}: all is well"]
    (ping,) = receiver.status()["pings"][pings:]
    assert PING.endswith(ping["path"])
    assert ping["tls"]
    assert status(host)[2]["last_ping"]["well"]


def test_while_something_is_wrong_the_dead_mans_switch_raises_the_alarm(host, with_heartbeat, told, receiver):
    pings = len(receiver.status()["pings"])
    with broken(host, "the line is gone"):
        host.check_output(heartbeat_command(host))
        name = host.check_output("hostname")
        assert told()[0] == f"Heartbeat from {name}: something is wrong"
    assert len(receiver.status()["pings"]) == pings
    look(host)


USELESS = {
    "no-time": {"heartbeat_time": "8:30"},
    "neither-message-nor-ping": {"heartbeat_time": "08:30", "heartbeat_message": False},
    "a-ping-at-no-time": {"heartbeat_ping_url": PING},
    "no-scheme": {"heartbeat_time": "08:30", "heartbeat_ping_url": PING[5:]},
}


def test_a_heartbeat_that_could_do_nothing_is_refused(host, tmp_path):
    said, output = refusals(host, tmp_path, USELESS)
    assert [name for name in said if "Nothing was changed. ssh_login_notify_heartbeat_" not in said[name]] == []
    assert "not-a-real-id" not in output
