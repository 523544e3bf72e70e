# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever keeps the sender from running, systemd starts it once a minute, and after the repair it sends by itself.

These tests never run `flush`, and no login follows the repair. The minute between two starts is shortened here. Another
test checks that it is a minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.faults.fault import CONFIGURATION, KEPT, LIBRARY, PROGRAM, SPOOL

# One release is enough, because each test waits: the older one, whose units have fewer ways to restart.
testinfra_hosts = ["ansible://debian12-healing"]

SERVICE, PATH, PATH_TIMER = "ssh-login-notify.service", "ssh-login-notify.path", "ssh-login-notify-path.timer"
TIMERS = ("ssh-login-notify.timer", "ssh-login-notify-tamper.timer")
FOLLOWER, FOLLOWER_PATH = "ssh-login-notify-follow.service", "ssh-login-notify-follow.path"
OVERFLOW = "/run/ssh-login-notify"
SIGN = f"{SPOOL}/state/wake"
# In place of a minute.
PAUSE_SECONDS = 2
WATCHED_SECONDS = 5
# One at once, and one after each pause.
LEAST_STARTS = 2
LIMIT_SECONDS = 60
# From the repair to the channel: the pause and the delivery, on a busy machine. Nothing but the pause starts a sender.
HEALED_SECONDS = 20

# name -> (breaks, repairs). During each, a login comes, or an alert waits for a sender that can't run.
FAULTS = {
    "spool missing": (f"mv {SPOOL} {KEPT}", f"mv {KEPT} {SPOOL}"),
    "a file in the spool's place": (f"mv {SPOOL} {KEPT}; echo x > {SPOOL}", f"rm {SPOOL}; mv {KEPT} {SPOOL}"),
    "configuration missing": (f"mv {CONFIGURATION} {KEPT}", f"mv {KEPT} {CONFIGURATION}"),
    "system user missing": (
        f"cp -a /etc/passwd {KEPT}; sed -i /^ssh-login-notify:/d /etc/passwd",
        f"cp -a {KEPT} /etc/passwd; rm {KEPT}",
    ),
}
# With these, none of our programs runs, so the wake-up file stays. The alert and the wake-up file exist before.
NOTHING_RUNS = {
    "program missing": (f"mv {PROGRAM} {KEPT}", f"mv {KEPT} {PROGRAM}"),
    "program not executable": (f"chmod 644 {PROGRAM}", f"chmod 755 {PROGRAM}"),
    "interpreter missing": (
        f"cp -a {PROGRAM} {KEPT}; sed -i '1c #!/nonexistent/python3' {PROGRAM}",
        f"mv {KEPT} {PROGRAM}",
    ),
    "syntax error": (f"cp -a {PROGRAM} {KEPT}; sed -i '2i def (' {PROGRAM}", f"mv {KEPT} {PROGRAM}"),
    "module missing": (
        f"cp -a {LIBRARY} {KEPT}; rm -r {LIBRARY}/__pycache__ {LIBRARY}/sender.py",
        f"rm -r {LIBRARY}; mv {KEPT} {LIBRARY}",
    ),
    "program missing, the spool read-only": (
        f"mv {PROGRAM} {KEPT}; mount --bind {SPOOL} {SPOOL}; mount -o remount,bind,ro {SPOOL}",
        f"umount -l {SPOOL}; mv {KEPT} {PROGRAM}",
    ),
}


@pytest.fixture(autouse=True, scope="module")
def _impatient(host):
    """Shorten the pauses, and stop the timer."""
    pauses = {
        SERVICE: f"[Service]\\nRestartSec={PAUSE_SECONDS}",
        FOLLOWER: f"[Service]\\nRestartSec={PAUSE_SECONDS}",
        PATH_TIMER: f"[Timer]\\nOnUnitInactiveSec=\\nOnUnitInactiveSec={PAUSE_SECONDS}",
        **dict.fromkeys(TIMERS, "[Timer]\\nOnCalendar=\\nOnCalendar=*-02-29"),
    }
    for unit, text in pauses.items():
        drop_in = f"/run/systemd/system/{unit}.d"
        host.check_output(f"mkdir -p {drop_in} && printf '{text}\\n' > {drop_in}/pause.conf")
    reload = f"systemctl daemon-reload && systemctl restart {PATH_TIMER} {' '.join(TIMERS)}"
    host.check_output(reload)
    yield
    host.check_output(f"rm -r /run/systemd/system/ssh-login-notify* && {reload}")


@contextmanager
def broken(host, breaks: str, mends: str) -> Iterator[float]:
    """Cause a fault during the block. Yields the time at which it began."""
    since = time.time()
    host.check_output(f"set -e; {breaks}")
    try:
        yield since
    finally:
        host.check_output(f"set -e; {mends}")


def starts(host, since: float, service: str = SERVICE) -> int:
    """Return how many processes of a service have failed since then."""
    told = f"journalctl -q --no-pager -o cat -u {service} --since @{since:.6f}"
    return int(host.run(f"{told} | grep -c 'Main process exited'").stdout)


def assert_quiet(host, since: float, service: str = SERVICE) -> None:
    """Assert that systemd retries, at most once per pause. A busy machine can be slower, but never faster."""
    time.sleep(WATCHED_SECONDS)
    while starts(host, since, service) < LEAST_STARTS:
        assert time.time() < since + LIMIT_SECONDS, "there was no retry"
        time.sleep(0.2)
    # The time is taken after the count, so it covers every counted start.
    count = starts(host, since, service)
    assert count <= 1 + (time.time() - since) / PAUSE_SECONDS


def test_a_minute_passes_between_two_starts_and_no_more(host):
    shown = host.check_output(f"systemctl cat {SERVICE} {FOLLOWER} {PATH_TIMER}")
    assert shown.count("\nRestartSec=58s\n") == 2
    assert "\nOnUnitInactiveSec=50s\n" in shown


