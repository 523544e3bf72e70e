# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README, the collection, the role and the tests name the same versions of ansible-core, and these are tested."""

import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.release import __version__ as running

PROJECT = Path(__file__).resolve().parents[3]
README = (PROJECT / "README.md").read_text()
# The lock of .dev/venv has a release of ansible-core for each Python. The one for Python 3.11 must be old enough.
LOCKS = {
    "oldest": PROJECT / "tests" / "oldest_ansible" / "requirements.txt",
    "usual": PROJECT / "requirements.txt",
    "newest": PROJECT / "tests" / "newest_ansible" / "requirements.txt",
}


def minor(version):
    return ".".join(version.split(".")[:2])


def locked(name):
    """Return the versions in a lock, without the last number, the oldest first."""
    return [minor(version) for version in re.findall(r"^ansible-core==(\S+)", LOCKS[name].read_text(), re.MULTILINE)]


def test_the_oldest_is_the_same_everywhere():
    (oldest,) = locked("oldest")
    assert yaml.safe_load((PROJECT / "meta" / "runtime.yml").read_text()) == {"requires_ansible": f">={oldest}.0"}
    role = yaml.safe_load((PROJECT / "roles" / "ssh_login_notify" / "meta" / "main.yml").read_text())
    assert role["galaxy_info"]["min_ansible_version"] == oldest
    assert re.findall(r"ansible-core (\S+) (?:or|and) later", README) == [oldest, oldest]


def test_the_readme_names_those_that_are_tested():
    (oldest,), (newest,), usual = locked("oldest"), locked("newest"), locked("usual")
    assert f"with ansible-core {oldest}, {usual[0]} and {newest}." in README
    assert f"without it, with ansible-core {usual[0]}." in README
    assert newest == usual[-1], "whoever has a newer Python has a newer Ansible in .dev/venv than the newest tested"


def test_the_one_that_runs_is_one_of_them():
    assert minor(running) in {version for name in LOCKS for version in locked(name)}


def supported():
    """Return the README's oldest Python of a host, by the version of ansible-core."""
    (sentence,) = re.findall(r"as far as your ansible-core supports them: ([^:]+?)\.\n", README)
    parts = re.findall(r"(2\.\d+(?: and 2\.\d+)?)\s+supports? (3\.\d+)", sentence)
    return {core: python for cores, python in parts for core in cores.split(" and ")}


def test_the_readme_says_which_pythons_of_hosts_this_one_takes():
    source = Path(basic.__file__).read_text()
    # As in 2.16, and as in later versions.
    found = re.search(r"^_PY3_MIN = sys\.version_info >= \((\d+), (\d+)\)|^_PY_MIN = \((\d+), (\d+)\)", source, re.M)
    assert supported()[minor(running)] == ".".join(filter(None, found.groups()))


@pytest.mark.parametrize("name", LOCKS)
def test_the_readme_says_it_for_each_that_is_tested(name):
    assert set(locked(name)) <= supported().keys()
