# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the role from within a test, with a webhook of the test's choice."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
PLAYBOOK = PROJECT / "molecule" / "shared" / "converge.yml"
# As in .config/molecule/config.yml.
SECRET = "not-a-real-secret"  # noqa: S105


def deploy(host, directory: Path, webhook: object, **variables: object) -> subprocess.CompletedProcess:
    """Run the role once more, with this webhook and other variables of the role, as loudly as Ansible can."""
    return play(str(PLAYBOOK), host, directory, webhook, **variables)


def play(playbook: str, host, directory: Path, webhook: object, **variables: object) -> subprocess.CompletedProcess:
    """The same with another playbook, such as loginwatch.pam.verify."""
    settings = directory / "settings.json"
    values = {"webhook_url": webhook, **variables}
    settings.write_text(json.dumps({f"ssh_login_notify_{name}": value for name, value in values.items()}))
    program = ["ansible-playbook", "-vvv", "--diff", "--limit", host.backend.hostname, "--extra-vars", f"@{settings}"]
    inventory = ["--inventory", os.environ["MOLECULE_INVENTORY_FILE"]]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".dev" / "collections")}
    return subprocess.run(
        [*program, *inventory, playbook], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def url(secret: str) -> str:
    return f"https://receiver:8443/services/T00000000/B00000000/{secret}"
