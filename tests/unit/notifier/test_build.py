# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a build is equal on hosts with the same program, and different if any file differs."""

import re

from ssh_login_notify import VERSION, build, paths


def test_builds_of_one_version_are_told_apart_and_hosts_with_one_build_are_not(tmp_path, monkeypatch):
    package = tmp_path / "ssh_login_notify"
    package.mkdir()
    (package / "sender.py").write_text("one")
    (package / "notes.txt").write_text("no part of the program")
    program = tmp_path / "ssh-login-notify"
    program.write_text("#!/usr/bin/python3 -ISB\nhook\n")
    monkeypatch.setattr(build, "__file__", str(package / "build.py"))
    monkeypatch.setattr(paths, "PROGRAM", str(program))
    first = build.name()
    assert re.match(re.escape(VERSION) + r"\+[0-9a-f]{8}\Z", first)
    program.write_text("#!/usr/libexec/platform-python -ISB\nhook\n")
    (package / "notes.txt").write_text("other notes")
    assert build.name() == first
    program.write_text("#!/usr/bin/python3 -ISB\nanother hook\n")
    second = build.name()
    (package / "sender.py").write_text("two")
    third = build.name()
    (package / "sender.py").rename(package / "sent.py")
    fourth = build.name()
    (package / "channels").mkdir()
    (package / "channels" / "sent.py").write_text("one")
    fifth = build.name()
    (package / "channels" / "sent.py").write_text("two")
    assert len({first, second, third, fourth, fifth, build.name()}) == 6


def test_without_the_program_it_is_the_version(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROGRAM", str(tmp_path / "missing"))
    assert build.name() == VERSION
