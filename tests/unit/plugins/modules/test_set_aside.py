# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are set aside with all their attributes, and nothing is overwritten."""

import os

import pytest


@pytest.fixture
def host(tmp_path):
    """A small host: a script, its configuration with a secret, and cron's tables."""

    class Host:
        script = tmp_path / "bin" / "notify.sh"
        configuration = tmp_path / "etc" / "notify.conf"
        tables = tmp_path / "cron.d"
        aside = tmp_path / "aside"

        def of(self, path):
            return self.aside / str(path)[1:]

    host = Host()
    for directory in (host.script.parent, host.configuration.parent, host.tables):
        directory.mkdir()
    host.script.write_bytes(b"#!/bin/sh\n# caf\xe9\n")
    host.script.chmod(0o750)
    host.configuration.write_text("SLACK_WEBHOOK_URL=https://hooks.example.com/not-a-real-secret\n")
    host.configuration.chmod(0o600)
    return host


@pytest.fixture
def set_aside(run_module, host):
    def run(**arguments):
        usual = {"directory": str(host.aside), "seconds": 5, "cron_tables": [str(host.tables)]}
        return run_module("set_aside", **dict(usual, **arguments))

    return run


def test_arguments_are_checked(set_aside, host):
    assert "Unsupported parameters" in set_aside(path=str(host.script))["msg"]
    assert "seconds" in set_aside(seconds="long")["msg"]
    result = set_aside(files=[str(host.script), "notify.conf"])
    assert result["msg"] == "Nothing was set aside. notify.conf is not an absolute path. Begin it with a slash."
    assert host.script.exists()


def test_files_go_with_their_modes_and_times(set_aside, host):
    os.utime(str(host.script), (1_000_000_000, 1_000_000_000))
    result = set_aside(files=[str(host.script), str(host.configuration), "/nowhere/at-all"])
    assert result["changed"]
    assert [entry["path"] for entry in result["moved"]] == [str(host.script), str(host.configuration)]
    assert not host.script.exists()
    assert not host.configuration.exists()
    assert host.of(host.script).read_bytes() == b"#!/bin/sh\n# caf\xe9\n"
    assert host.of(host.script).stat().st_mode & 0o7777 == 0o750
    assert host.of(host.script).stat().st_mtime == 1_000_000_000
    assert host.aside.stat().st_mode & 0o7777 == 0o700
    assert not set_aside(files=[str(host.script), str(host.configuration)])["changed"]


def test_check_mode_tells_the_same_and_moves_nothing(set_aside, host):
    (host.tables / "test").write_text(f"@daily root {host.script}\n")
    arguments = {"files": [str(host.script)], "commands": [str(host.script)]}
    told = set_aside(check=True, **arguments)
    assert host.script.exists()
    assert (host.tables / "test").exists()
    assert not host.aside.exists()
    done = set_aside(**arguments)
    assert (told["changed"], told["moved"]) == (done["changed"], done["moved"])
    assert len(done["moved"]) == 2


def test_jobs_go_out_of_tables_and_tables_without_another_job_go_whole(set_aside, host):
    mixed, alone = host.tables / "mixed", host.tables / "alone"
    mixed.write_text(f"1 1 * * * root true\n@daily root {host.script} test\n")
    mixed.chmod(0o640)
    alone.write_text(f"MAILTO=root\n@daily root {host.script} test\n")
    before = mixed.read_text()
    result = set_aside(commands=[str(host.script)])
    assert {entry["path"] for entry in result["moved"]} == {str(mixed), str(alone)}
    assert mixed.read_text() == "1 1 * * * root true\n"
    assert mixed.stat().st_mode & 0o7777 == 0o640
    assert host.of(mixed).read_text() == before
    assert not alone.exists()
    assert [path.name for path in host.tables.iterdir()] == ["mixed"], "nothing unfinished is left"


def test_what_was_set_aside_before_is_not_overwritten(set_aside, host):
    set_aside(files=[str(host.script)])
    host.script.write_text("another\n")
    result = set_aside(files=[str(host.script)])
    assert host.of(host.script).read_bytes().startswith(b"#!/bin/sh")
    assert result["moved"][0]["to"].endswith("notify.sh.1")
    assert host.of(f"{host.script}.1").read_text() == "another\n"


def test_a_link_goes_as_a_link(set_aside, host, tmp_path):
    link = tmp_path / "link.sh"
    link.symlink_to(host.script)
    set_aside(files=[str(link)])
    assert not link.is_symlink()
    assert os.readlink(str(host.of(link))) == str(host.script)
    assert host.script.exists()


def test_a_directory_is_refused_before_anything_moves(set_aside, host):
    result = set_aside(files=[str(host.script), str(host.tables)])
    assert result["failed"]
    assert "is not a file. Name each file in it" in result["msg"]
    assert host.script.exists()


def test_the_configuration_is_not_in_what_is_returned(set_aside, host):
    assert "not-a-real-secret" not in str(set_aside(files=[str(host.configuration)], diff=True))
