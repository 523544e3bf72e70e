# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says of settings, as Ansible works it out, before it asks a host for anything."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
ROLE = PROJECT / "roles" / "ssh_login_notify"
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/not-a-real-secret"
# Of a rule's `from`: what the answer has to say, empty for nothing.
NETWORKS = {
    "10.0.0.0/8": "",
    "192.0.2.1": "",
    "2001:db8::/32": "",
    "fe80::1%eth0": "",
    "fe80::%eth0/64": "",
    "::ffff:192.0.2.1": "",
    "::/0": "",
    "fe80::1": "link-local",
    "fe80::/10": "link-local",
    "10.0.0.5/8": "write 10.0.0.0/8 for the network",
    "10.0.0.0/33": "no address and no network",
    "office.example": "no address and no network",
    "2001:db8::1%eth0": "has a zone",
    "010.0.0.1": "leading zero",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the role says of each network, in its order."""
    directory = tmp_path_factory.mktemp("settings")
    namespace = directory / "ansible_collections" / "loginwatch"
    namespace.mkdir(parents=True)
    (namespace / "pam").symlink_to(PROJECT)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.debug": {"msg": "{{ __ssh_login_notify_settings_problems }}"},
                "loop": list(NETWORKS),
                "vars": {
                    "ssh_login_notify_webhook_url": WEBHOOK,
                    "ssh_login_notify_ignore": [{"user": "backup", "from": "{{ item }}"}, {"user": "robot"}],
                },
            }
        ],
    }
    (directory / "play.json").write_text(json.dumps([play]))
    environment = {"ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.json")],
        env={**os.environ, **environment, "ANSIBLE_COLLECTIONS_PATH": str(directory)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    found = re.findall(r"^ok: .*? => (\{\n.*?^\})$", done.stdout, re.M | re.S)
    return dict(zip(NETWORKS, (json.loads(text)["msg"] for text in found)))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_rules_network_is_refused_with_what_to_write_or_is_fine(said, network):
    assert len(said) == len(NETWORKS)
    if not NETWORKS[network]:
        assert said[network] == []
        return
    (sentence,) = said[network]
    assert sentence.startswith(f"ssh_login_notify_ignore: from '{network}'")
    assert NETWORKS[network] in sentence
