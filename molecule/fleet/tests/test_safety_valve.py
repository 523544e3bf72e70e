# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.safety_valve breaks a canary's program, logs in, and repairs it, even if it is interrupted."""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.operating import wait_for

pytestmark = pytest.mark.usefixtures("deployed")

PROGRAM = "/usr/local/bin/ssh-login-notify"
# Longer than an interrupted run can continue, and short enough to wait for.
SWITCH_SECONDS = 30
START_SECONDS = 60
# Ends as soon as the program is broken. The host itself waits, because repeated queries often come too late.
BROKEN = f"until [ $(stat -c %a {PROGRAM}) = 0 ]; do sleep 0.02; done"


# One host for each of the ways in which a host waits.
NAMES = ("debian12", "debian12-plain")


def mode(server) -> int:
    return server.file(PROGRAM).mode


def switches(server) -> str:
    """Return the processes on the host that still wait to restore the permissions."""
    timers = "systemctl list-units --all --plain --no-legend 'ssh-login-notify-safety-valve*' 2> /dev/null"
    return server.run(f"{timers}; pgrep -af '[s]leep .*chmod'").stdout


def test_a_login_works_while_the_program_can_not_be_run(play, servers):
    """A program that an earlier run has left broken is repaired. Its mode is not taken for the one to restore.

    One host at a time, so that a mistake costs the alerts of one host only.
    """
    servers["debian12"].check_output(f"chmod 000 {PROGRAM}")
    run = play("safety_valve", ("-e", f"target={':'.join(NAMES)}"))
    assert run.status == 0, run.output
    for name in NAMES:
        assert mode(servers[name]) == 0o755
        assert run.recap(name)["changed"] == 2, "removed and restored"
        assert switches(servers[name]) == ""
    assert run.output.count("TASK [Disarm the switch]") == len(NAMES)


def test_cut_off_in_between_the_host_mends_itself(start, servers):
    def cut_off(name: str) -> None:
        seconds = ("-e", f"safety_valve_seconds={SWITCH_SECONDS}")
        with start("safety_valve", (*seconds, "-e", f"target={name}")) as kill:
            servers[name].check_output(f"timeout {START_SECONDS} sh -c {shlex.quote(BROKEN)}")
            kill()
        assert mode(servers[name]) == 0, "it was interrupted before it could repair anything"
        assert switches(servers[name])

    with ThreadPoolExecutor() as pool:  # each waits for its own host, because a run breaks it for a few seconds only
        list(pool.map(cut_off, NAMES))
    hosts = [servers[name] for name in NAMES]
    wait_for(lambda: all(mode(server) == 0o755 for server in hosts), SWITCH_SECONDS + 10)
    wait_for(lambda: not any(switches(server) for server in hosts), 10)
