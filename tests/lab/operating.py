# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator of a fleet: an inventory of hosts that are reached by SSH, and playbooks that run on it."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from .containers import address
from .deploy import PROJECT, SECRET, url
from .footprint import changes

SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
KEY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
NAMES = ("debian12", "debian13", "debian12-plain")
# Also the hosts that only one test module each uses.
GROWN = ("debian11", "byhand", "debian12-plain", "nopam", "debian12", "debian13")
PROGRAM = "/usr/local/bin/ssh-login-notify"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
AT_ONCE = ("-e", '{"deploy_batches": ["100%"]}')
# Playbooks that remove something require a target.
EVERYWHERE = ("-e", "target=all")
CLEAN = ("-e", "ssh_login_notify_remove_spool=true", *EVERYWHERE)
PLAYBOOK_SECONDS = 240
# An address that never answers (RFC 5737), and a short timeout.
NOBODY: dict[str, object] = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=2"}
# Nothing listens there.
DEAD = "https://receiver:8444/services/T00000000/B00000002/not-a-real-secret"
# For hosts with unconfirmed host keys.
STRANGERS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
# The same as Ansible's own.
OPTIONS = f"-o ControlMaster=auto -o ControlPersist=60s {STRANGERS}"


class Run:
    """A finished run of a playbook: its exit status and its output."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.output = done.stdout + done.stderr
        assert SECRET not in self.output

    def recap(self, host: str) -> dict[str, int]:
        """Return the host's counts in the play recap, or an empty dict if it has none."""
        lines = [line for line in self.output.partition("PLAY RECAP")[2].splitlines() if line.split(" ")[0] == host]
        counts = [word.partition("=") for line in lines for word in line.split()[2:]]
        return {name: int(value) for name, _equals, value in counts}

    def results_of(self, task: str) -> list[str]:
        """Return the output below each heading of this task, batch by batch."""
        return [part.partition("TASK [")[0] for part in self.output.split(f"TASK [{task}]")[1:]]


def inventory(directory: Path, names: tuple[str, ...], **host_variables: dict[str, object]) -> Path:
    """Write an inventory of these hosts, in this order. `host_variables` are keyed by host name, with `_` for `-`."""
    hosts = {}
    for name in names:
        hosts[name] = {"ansible_host": address(f"{name}-{SCENARIO}"), **host_variables.get(name.replace("-", "_"), {})}
    variables = {
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": str(KEY),
        "ansible_ssh_args": OPTIONS,
        # Discovery of the interpreter takes two round trips in each run.
        "ansible_python_interpreter": "/usr/bin/python3",
        "ssh_login_notify_webhook_url": url(SECRET),
        "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem",
        # Tests log in many times in the same way, and wait for each alert.
        "ssh_login_notify_repeat_minutes": 0,
    }
    path = directory / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}, sort_keys=False))
    return path


ENVIRONMENT = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".dev" / "collections")}


class Operator:
    """An operator with an inventory: operator("deploy", ("-e", "…"), debian13={"variable": …}) runs a playbook.

    The playbook is one of the collection's, by its name, or the operator's own, by its path.
    """

    def __init__(
        self, directory: Path, names: tuple[str, ...] = NAMES, program: str | Path = "ansible-playbook"
    ) -> None:
        self.directory = directory
        self.names = names
        self.program = str(program)

    def command(self, playbook: str, extra: tuple[str, ...], variables: dict[str, dict[str, object]]) -> list[str]:
        hosts = inventory(self.directory, self.names, **variables)
        name = playbook if "/" in playbook else f"loginwatch.pam.{playbook}"
        return [self.program, name, "-i", str(hosts), *extra]

    def __call__(self, playbook: str, extra: tuple[str, ...] = (), **variables: dict[str, object]) -> Run:
        words = self.command(playbook, extra, variables)
        done = subprocess.run(
            words, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PLAYBOOK_SECONDS
        )
        return Run(done)


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Return once the condition is true; fail if it is still false after these seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


# Does what the remove playbook does, with plain commands. The footprint then checks that nothing is left.
RESET = r"""
cd /etc/systemd/system 2> /dev/null && if test -d /run/systemd/system; then
    systemctl disable --quiet --now $(ls -d ssh-login-notify*.timer ssh-login-notify*.path 2> /dev/null) 2> /dev/null
    systemctl stop 'ssh-login-notify*.timer' 'ssh-login-notify*.path' 'ssh-login-notify*.service'
fi
pkill -KILL -f '^/usr/bin/python3 -ISB /usr/local/bin/ssh-login-notify'
cp -a --remove-destination /root/bare-sshd.pam /etc/pam.d/sshd
rm -rf /etc/systemd/system/ssh-login-notify* /etc/cron.d/ssh-login-notify* /etc/tmpfiles.d/ssh-login-notify*
rm -rf /usr/local/bin/ssh-login-notify /usr/local/lib/ssh-login-notify /usr/local/etc/ssh-notify.conf
rm -rf /var/spool/ssh-login-notify /run/ssh-login-notify /root/ssh-login-notify-*
getent passwd ssh-login-notify > /dev/null && userdel ssh-login-notify
getent group ssh-login-notify > /dev/null && groupdel ssh-login-notify
test ! -d /run/systemd/system || systemctl daemon-reload
"""


def make_bare(servers: Iterable) -> None:
    """Restore servers to the state before any deployment, in a tenth of the time that the remove playbook takes."""

    def reset(server) -> None:
        server.run(f"sh -c {shlex.quote(RESET)}")
        assert changes(server) == [], "the server is not what it was before the deployment"

    with ThreadPoolExecutor() as pool:
        list(pool.map(reset, servers))
