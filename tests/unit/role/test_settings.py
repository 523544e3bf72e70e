# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says of settings before it asks a host for anything; and that the notifier's own rule is the same."""

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
FILES = ROLE.parents[1] / "files"
ADDRESSES = json.loads((Path(__file__).resolve().parents[1] / "webhook_addresses.json").read_text(encoding="utf-8"))
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
# Values that YAML makes something else of than the text that was meant.
ODD = {"a number": 42, "nothing": None, "a fraction": 1.5, "a boolean": True}


def worked_out(directory, expression, items, variable, **others):
    """What Ansible makes of an expression, for each value of one variable."""
    namespace = directory / "ansible_collections" / "loginwatch"
    namespace.mkdir(parents=True)
    (namespace / "pam").symlink_to(PROJECT)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [{
            "ansible.builtin.debug": {"msg": {"found": expression}},
            "vars": {**others, variable: "{{ item.value }}"},
            "loop": [{"value": item} for item in items],
        }],
    }  # fmt: skip
    (directory / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.json")],
        env={
            **os.environ,
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_COLLECTIONS_PATH": str(directory),
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    found = re.findall(r"^ok: .*? => (\{\n.*?^\})$", done.stdout, re.M | re.S)
    assert len(found) == len(items)
    return [json.loads(text)["msg"]["found"] for text in found]


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    urls = sorted(ADDRESSES)
    expression = "{{ __ssh_login_notify_webhook_problem }}"
    found = worked_out(tmp_path_factory.mktemp("settings"), expression, urls, "ssh_login_notify_webhook_url")
    return dict(zip(urls, found))


@pytest.mark.parametrize("url", sorted(url for url in ADDRESSES if url.startswith("https")))
def test_of_slacks_addresses_only_an_incoming_webhooks_is_taken(problems, url):
    """tests/unit/notifier/test_config.py has the same for the notifier."""
    if ADDRESSES[url]:
        assert ADDRESSES[url] in problems[url]
        assert "create an incoming webhook" in problems[url]
    else:
        assert problems[url] == ""


def test_a_label_that_yaml_takes_for_something_else_is_a_text_to_the_notifier(tmp_path):
    expression = "{{ __ssh_login_notify_configuration_data.host_label | to_json }}"
    labels = worked_out(tmp_path, expression, list(ODD.values()), "ssh_login_notify_host_label")
    # Up to ansible-core 2.18 a template gives the value of the JSON, later ones give its text.
    assert [label.strip('"') if isinstance(label, str) else label for label in labels] == ["42", "", "1.5", "True"]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the role says of each network, in a rule of `ignore`."""
    found = worked_out(
        tmp_path_factory.mktemp("networks"), "{{ __ssh_login_notify_settings_problems }}",
        [[{"user": "backup", "from": network}, {"user": "robot"}] for network in NETWORKS], "ssh_login_notify_ignore",
        ssh_login_notify_webhook_url=WEBHOOK,
    )  # fmt: skip
    return dict(zip(NETWORKS, found))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_rules_network_is_refused_with_what_to_write_or_is_fine(said, network):
    if not NETWORKS[network]:
        assert said[network] == []
        return
    (sentence,) = said[network]
    assert sentence.startswith(f"ssh_login_notify_ignore: from '{network}'")
    assert NETWORKS[network] in sentence
