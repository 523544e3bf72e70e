# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""units: an operator who has mended what kept the sender from running need not wait for systemd's next try."""

import pytest
from ssh_login_notify import paths, units


@pytest.fixture
def systemctl(monkeypatch, tmp_path):
    """A systemctl that tells of the sender what it is told to, and writes down what it is asked for."""
    program, asked = tmp_path / "systemctl", tmp_path / "asked"
    monkeypatch.setattr(paths, "SYSTEMD", str(tmp_path))
    monkeypatch.setattr(paths, "PATH_UNIT", str(tmp_path))
    monkeypatch.setattr(paths, "SYSTEMCTL", str(program))

    def says(state):
        program.write_text(f'#!/bin/sh\necho "$*" >> {asked}\necho SubState={state}\n')
        program.chmod(0o755)
        units.end_pause()
        return asked.read_text().splitlines()

    return says


@pytest.mark.parametrize("state", ["dead", "failed", "running"])
def test_only_a_pause_is_ended(systemctl, state):
    assert systemctl(state) == ["show --property=SubState ssh-login-notify.service"]


def test_a_pause_is_ended(systemctl):
    assert systemctl("auto-restart")[1:] == ["stop ssh-login-notify.service"]


def test_without_systemd_there_is_none(monkeypatch):
    monkeypatch.setattr(paths, "SYSTEMD", "/nonexistent")
    monkeypatch.setattr(paths, "SYSTEMCTL", None)
    units.end_pause()
