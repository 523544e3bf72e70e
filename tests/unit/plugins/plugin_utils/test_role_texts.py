# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""role_texts, and the options of two action plugins that name the files and templates of a role."""

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.loginwatch.pam.plugins.action import installed_files, preflight
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_texts

from tests.lab import units

FILES = units.ROLE / "files"
VARIABLES = {**units.VARIABLES, "__ssh_login_notify_heartbeat_time": "", "__ssh_login_notify_metrics_file": ""}
PACKAGE = {"path": "/x", "src": "ssh_login_notify", "exclude": ["pam_line.py", "preflight.py"]}


class Task:
    """The attributes of a task that an action plugin uses."""

    async_val = False

    def get_search_path(self):
        return [str(units.ROLE)]


def action(plugin=installed_files, **variables):
    """Return an action plugin as in a task of the role."""
    loader = DataLoader()
    templar = Templar(loader=loader, variables={**VARIABLES, **variables})
    return plugin.ActionModule(Task(), None, None, loader, templar, None)


def test_a_package_is_all_modules_below_its_directory_but_those_that_are_excluded():
    modules = action()._with_modules(PACKAGE)["modules"]
    assert set(modules) == {
        path.relative_to(FILES / "ssh_login_notify").as_posix() for path in FILES.glob("ssh_login_notify/**/*.py")
    } - {"pam_line.py", "preflight.py"}
    assert {"cli.py", "channels/slack.py", "languages/en.py"} <= set(modules)
    assert modules["cli.py"] == (FILES / "ssh_login_notify" / "cli.py").read_text(encoding="utf-8")


def test_a_package_of_texts_stays_as_it_is():
    package = {"path": "/x", "modules": {"a.py": ""}}
    assert action()._with_modules(package) == package


def test_a_file_is_what_it_is_on_the_controller_but_for_another_first_line():
    text = (FILES / "ssh-login-notify").read_text(encoding="utf-8")
    file = action()._with_text({"path": "/x", "src": "ssh-login-notify"}, {})
    assert file == {"path": "/x", "content": text}
    file = action()._with_text({"path": "/x", "src": "ssh-login-notify", "first_line": "#!/usr/bin/python3 -ISB"}, {})
    assert file["content"].split("\n", 1) == ["#!/usr/bin/python3 -ISB", text.split("\n", 1)[1]]


def test_a_first_line_is_for_a_file_alone():
    """The module refuses it in combination with anything else."""
    for file in ({"template": "cron.j2"}, {"secret_variable": "x"}, {"content": "x"}):
        assert action()._with_text({"path": "/x", "first_line": "#!/bin/sh", **file}, {"x": "y"})["first_line"]


def test_a_template_is_rendered_with_the_variables_of_the_host():
    (line,) = [line for line in rendered("cron.j2").splitlines() if " send > " in line and line.startswith("*/5")]
    assert line == "*/5 * * * * root /usr/local/bin/ssh-login-notify send > /dev/null 2>&1"
    assert "heartbeat" not in rendered("cron.j2")


def rendered(name):
    return role_texts.rendered(action(), name)


@pytest.mark.parametrize(("version", "without"), [(219, []), (252, ["namespaces"]), (257, [])])
def test_units_are_fitted_to_the_host_and_have_their_lines_as_they_are(version, without):
    files = action()._unit_files({"names": units.NAMES, "systemd_version": version, "without": without})
    wanted = units.units(version, without, __ssh_login_notify_heartbeat_time="")
    assert [(file["path"], file["content"]) for file in files] == [
        (f"/etc/systemd/system/{name}", text) for name, text in wanted.items()
    ]


def test_the_sandbox_of_services_is_found_in_their_templates():
    services = [name for name in units.NAMES if name.endswith(".service")]
    found = action(preflight)._sandbox(services)
    assert {"setting": "PrivateTmp=yes", "since": 0, "part": "namespaces"} in found
    paths = "ReadWritePaths=-/var/spool/ssh-login-notify -/run/ssh-login-notify"
    assert [row["setting"] for row in found if row["setting"].startswith(paths)] == [paths]


@pytest.mark.parametrize("option", ["src", "template"])
def test_a_name_that_there_is_not_is_said(option):
    with pytest.raises(AnsibleActionFail, match="no-such-file"):
        action()._with_text({"path": "/x", option: "no-such-file"}, {})


def test_a_directory_without_modules_is_said(tmp_path):
    with pytest.raises(AnsibleActionFail, match="contains no Python modules"):
        action()._with_modules({"path": "/x", "src": str(tmp_path)})


def test_a_setting_that_nobody_has_looked_up_is_an_error(tmp_path):
    (tmp_path / "x.service.j2").write_text("[Service]\nPrivateBPF=yes\n")
    with pytest.raises(AnsibleActionFail, match="units: the setting 'PrivateBPF' is not known"):
        action()._unit_files({"names": [str(tmp_path / "x.service")]})
    with pytest.raises(AnsibleActionFail, match="sandbox_of: the setting 'PrivateBPF' is not known"):
        action(preflight)._sandbox([str(tmp_path / "x.service")])


@pytest.mark.parametrize(
    "file", [{"path": "/x"}, {"path": "/x", "content": "a", "src": "b"}, {"path": "/x", "src": 5}, "text", None]
)
def test_anything_that_is_no_single_name_is_left_for_the_module(file):
    assert action()._with_text(file, {}) == file


def test_nothing_of_the_role_uses_a_filter_of_the_collection():
    """A worker that needs one filter loads all of them: some 20 ms for each task on each host."""
    paths = [path for name in ("tasks", "vars", "templates") for path in (units.ROLE / name).iterdir()]
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    assert [name for name, text in texts.items() if "| loginwatch.pam." in text] == []
    assert "lookup('ansible.builtin." not in yaml.safe_dump(units.VARIABLES)
