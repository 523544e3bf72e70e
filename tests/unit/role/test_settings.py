# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's settings reach the filters as the user meant them, through YAML, Jinja and Vault of each ansible-core.

What the rules say of values is in tests/unit/plugins/module_utils/test_settings_rules.py.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
ROLE = PROJECT / "roles" / "ssh_login_notify"
SECRET = "not-a-real-secret"  # noqa: S105
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/" + SECRET
BIN = Path(sys.executable).parent
# Values that YAML makes something else of than the text that was meant.
ODD_LABELS = {42: "42", None: "", 1.5: "1.5", True: "True", "web-3": "web-3"}


def play(directory, tasks, variables):
    """Run tasks on the controller, with the role's defaults and variables. Return the process that has ended."""
    text = yaml.safe_dump(
        [
            {
                "hosts": "localhost",
                "gather_facts": False,
                "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml"), "settings.yml"],
                "tasks": tasks,
            }
        ]
    )
    (directory / "play.yml").write_text(text, encoding="utf-8")
    (directory / "settings.yml").write_text(variables, encoding="utf-8")
    (directory / "password").write_text("not-a-real-password")
    return subprocess.run(  # noqa: S603
        [BIN / "ansible-playbook", "-vvv", "--diff", "--vault-password-file", directory / "password",
         directory / "play.yml"],
        env={
            **os.environ,
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".dev" / "collections"),
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def vaulted(name, text, directory):
    """Return a variable as `ansible-vault encrypt_string` writes it."""
    (directory / "password").write_text("not-a-real-password")
    return subprocess.run(  # noqa: S603
        [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", directory / "password", "--name", name,
         text],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip


def check(directory, variables):
    return play(directory, [{"ansible.builtin.import_tasks": str(ROLE / "tasks" / "settings.yml")}], variables)


def test_a_webhook_in_vault_is_checked_and_never_shown(tmp_path):
    well = check(tmp_path, vaulted("ssh_login_notify_webhook_url", WEBHOOK, tmp_path))
    assert well.returncode == 0, well.stdout[-2000:]
    wrong = check(tmp_path, vaulted("ssh_login_notify_webhook_url", WEBHOOK + " ", tmp_path))
    assert wrong.returncode != 0
    assert "Nothing was changed. ssh_login_notify_webhook_url contains a space" in wrong.stdout
    assert SECRET not in well.stdout + well.stderr + wrong.stdout + wrong.stderr


def test_the_configuration_of_templates_and_vault_has_the_types_that_the_notifier_wants(tmp_path):
    variables = yaml.safe_dump(
        {
            "mine": {"most": 20, "hours": 26, "no": False, "name": "Ada Lovelace"},
            "ssh_login_notify_webhook_url": "{{ secret }}",
            "ssh_login_notify_most_waiting": "{{ mine.most }}",
            "ssh_login_notify_longest_silence": "{{ mine['hours'] }}",
            "ssh_login_notify_heartbeat_message": "{{ mine.no }}",
            "ssh_login_notify_allow_http": "yes",
            "ssh_login_notify_people": {"SHA256:" + "x" * 43: "{{ mine.name }}"},
        }
    ) + vaulted("secret", WEBHOOK, tmp_path)
    # As the role writes it: to be tried, and to stay.
    done = play(
        tmp_path,
        [{"ansible.builtin.template": {"dest": str(tmp_path / "made"), "mode": "0600",
                                       "src": str(ROLE / "templates" / "ssh-notify.conf.j2")}, "diff": False},
         {"loginwatch.pam.installed_files": {"files": [{"path": str(tmp_path / "installed"), "mode": "0600",
                                       "secret_variable": "__ssh_login_notify_configuration_text"}]}}],
        variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    made = json.loads((tmp_path / "made").read_text())
    assert json.loads((tmp_path / "installed").read_text()) == made
    given = {name: made[name] for name in ("webhook_url", "most_waiting", "longest_silence", "people")}
    assert given == {
        "webhook_url": WEBHOOK,
        "most_waiting": 20,
        "longest_silence": 26,
        "people": {"SHA256:" + "x" * 43: "Ada Lovelace"},
    }
    assert (made["heartbeat_message"], made["allow_http"]) == (False, True)
    assert "adopt_files" not in made


@pytest.mark.parametrize("label", ODD_LABELS)
def test_a_label_that_yaml_takes_for_something_else_is_a_text_to_the_notifier(tmp_path, label):
    made = "(__ssh_login_notify_settings | loginwatch.pam.configuration_text)"
    task = {"ansible.builtin.debug": {"msg": f"label={{{{ {made} | regex_search('\"host_label\": (.*),') }}}}"}}
    done = play(tmp_path, [task], yaml.safe_dump({"ssh_login_notify_host_label": label}))
    assert done.returncode == 0, done.stdout[-2000:]
    (shown,) = re.findall(r'label=\\"host_label\\": \\"(.*)\\",', done.stdout)
    assert shown == ODD_LABELS[label]


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    variables = {
        "ssh_login_notify_webhook_url": WEBHOOK,
        "ssh_login_notify_proxy": "proxy",
        "ssh_login_notify_ignore": [{"user": "robot"}, {"from": "10.0.0.5/8"}],
    }
    done = check(tmp_path, yaml.safe_dump(variables))
    assert done.returncode != 0
    assert (
        "Nothing was changed. ssh_login_notify_proxy is not http://host:port or http://user:password@host:port: write"
        " it so, without a path, and percent-encode what is not a letter or a digit in the user and the password, as"
        " %40 for @. rule 2 of ssh_login_notify_ignore cannot compare an address, since '10.0.0.5/8' is an address in a"
        " network: write 10.0.0.0/8 for the network, 10.0.0.5 for the address." in done.stdout
    )
