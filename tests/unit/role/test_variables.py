# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role is consistent: its defaults, its argument specification, its README and its files."""

import ast
import functools
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from ansible_collections.loginwatch.pam.plugins.module_utils import login_rules
from ansible_collections.loginwatch.pam.plugins.modules import preflight

# This does not depend on the version of Ansible.
pytestmark = pytest.mark.whole
PROJECT = Path(__file__).resolve().parents[3]
ROLE = PROJECT / "roles" / "ssh_login_notify"
PREFIX = "ssh_login_notify_"


@functools.lru_cache(maxsize=None)
def load(name):
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def defaults():
    return load("defaults/main.yml")


def options():
    return load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def test_defaults_and_argument_specification_name_the_same_variables():
    assert sorted(defaults()) == sorted(options())


@pytest.mark.parametrize("name", sorted(defaults()))
def test_a_default_is_the_one_that_the_specification_documents(name):
    assert options()[name].get("default", "") == defaults()[name]


@pytest.mark.parametrize("name", sorted(defaults()))
def test_a_text_that_is_empty_by_default_can_be_null(name):
    """ansible-core up to 2.18 refuses null for an option that has a type and a default."""
    assert options()[name]["type"] == "raw" or options()[name].get("default") != ""


@pytest.mark.parametrize("name", sorted(defaults()))
def test_the_line_above_a_default_says_why_one_would_change_it(name):
    lines = (ROLE / "defaults" / "main.yml").read_text(encoding="utf-8").splitlines()
    number = next(number for number, line in enumerate(lines) if line.startswith(name + ":"))
    assert re.match(r"# .+\.$", lines[number - 1])


@pytest.mark.parametrize("name", sorted(defaults()))
def test_the_readme_has_a_row_for_the_variable(name):
    rows = re.findall(r"^\| `(\w+)` \|", (ROLE / "README.md").read_text(encoding="utf-8"), re.M)
    assert rows.count(name) == 1


def repeated_keys(node):
    """Yield the duplicate keys of a YAML mapping, also from a merge. Ansible prints a warning about them."""
    if isinstance(node, yaml.MappingNode):
        merged = [entry for key, value in node.value if key.value == "<<" for entry, _value in value.value]
        names = [key.value for key in [*(key for key, _value in node.value), *merged]]
        yield from (name for name in names if names.count(name) > 1)
        for _key, value in node.value:
            yield from repeated_keys(value)


