# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.safety_valve breaks a canary's program, logs in, and mends it, even if it is cut off in between."""

from __future__ import annotations

import pytest

from tests.lab.operating import EVERYWHERE, wait_for

pytestmark = pytest.mark.usefixtures("deployed")

PROGRAM = "/usr/local/bin/ssh-login-notify"
# Longer than a run that was cut off can go on for, and shorter than anybody wants to wait.
SWITCH_SECONDS = 30
START_SECONDS = 60


def mode(server) -> int:
    return server.file(PROGRAM).mode


def switches(server) -> str:
    """What still waits on the host to put the permissions back."""
    timers = "systemctl list-units --all --plain --no-legend 'ssh-login-notify-safety-valve*' 2> /dev/null"
    return server.run(f"{timers}; pgrep -af '[s]leep .*chmod'").stdout


def test_a_login_works_while_the_program_can_not_be_run(play, servers):
    run = play("safety_valve", EVERYWHERE)
    assert run.status == 0, run.output
    for name, server in servers.items():
        assert mode(server) == 0o755
        assert run.recap(name)["changed"] == 2, "taken away and given back"
        assert switches(server) == ""


def test_what_an_earlier_run_has_left_broken_is_mended(play, servers):
    """And not taken for the state to go back to. One host at a time, so that a mistake costs one of them its alerts."""
    server = servers["debian12"]
    server.check_output(f"chmod 000 {PROGRAM}")
    run = play("safety_valve", ("-e", "target=debian12,debian13"))
    assert run.status == 0, run.output
    assert mode(server) == 0o755
    assert run.output.count("TASK [Disarm the switch]") == 2


def test_cut_off_in_between_the_host_mends_itself(start, servers):
    for name, server in servers.items():
        with start("safety_valve", ("-e", f"safety_valve_seconds={SWITCH_SECONDS}", "-e", f"target={name}")) as kill:
            wait_for(lambda server=server: mode(server) == 0, START_SECONDS)
            kill()
        assert mode(server) == 0, "it was cut off before it could mend anything"
        assert switches(server)
    wait_for(lambda: all(mode(server) == 0o755 for server in servers.values()), SWITCH_SECONDS + 10)
    wait_for(lambda: not any(switches(server) for server in servers.values()), 10)