@pytest.mark.parametrize("fault", FAULTS)
def test_a_login_that_the_sender_can_not_send_arrives_after_the_mend(host, ada, receiver, fault):
    mark = receiver.last()
    with broken(host, *FAULTS[fault]) as since:
        login = ada.command()
        assert_quiet(host, since)
        assert host.run("ssh-login-notify status").rc == 2
    receiver.wait_for(lambda message: login.source in str(message.raw), after=mark, timeout=HEALED_SECONDS)


def test_where_the_sign_to_wake_can_not_be_written_the_one_in_run_does(host, ada, receiver):
    mark = receiver.last()
    state = f"{SPOOL}/state"
    with broken(host, f"mount --bind {state} {state}; mount -o remount,bind,ro {state}", f"umount -l {state}"):
        login = ada.command()
        receiver.wait_for(lambda message: login.source in str(message.raw), after=mark, timeout=HEALED_SECONDS)


@pytest.mark.parametrize("fault", NOTHING_RUNS)
def test_a_sign_that_nobody_takes_away_starts_nothing_without_end(host, ada, receiver, fault):
    """The login comes before the fault: its observer was running when the program was damaged."""
    mark = receiver.last()
    host.check_output(f"systemctl stop {PATH_TIMER} {PATH} {SERVICE}")
    login = ada.command()
    host.check_output(f"timeout 9 sh -c 'until ls {SPOOL}/outgoing | grep .; do sleep 0.1; done'")
    with broken(host, *NOTHING_RUNS[fault]) as since:
        host.check_output(f"systemctl start {PATH_TIMER} {PATH}")
        assert host.file(SIGN).exists
        assert_quiet(host, since)
    receiver.wait_for(lambda message: login.source in str(message.raw), after=mark, timeout=HEALED_SECONDS)


@pytest.mark.parametrize("place", [SPOOL, OVERFLOW])
def test_the_path_unit_comes_back_where_a_file_stood_in_a_directorys_place(host, ada, receiver, place):
    mark = receiver.last()
    host.check_output(f"mkdir -p {OVERFLOW}; sleep 1")
    with broken(host, f"mv {place} {KEPT}; echo x > {place}", f"rm {place}; mv {KEPT} {place}"):
        assert host.check_output(f"sleep 1; systemctl is-active {PATH} || true") == "failed"
    both = f"systemctl -q is-active {PATH} && systemctl -q is-active {FOLLOWER_PATH}"
    host.check_output(f"timeout {HEALED_SECONDS} sh -c 'until {both}; do sleep 0.2; done'")
    login = ada.command()
    receiver.wait_for(lambda message: login.source in str(message.raw), after=mark)


@contextmanager
def followed(host, ada) -> Iterator:
    """Return a connection that was reported and stays open, and what follows it."""
    nothing_open = f'test -z "$(ls -A {SPOOL}/open)"'
    host.check_output(f"systemctl reset-failed; timeout 20 sh -c 'until {nothing_open}; do sleep 0.1; done'")
    with ada.shared() as connection:
        host.check_output(f"timeout 20 sh -c 'until systemctl -q is-active {FOLLOWER}; do sleep 0.1; done'")
        yield connection


def wait_for_shell(receiver, connection, mark) -> None:
    """Wait for the second alert of a connection, which reports a shell."""

    def is_its(message) -> bool:
        return message.fields.get("From") == connection.source and message.fields["Type"] == "SSH (interactive)"

    receiver.wait_for(is_its, after=mark, timeout=HEALED_SECONDS)


def test_a_follower_that_was_killed_is_started_again_without_a_login(host, ada, receiver):
    mark = receiver.last()
    with followed(host, ada) as connection:
        killed = f"systemctl show --value -p MainPID {FOLLOWER}; systemctl kill -s KILL {FOLLOWER}"
        before = host.check_output(killed)
        connection.open_shell()
        wait_for_shell(receiver, connection, mark)
        assert host.check_output(f"systemctl show --value -p MainPID {FOLLOWER}") != before
    ended = f'systemctl -q is-active {FOLLOWER} || test -n "$(ls -A {SPOOL}/open)"'
    host.check_output(f"timeout 9 sh -c 'while {ended}; do sleep 0.1; done'")


def test_status_warns_where_nobody_looks_at_an_open_connection(host, ada):
    pause = f"/run/systemd/system/{FOLLOWER}.d/pause.conf"
    # With the full pause. With a short one systemd would be as fast as `status` on a busy machine.
    with followed(host, ada), broken(
        host,
        f"mv {pause} {KEPT}; systemctl daemon-reload; systemctl kill -s KILL {FOLLOWER}",
        f"mv {KEPT} {pause}; systemctl daemon-reload; systemctl restart {FOLLOWER}",
    ):
        status = host.run("ssh-login-notify status")
        assert status.rc == 1
        assert "no process watches 1 open connection" in status.stdout
    assert host.run("ssh-login-notify status").rc == 0


def test_a_follower_that_can_not_run_is_started_seldom(host, ada, receiver):
    mark = receiver.last()
    with followed(host, ada) as connection:
        breaks = f"mv {PROGRAM} {KEPT}; systemctl kill -s KILL {FOLLOWER}"
        with broken(host, breaks, f"mv {KEPT} {PROGRAM}") as since:
            assert_quiet(host, since, FOLLOWER)
        connection.open_shell()
        wait_for_shell(receiver, connection, mark)


def test_a_file_of_somebodys_among_the_records_starts_nothing_without_end(host):
    with broken(host, f"touch {SPOOL}/open/README", f"rm {SPOOL}/open/README") as since:
        assert_quiet(host, since, FOLLOWER)
