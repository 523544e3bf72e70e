# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""trust: each parent directory of root's programs that other users can write to is reported."""

import grp
import os

import pytest
from parts import needs_root
from ssh_login_notify import trust

pytestmark = needs_root


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A trusted directory. Its parents are not checked, because /tmp is world-writable."""
    path = tmp_path / "above" / "bin"
    path.mkdir(parents=True)
    path.parent.chmod(0o755)
    path.chmod(0o755)
    monkeypatch.setattr(trust, "TRUSTED", (str(path),))
    return path


def found(directory):
    return [path for path in trust.open_directories() if path.startswith(str(directory.parent))]


def test_a_directory_of_roots_is_no_matter(directory):
    assert found(directory) == []


def test_one_that_everybody_may_write_is_told_and_so_is_the_one_above(directory):
    directory.chmod(0o777)
    assert found(directory) == [str(directory)]
    directory.chmod(0o755)
    directory.parent.chmod(0o1777)  # the first to create something there owns it
    assert found(directory) == [str(directory.parent)]


def test_one_of_somebody_elses_is_told(directory):
    os.chown(str(directory), 65534, 0)
    assert found(directory) == [str(directory)]


@pytest.mark.parametrize(("members", "told"), [([], False), (["ada"], True)])
def test_a_group_counts_when_somebody_is_in_it(directory, monkeypatch, members, told):
    os.chown(str(directory), 0, 50)
    directory.chmod(0o2775)
    monkeypatch.setattr(grp, "getgrgid", lambda number: grp.struct_group(("staff", "x", number, members)))
    assert found(directory) == [str(directory)] * told


def test_a_group_that_has_no_name_is_nobody(directory):
    os.chown(str(directory), 0, 54321)
    directory.chmod(0o775)
    assert found(directory) == []


def test_a_link_is_followed(directory, tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to(str(directory))
    directory.chmod(0o777)
    monkeypatch.setattr(trust, "TRUSTED", (str(link),))
    assert found(directory) == [str(directory)]


def test_one_that_is_missing_is_nobodys(directory):
    directory.rmdir()
    assert found(directory) == []