def test_no_key_of_the_specification_is_there_twice():
    text = (ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    assert list(repeated_keys(yaml.compose(text))) == []


def test_names_carry_the_prefix():
    assert [name for name in defaults() if not name.startswith(PREFIX)] == []
    assert [name for name in load("vars/main.yml") if not name.startswith("__" + PREFIX)] == []


def constants(module, *names):
    """Return constants of one of the notifier's modules."""
    found = {}
    for node in ast.parse((PROJECT / "files" / "ssh_login_notify" / module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in names:
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return [found[name] for name in names]


def registered(tasks):
    """Yield the names that tasks register, including tasks in blocks."""
    for task in tasks:
        yield from [task["register"]] if "register" in task else []
        for part in ("block", "rescue", "always"):
            yield from registered(task.get(part, []))


def test_what_tasks_register_is_private_or_documented_for_playbooks():
    names = {name for path in ROLE.glob("tasks/*.yml") for name in registered(yaml.safe_load(path.read_text()))}
    public = {name for name in names if not name.startswith("__" + PREFIX)}
    (results,) = constants("settings.py", "RESULTS")
    assert public == {PREFIX + name for name in results}, (
        "a result that is no setting would be taken for a misspelled one"
    )
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert [name for name in public if f"`{name}`" not in readme] == []


def test_the_module_documents_each_fact_that_the_role_reads():
    files = [*ROLE.glob("tasks/*.yml"), *ROLE.glob("templates/*.j2"), *PROJECT.glob("playbooks/**/*.*")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    of_ansible = {"msg", "unreachable"}
    read = set(re.findall(rf"\b{PREFIX}host\.(\w+)", text)) - of_ansible
    assert len(read) > 20
    assert read <= set(yaml.safe_load(preflight.RETURN))


def test_nothing_that_is_checked_against_a_type_or_a_choice_can_print_the_webhook():
    webhook = options()[PREFIX + "webhook_url"]
    assert webhook["type"] == "raw"
    assert not {"choices", "elements", "options"} & set(webhook)


def test_a_webhook_in_vault_passes_the_check_of_every_ansible_core():
    """Up to 2.18, `no_log` fails with "Unknown parameter type" if the value is itself `!vault`."""
    assert "no_log" not in options()[PREFIX + "webhook_url"]


def test_the_configuration_has_what_the_notifier_reads():
    (path,) = constants("paths.py", "CONFIGURATION")
    of_notifier, of_role = constants("settings.py", "DEFAULTS", "ROLE_DEFAULTS")
    private = load("vars/main.yml")
    assert private["__ssh_login_notify_configuration"] == path
    assert private["__ssh_login_notify_configuration_text"] == "{{ lookup('loginwatch.pam.configuration') }}"
    assert {PREFIX + name: value for name, value in {**of_notifier, **of_role}.items()} == defaults()
    assert sorted(options()[PREFIX + "ignore"]["options"]) == sorted(login_rules.KEYS)
    assert sorted(options()[PREFIX + "mentions"]["options"]) == sorted([*login_rules.KEYS, login_rules.MENTION])


def test_tasks_and_templates_read_a_setting_as_its_user_meant_it():
    """Not the variable itself, which can be `omit`, null or the text "no"."""
    private = load("vars/main.yml")
    names = {name[len(PREFIX) :] for name in defaults()}
    read = {name[len("__" + PREFIX) :] for name in private} & names
    wanted = {name: f"{{{{ lookup('loginwatch.pam.setting', '{name}') }}}}" for name in read}
    assert {name: private["__" + PREFIX + name] for name in read} == wanted
    pattern = re.compile(rf"(?<![\w.]){PREFIX}({'|'.join(sorted(names, key=len, reverse=True))})\b")
    # A message or an assignment is no expression.
    prose = re.compile(rf"^\s*#|(add the command to|set|run the role again with) {PREFIX}")
    direct = [
        f"{path.name}: {line.strip()}"
        for path in [*ROLE.glob("tasks/*.yml"), *ROLE.glob("templates/*.j2")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line) and not prose.search(line)
    ]
    assert direct == []


def test_a_rule_may_name_the_types_that_the_notifier_gives_and_no_other():
    types = set()
    for node in ast.parse((PROJECT / "files" / "ssh_login_notify" / "login_types.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            types.add(node.value.value)
    assert len(types) == 12
    assert sorted(login_rules.TYPES) == sorted(types)
    documented = " ".join(options()[PREFIX + "ignore"]["options"]["type"]["description"]).replace("\\", "")
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in types if f"V({kind})" not in documented or f"`{kind}`" not in readme] == []


def test_whether_a_vendors_pam_file_is_copied_is_the_users_decision():
    given = {}
    for path in ROLE.glob("tasks/*.yml"):
        tasks = yaml.safe_load(path.read_text(encoding="utf-8"))
        for task in [*tasks, *(inner for outer in tasks for inner in outer.get("block", []))]:
            if "loginwatch.pam.pam_exec_line" in task:
                given[task["name"]] = task["loginwatch.pam.pam_exec_line"]["copy_vendor"]
    assert len(given) == 3
    assert set(given.values()) == {"{{ __ssh_login_notify_copy_vendor_pam }}"}
    refusal = (PROJECT / "files" / "ssh_login_notify" / "pam_line.py").read_text(encoding="utf-8")
    assert PREFIX + "copy_vendor_pam" in refusal


def test_all_modules_are_installed_those_of_sub_packages_too():
    """Only the preflight is excluded, because it runs before anything is installed."""
    package = load("vars/main.yml")["__ssh_login_notify_package"]
    assert (package["src"], package["exclude"]) == ("ssh_login_notify", ["pam_line.py", "preflight.py"])


def test_a_python_is_tried_for_all_that_the_notifier_imports():
    """Imports of only some channels must not stop a host with others: `ssh-login-notify check` tests those."""
    imported = set()
    package = PROJECT / "files" / "ssh_login_notify"
    some = {path for path in package.glob("channels/*.py") if path.stem not in ("__init__", "slack")}
    for path in {PROJECT / "files" / "ssh-login-notify", *package.rglob("*.py")} - some:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and not node.module.startswith("ssh_login_notify"):
                imported.add(node.module)
    # Only the type checker imports that one.
    assert sorted(imported - {"typing"} - set(load("vars/main.yml")["__ssh_login_notify_python_modules"])) == []


def test_the_link_to_the_files_survives_the_building_of_the_collection(tmp_path):
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    command = [str(galaxy), "collection", "build", "--output-path", str(tmp_path), str(PROJECT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    with tarfile.open(str(next(tmp_path.glob("loginwatch-pam-*.tar.gz")))) as archive:
        link = archive.getmember("roles/ssh_login_notify/files")
        assert (link.issym(), link.linkname) == (True, "../../files")
        assert archive.getmember("files/ssh-login-notify").isfile()
        listed = {entry["name"] for entry in json.load(archive.extractfile("FILES.json"))["files"]}
    assert "files/ssh_login_notify/observer.py" in listed
