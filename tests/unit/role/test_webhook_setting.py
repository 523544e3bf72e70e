# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says of settings, as Ansible works it out; and that the notifier's own rule is the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ssh_login_notify"
FILES = ROLE.parents[1] / "files"
ADDRESSES = json.loads((Path(__file__).resolve().parents[1] / "webhook_addresses.json").read_text(encoding="utf-8"))
# Values that YAML makes something else of than the text that was meant.
ODD = {"a number": 42, "nothing": None, "a fraction": 1.5, "a boolean": True}


def worked_out(directory, expression, items, variable):
    """What Ansible makes of an expression, for each value of one variable."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [{
            "ansible.builtin.debug": {"msg": {"found": expression}},
            "vars": {variable: "{{ item.value }}"},
            "loop": [{"value": item} for item in items],
        }],
    }  # fmt: skip
    (directory / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.json")],
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
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
