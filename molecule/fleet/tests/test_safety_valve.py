# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.safety_valve breaks a canary's program, logs in, and mends it, even if it is cut off in between."""

from __future__ import annotations

import shlex

import pytest

from tests.lab.operating import EVERYWHERE, wait_for

pytestmark = pytest.mark.usefixtures("deployed")

PROGRAM = "/usr/local/bin/ssh-login-notify"
# Longer than a run that was cut off can go on for, and shorter than anybody wants to wait.
SWITCH_SECONDS = 30
START_SECONDS = 60
# Ends as soon as the program is broken. The host itself waits: asked again and again, it would often answer too late.
BROKEN = f"until [ $(stat -c %a {PROGRAM}) = 0 ]; do sleep 0.02; done"


def mode(server) -> int:
    return server.file(PROGRAM).mode


def switches(server) -> str:
    """What still waits on the host to put the permissions back."""
    timers = "systemctl list-units --all --plain --no-legend 'ssh-login-notify-safety-valve*' 2> /dev/null"
    return server.run(f"{timers}; pgrep -af '[s]leep .*chmod'").stdout


def test_a_login_works_while_the_program_can_not_be_run(play, servers):
    """What an earlier run has left broken is mended, and not taken for the state to go back to.

    One host at a time, so that a mistake costs one of them its alerts.
    """
    servers["debian12"].check_output(f"chmod 000 {PROGRAM}")
    run = play("safety_valve", EVERYWHERE)
    assert run.status == 0, run.output
    for name, server in servers.items():
        assert mode(server) == 0o755
        assert run.recap(name)["changed"] == 2, "taken away and given back"
        assert switches(server) == ""
    assert run.output.count("TASK [Disarm the switch]") == len(servers)


def test_cut_off_in_between_the_host_mends_itself(start, servers):
    for name, server in servers.items():
        with start("safety_valve", ("-e", f"safety_valve_seconds={SWITCH_SECONDS}", "-e", f"target={name}")) as kill:
            server.check_output(f"timeout {START_SECONDS} sh -c {shlex.quote(BROKEN)}")
            kill()
        assert mode(server) == 0, "it was cut off before it could mend anything"
        assert switches(server)
    wait_for(lambda: all(mode(server) == 0o755 for server in servers.values()), SWITCH_SECONDS + 10)
    wait_for(lambda: not any(switches(server) for server in servers.values()), 10)
