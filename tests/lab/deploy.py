# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the role from within a test, with any webhook."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
PLAYBOOK = PROJECT / "molecule" / "shared" / "converge.yml"
# As in .config/molecule/config.yml.
SECRET = "not-a-real-secret"  # noqa: S105


def deploy(host, directory: Path, webhook: object, **variables: object) -> subprocess.CompletedProcess:
    """Run the role once more at `-vvv`, with this webhook and other variables of the role."""
    return play(str(PLAYBOOK), host, directory, webhook, **variables)


def play(playbook: str, host, directory: Path, webhook: object, **variables: object) -> subprocess.CompletedProcess:
    """Run another playbook in the same way, such as loginwatch.pam.verify."""
    return play_on((host.backend.hostname,), playbook, directory, webhook, **variables)


def play_on(
    hosts: Iterable[str], playbook: str | Path, directory: Path, webhook: object, **variables: object
) -> subprocess.CompletedProcess:
    """Run a playbook on several hosts at once, by their names in the inventory."""
    settings = directory / "settings.json"
    settings.write_text(json.dumps(_of_the_role({"webhook_url": webhook, **variables})))
    return _run(str(playbook), "--limit", ",".join(hosts), "--extra-vars", f"@{settings}")


def refusals(host, directory: Path, settings: dict[str, dict[str, object]]) -> tuple[dict[str, str], str]:
    """Run the role once, with many settings that it refuses; return its message for each, and the whole output.

    :param settings: the role's variables, by a name without spaces; each name becomes an alias of the server
    """
    alias = {"ansible_connection": "community.docker.docker", "ansible_host": host.backend.hostname}
    hosts = {name: {**alias, **_of_the_role({"webhook_url": url(SECRET), **of})} for name, of in settings.items()}
    aliases = directory / "aliases.json"
    aliases.write_text(json.dumps({"all": {"children": {"servers": {"children": {"aliases": {"hosts": hosts}}}}}}))
    done = _run(str(PLAYBOOK), "--inventory", str(aliases), "--limit", "aliases")
    said = done.stdout + done.stderr
    failures = re.split(r"^fatal: \[(\S+)\]: FAILED! => ", said, flags=re.MULTILINE)[1:]
    found = dict(zip(failures[::2], failures[1::2]))
    assert set(found) == set(settings), said
    return {name: " ".join(text.partition("\nTASK [")[0].split()) for name, text in found.items()}, said


def _of_the_role(values: dict[str, object]) -> dict[str, object]:
    return {f"ssh_login_notify_{name}": value for name, value in values.items()}


def _run(*words: str) -> subprocess.CompletedProcess:
    program = ["ansible-playbook", "-vvv", "--diff", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], *words]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".dev" / "collections")}
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=300)


def url(secret: str) -> str:
    return f"https://receiver:8443/services/T00000000/B00000000/{secret}"
