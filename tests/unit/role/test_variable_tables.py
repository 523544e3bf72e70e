# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables are documented once, in meta/argument_specs.yml, and hosts in tests/support.yml. The rest is up to date."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

# This does not depend on the version of Ansible.
pytestmark = pytest.mark.whole
PROJECT = Path(__file__).resolve().parents[3]
SPECIFICATION = "roles/ssh_login_notify/meta/argument_specs.yml"
SUPPORT = "tests/support.yml"
MADE = (
    "README.md",
    "roles/ssh_login_notify/README.md",
    "roles/ssh_login_notify/defaults/main.yml",
    "docs/configuration.md",
)


def generate(root, *options):
    command = [sys.executable, "-B", str(PROJECT / "tools" / "variables.py"), "--root", str(root), *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that the generator reads and writes."""
    scenarios = [path.relative_to(PROJECT) for path in PROJECT.glob("molecule/*/molecule.yml")]
    for name in (SPECIFICATION, *MADE, SUPPORT, ".config/molecule/config.yml", *scenarios):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(PROJECT / name), str(tmp_path / name))
    return tmp_path


def test_tables_and_defaults_are_up_to_date():
    checked = generate(PROJECT, "--check")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", MADE)
def test_an_edited_file_is_found_and_made_anew(checkout, name):
    path = checkout / name
    text = path.read_text(encoding="utf-8")
    edited = text.replace("robots", "people")
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    checked = generate(checkout, "--check")
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [f"{name}: not up to date, run ./dev docs"]
    assert generate(checkout).returncode == 0
    assert path.read_bytes() == (PROJECT / name).read_bytes()


def test_a_new_sentence_reaches_every_place(checkout):
    path = checkout / SPECIFICATION
    specification = yaml.safe_load(path.read_text(encoding="utf-8"))
    options = specification["argument_specs"]["main"]["options"]
    options["ssh_login_notify_proxy"]["description"] = ["The way out. And more.", "Set it to C(a|b\\)), or V(none)."]
    path.write_text(yaml.safe_dump(specification, sort_keys=False), encoding="utf-8")
    assert generate(checkout).returncode == 0
    texts = [(checkout / name).read_text(encoding="utf-8") for name in MADE]
    assert "ssh_login_notify_proxy) | `''` | The way out. Set it to `a\\|b)`, or `none`. |" in texts[0]
    assert "| `ssh_login_notify_proxy` | `''` | The way out. And more. Set it to `a\\|b)`, or `none`. |" in texts[1]
    assert "# The way out. And more. Set it to `a|b)`, or `none`.\nssh_login_notify_proxy: ''\n" in texts[2]
    section = "The way out. And more.\n\nSet it to `a|b)`, or `none`.\n\nType: text. "
    assert "## `ssh_login_notify_proxy`\n\n" + section in texts[3]


def test_the_readme_has_a_few_variables_and_the_page_of_the_settings_has_all():
    readme, page = (PROJECT / "README.md").read_text(encoding="utf-8"), (PROJECT / MADE[3]).read_text(encoding="utf-8")
    options = yaml.safe_load((PROJECT / SPECIFICATION).read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    linked = re.findall(r"^\| \[`(\w+)`\]\(docs/configuration\.md#\1\) \|", readme, re.M)
    assert 0 < len(linked) <= 10
    assert set(linked) <= set(options)
    assert re.findall(r"^## `(\w+)`$", page, re.M) == list(options)


def test_the_page_of_the_settings_has_each_key_of_a_rule():
    page = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    options = yaml.safe_load((PROJECT / SPECIFICATION).read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    for setting in ("ssh_login_notify_ignore", "ssh_login_notify_mentions"):
        section = page.partition(f"## `{setting}`\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.M) == list(options[setting]["options"])


def test_what_was_run_is_in_the_readme(checkout):
    path = checkout / SUPPORT
    text = path.read_text(encoding="utf-8")
    text += "- {host: Plan 9, foreign: sshd, command: make, held: nothing, when: 1992-09-01}\n"
    path.write_text(text, encoding="utf-8")
    assert generate(checkout).returncode == 0
    assert "| Plan 9 | sshd | make | nothing | 1992-09-01 |" in (checkout / "README.md").read_text(encoding="utf-8")


def test_a_host_of_a_scenario_is_in_the_readme(checkout):
    path = checkout / "molecule" / "default" / "molecule.yml"
    host = {"name": "x", "hostname": "x", "image": "loginwatch/debian14", "groups": ["servers", "plain"]}
    path.write_text(yaml.safe_dump({"platforms": [host]}), encoding="utf-8")
    assert generate(checkout).returncode == 0
    assert "| Debian 14, without systemd | cron |" in (checkout / "README.md").read_text(encoding="utf-8")


def test_a_run_notes_its_date(checkout):
    """`./dev test enforcing` does so when it has passed."""
    source = (PROJECT / "tools" / "enforcing.py").read_text(encoding="utf-8")
    (host,) = re.findall(r'^HOST = "(.*)"$', source, re.MULTILINE)
    assert note(checkout, host, "2031-01-02") == 0
    assert dates(checkout) == {**dates(PROJECT), host: "2031-01-02"}
    assert note(checkout, "Plan 9", "2031-01-02") == 1


def note(root, *words):
    call = "import sys, pathlib; from tools import support; support.record(pathlib.Path(sys.argv[1]), *sys.argv[2:])"
    command = [sys.executable, "-Bc", call, str(root), *words]
    return subprocess.run(command, cwd=PROJECT, stderr=subprocess.DEVNULL, check=False).returncode  # noqa: S603


def dates(root):
    records = yaml.safe_load((root / SUPPORT).read_text(encoding="utf-8"))
    return {record["host"]: record["when"] for record in records}


@pytest.mark.parametrize("paragraphs", [
    pytest.param(option["description"], id=name)
    for name, option in yaml.safe_load((PROJECT / SPECIFICATION).read_text(encoding="utf-8"))
    ["argument_specs"]["main"]["options"].items()
])  # fmt: skip
def test_a_description_says_what_it_is_and_then_when_to_change_it(paragraphs):
    assert len(paragraphs) > 1
    assert paragraphs[-1].split()[0] in ("Set", "You")
    assert all(paragraph.endswith(".") for paragraph in paragraphs)
