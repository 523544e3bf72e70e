# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""units: who starts the sender, and the end of systemd's pauses after an operator has fixed a fault."""

import json
import os

import pytest
from ssh_login_notify import paths, units

RESTARTED = ("ssh-login-notify.service", "ssh-login-notify-follow.service")


@pytest.fixture
def systemctl(monkeypatch, tmp_path):
    """A systemctl that reports the sender's state as a test sets it, and records its arguments."""
    program, asked = tmp_path / "systemctl", tmp_path / "asked"
    monkeypatch.setattr(paths, "SYSTEMD", str(tmp_path))
    monkeypatch.setattr(paths, "PATH_UNIT", str(tmp_path))
    monkeypatch.setattr(paths, "SYSTEMCTL", str(program))

    def says(state):
        program.write_text(f'#!/bin/sh\necho "$*" >> {asked}\necho SubState={state}\n')
        program.chmod(0o755)
        units.end_pauses()
        return asked.read_text().splitlines()

    return says


@pytest.mark.parametrize("state", ["dead", "failed", "running"])
def test_only_a_pause_is_ended(systemctl, state):
    assert systemctl(state) == [f"show --property=SubState {service}" for service in RESTARTED]


def test_the_pauses_of_sender_and_follower_are_ended(systemctl):
    assert systemctl("auto-restart")[1::2] == [f"stop {service}" for service in RESTARTED]


def test_without_systemd_there_is_no_pause(monkeypatch):
    monkeypatch.setattr(paths, "SYSTEMD", "/nonexistent")
    monkeypatch.setattr(paths, "SYSTEMCTL", None)
    units.end_pauses()


@pytest.mark.parametrize(("scheduler", "starts"), [("systemd", True), ("cron", False), ("none", False)])
def test_the_roles_file_says_who_starts_the_sender_and_nobody_looks_for_units(monkeypatch, tmp_path, scheduler, starts):
    """sshd's domain can't look there, and each attempt would be a line in the audit log."""
    path = tmp_path / "host.json"
    path.write_text(json.dumps({"scheduler": scheduler, "sandbox_without": []}))
    monkeypatch.setattr(paths, "HOST", str(path))
    monkeypatch.setattr(os, "stat", lambda path: pytest.fail(f"looked at {path}"))
    assert units.systemd_starts_the_sender() is starts


@pytest.mark.parametrize(
    ("said", "expected"), [({}, False), ({"logouts": False}, False), ({"logouts": 1}, False), ({"logouts": True}, True)]
)
def test_the_roles_file_says_whether_a_channel_tells_of_ends(monkeypatch, tmp_path, said, expected):
    path = tmp_path / "host.json"
    path.write_text(json.dumps(dict(said, scheduler="systemd", sandbox_without=[])))
    monkeypatch.setattr(paths, "HOST", str(path))
    assert units.Installed().logouts is expected


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"scheduler": "systemd"}', '{"scheduler": ""}'])
@pytest.mark.parametrize("is_there", [True, False])
def test_without_that_file_it_looks_itself(monkeypatch, tmp_path, text, is_there):
    path = tmp_path / "host.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(paths, "HOST", str(path))
    monkeypatch.setattr(paths, "SYSTEMD", str(tmp_path))
    monkeypatch.setattr(paths, "PATH_UNIT", str(tmp_path / ("" if is_there else "missing")))
    assert units.systemd_starts_the_sender() is (is_there or text == '{"scheduler": "systemd"}')
