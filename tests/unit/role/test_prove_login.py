# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which connections count as a login that can be proven. The proof itself is tested in molecule/fleet."""

import json
from pathlib import Path

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


def test_without_ssh_between_the_operators_own_login_is_not_taken_for_ansibles(tmp_path, ansible):
    """The user who runs Ansible on the host itself can have logged in by SSH, perhaps before the notifier existed."""
    play = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.include_tasks": str(PLAYBOOKS / "tasks" / "prove_login.yml"),
                    "vars": {"prove_switch": "deploy_real_login"},
                }
            ],
        }
    ]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play))
    connection = "192.0.2.1 50000 192.0.2.2 22"
    done = ansible("ansible-playbook", "-i", "here,", "-c", "local", path, SSH_CONNECTION=connection)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ansible does not reach here by SSH, so no login can be tried" in done.stdout
    assert "Log in again" in done.stdout
    assert "Wait for the alert" in done.stdout
    assert "ok: [here]" in done.stdout.partition("Report that no login could be tried")[2]
