# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of the role with other settings on two servers, and one with the usual settings, checked in many ways."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra
from default.server import CONFIGURATION, LINE_GONE, broken, look, status

from tests.lab.deploy import PLAYBOOK, SECRET, play_on, url

testinfra_hosts = ["ansible://debian13-default", "ansible://plain"]
pytestmark = pytest.mark.usefixtures("nobody_looks_by_the_clock")

OTHER_SECRET = "not-a-real-secret-either"  # noqa: S105
# Only root can read it.
ROOTS = "/etc/ssl/roots.pem"
TIME = "Mon,Thu 08:30"
PING = "https://receiver:8443/ping/not-a-real-id"
# Ansible passes each callback the arguments of each task, before the module has processed them.
CALLBACK = """
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "arguments"

    def v2_runner_on_ok(self, result):
        with open({path!r}, "a") as file:
            task = getattr(result, "task", None) or result._task
            print(task.action, "hidden" if task.no_log else dict(task.args), file=file)
"""


@dataclass(frozen=True)
class Run:
    """A run of Ansible, and everything that it makes visible."""

    done: subprocess.CompletedProcess
    cache: Path  # its cache of facts
    arguments: Path  # written by a callback


@pytest.fixture(scope="module")
def names(request) -> tuple[str, ...]:
    """The servers of the selected tests: with one platform, there is only one."""
    items = [item for item in request.session.items if item.module is request.module]
    return tuple(dict.fromkeys(item.callspec.params["_testinfra_host"].backend.hostname for item in items))


@pytest.fixture(scope="module")
def changed(names, tmp_path_factory) -> Iterator[Run]:
    """The run with the other settings. At the end the servers have the usual settings again."""
    directory = tmp_path_factory.mktemp("settings")
    run = Run(subprocess.CompletedProcess([], 0), directory / "cache", directory / "arguments")
    (directory / "callbacks").mkdir()
    (directory / "callbacks" / "arguments.py").write_text(CALLBACK.format(path=str(run.arguments)))
    servers = [testinfra.get_host(f"docker://{name}") for name in names]
    for server in servers:
        server.check_output(f"install -m 0400 /etc/ssl/certs/receiver.pem {ROOTS}")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANSIBLE_CALLBACK_PLUGINS", str(directory / "callbacks"))
        environment.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
        environment.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(run.cache))
        others = {"ca_file": ROOTS, "heartbeat_time": TIME, "heartbeat_ping_url": PING}
        done = play_on(names, PLAYBOOK, directory, url(OTHER_SECRET), **others)
        try:
            assert done.returncode == 0, done.stdout
            yield Run(done, run.cache, run.arguments)
        finally:
            back = play_on(names, PLAYBOOK, directory, url(SECRET))
    assert back.returncode == 0, back.stdout
    assert SECRET not in back.stdout + back.stderr
    for server in servers:
        assert heartbeat_command(server) is None
        server.check_output(f"rm {ROOTS}")


def test_a_new_webhook_shows_in_no_output_of_ansible(host, changed, ada, alerts):
    """It is not in Ansible's fact cache or in a callback's record either."""
    assert OTHER_SECRET in host.file(CONFIGURATION).content_string, "the webhook has changed"
    assert "+another secret" in changed.done.stdout, "Ansible printed everything"
    assert len(alerts(ada.command())) == 1, "the new webhook works, with authorities that only root can read"
    assert SECRET not in changed.done.stdout + changed.done.stderr
    assert PING not in changed.done.stdout + changed.done.stderr
    assert not [file for file in changed.cache.glob("*") if SECRET in file.read_text()]
    written = changed.arguments.read_text()
    assert "loginwatch.pam.installed_files {'account'" in written
    assert "/usr/local/etc/ssh-notify.conf" in written
    assert SECRET not in written
    assert OTHER_SECRET not in written


def heartbeat_command(host) -> str | None:
    """Return the command that systemd or cron runs at that time, or None if none is set up."""
    if host.file("/run/systemd/system").exists:
        timer = host.run("systemctl is-enabled ssh-login-notify-heartbeat.timer").stdout.strip()
        assert timer == ("enabled" if host.service("ssh-login-notify-heartbeat.timer").is_running else "disabled")
        return "systemctl start ssh-login-notify-heartbeat.service" if timer == "enabled" else None
    lines = host.file("/etc/cron.d/ssh-login-notify").content_string.splitlines()
    commands = [line.split(" root ")[1] for line in lines if line.startswith("30 8 * * 1,4 root ")]
    return commands[0].replace("--spread 1800", "--spread 1") if commands else None


def test_the_heartbeat_is_planned_for_its_time(host, changed):
    assert heartbeat_command(host)
    if host.file("/run/systemd/system").exists:
        timer = host.file("/etc/systemd/system/ssh-login-notify-heartbeat.timer").content_string
        assert f"OnCalendar={TIME}\n" in timer
        assert "RandomizedDelaySec=1800\n" in timer
        host.check_output(f"systemd-analyze calendar '{TIME}'")


def test_a_heartbeat_is_a_message_and_reaches_the_dead_mans_switch(host, changed, told, receiver):
    pings = len(receiver.status()["pings"])
    host.check_output(heartbeat_command(host))
    name = host.check_output("hostname")
    assert told() == [f"Heartbeat from {name}: all is well"]
    (ping,) = receiver.status()["pings"][pings:]
    assert PING.endswith(ping["path"])
    assert ping["tls"]
    assert status(host)[2]["last_ping"]["well"]


def test_while_something_is_wrong_the_dead_mans_switch_raises_the_alarm(host, changed, told, receiver):
    pings = len(receiver.status()["pings"])
    with broken(host, LINE_GONE):
        host.check_output(heartbeat_command(host))
        name = host.check_output("hostname")
        assert told()[0] == f"Heartbeat from {name}: something is wrong"
    assert len(receiver.status()["pings"]) == pings
    look(host)
