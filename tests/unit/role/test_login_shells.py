# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any login shell of Ansible's user passes the playbooks' raw commands to sh unchanged."""

import itertools
import shlex
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

# This does not depend on the version of Ansible.
pytestmark = pytest.mark.whole
PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
# The variables in the commands, with hostile characters.
VALUES = {
    "deploy_program": "/usr/local/bin/ssh-login-notify",
    "deploy_configuration": "/usr/local/etc/ssh-notify.conf",
    "deploy_aside": "/root/ssh-login-notify-adopted",
    "deploy_services": ["sshd", "sshd-second"],
    "deploy_backup": {"stdout_lines": ["new", "/root/ssh-login-notify-kept.aB3xYz"]},
    "deploy_adopted": [{"to": "/root/aside/opt/login alert.sh", "path": "/opt/login alert.sh"}],
}


def raw_commands():
    """Return the text of each raw task of the playbooks, by file and task."""
    for path in sorted(PLAYBOOKS.glob("**/*.yml")):
        waiting = [yaml.safe_load(path.read_text(encoding="utf-8"))]
        while waiting:
            entry = waiting.pop()
            if isinstance(entry, dict):
                if "ansible.builtin.raw" in entry:
                    yield pytest.param(entry["ansible.builtin.raw"], id=f"{path.name}: {entry['name']}")
                waiting += entry.values()
            elif isinstance(entry, list):
                waiting += entry


@pytest.fixture(scope="module")
def environment():
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined, trim_blocks=True)  # noqa: S701 - no HTML
    environment.filters.update(quote=lambda value: shlex.quote(str(value)), basename=lambda path: Path(path).name)
    return environment


def test_the_commands_exist():
    assert len(list(raw_commands())) > 3


@pytest.mark.parametrize("text", list(raw_commands()))
def test_every_login_shell_hands_it_to_sh_as_it_is(environment, tmp_path, text):
    """Twice, as with sudo. tcsh expands "!" from the history, and fish interprets backslash escapes."""
    command = environment.from_string(text).render(**VALUES)
    stub = tmp_path / "sh"
    stub.write_text('#!/bin/sh\nprintf %s "$2"\n')
    stub.chmod(0o755)
    become = "echo BECOME-SUCCESS-x ; " + command
    wrapped = f"/usr/bin/sudo -H -S -n -u root /bin/sh -c {shlex.quote(become)}"
    for shell, asked in itertools.product(SHELLS, (command, wrapped)):
        path = shutil.which(shell)
        assert path, f"There is no {shell} here. Run `apt-get install {shell}`."
        done = subprocess.run(  # noqa: S603
            [path, "-c", f"{stub} -c {shlex.quote(asked)}"], env={"PATH": "/nonexistent", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, asked), shell
