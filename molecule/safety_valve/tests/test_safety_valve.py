# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody is locked out or delayed, or sees anything, however the notifier is damaged. Repaired, it reports again."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from tests.lab.stall import stalled_disk

testinfra_hosts = ["ansible://servers"]

PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
# The hook's fork checks this file for a running observer, so each login's alert needs it.
LOCK = "/var/spool/ssh-login-notify/observer.lock"
DAMAGE = {
    "no permissions": f"chmod 000 {PROGRAM}",
    "no program": f"rm {PROGRAM}",
    "a syntax error": f"sed -i '2i def (' {PROGRAM}",
    "no such Python": f"sed -i '1c #!/nonexistent/python3' {PROGRAM}",
    "an empty program": f"truncate -s 0 {PROGRAM}",
    "no package": f"rm -r {LIBRARY}",
}
# With these, the hook still writes a capture, and the alert is delivered after the repair.
KEPT = ("no package",)

KINDS = ("interactive", "command", "scp", "sftp")
# The hook's own limit (DEADLINE_SECONDS in files/ssh-login-notify).
HOOK_SECONDS = 2.0
# How much longer a login can take than before: enough for a busy machine, and short enough to detect an endless wait.
SLACK_SECONDS = 3.0
# If the timer has started the sender during the damage, systemd repeats that run after 58 s, and delays every other
# start until then (RestartSec= in ssh-login-notify.service).
REPAIRED_SECONDS = 75.0


def log_in_every_way(person) -> dict:
    """Return a login of each kind."""
    return {kind: getattr(person, kind)() for kind in KINDS}


def shown(login) -> str:
    """Return the client's output, without the line about the last login."""
    return re.sub(r"Last login:[^\n]*\n", "", login.output)


@pytest.fixture(scope="module")
def before(ada, alerts):
    """Log in while the server works, and wait for the last alert, so that no work is left."""
    logins = log_in_every_way(ada)
    assert alerts(logins[KINDS[-1]])
    return logins


def assert_undisturbed(logins, before, held: float = 0.0) -> None:
    """Assert that they showed the same as before, and took no longer, except for `held` seconds."""
    for kind, login in logins.items():
        assert shown(login) == shown(before[kind]), kind
        assert login.errors == "", kind
        assert login.seconds < before[kind].seconds + held + SLACK_SECONDS, kind


def assert_each_reported_once(logins, alerts) -> None:
    """Assert that captured logins are not lost, however late they are reported."""
    messages = alerts(*logins.values())
    assert sorted(message.fields["From"] for message in messages) == sorted(login.source for login in logins.values())


@contextmanager
def damaged(host, command):
    """Damage the notifier with this command for the block."""
    files = f"{PROGRAM} {LIBRARY}"
    host.check_output(f"tar -cPf /root/notifier.tar {files}")
    try:
        host.check_output(command)
        yield
    finally:
        host.check_output(f"rm -rf {files} && tar -xPf /root/notifier.tar")


@pytest.mark.parametrize("damage", DAMAGE)
def test_logins_go_on(damage, host, ada, before, alerts, receiver):
    mark = receiver.last()
    with damaged(host, DAMAGE[damage]):
        logins = log_in_every_way(ada)
        assert_undisturbed(logins, before)
        receiver.settle()
        assert receiver.attempts(after=mark) == [], "the damage had no effect, so this proves nothing"
    assert len(alerts(ada.command(), seconds=REPAIRED_SECONDS)) == 1, "repaired, it reports again"
    if damage in KEPT:
        assert_each_reported_once(logins, alerts)


def test_a_hook_that_hangs_lets_the_login_go(host, ada, before, alerts):
    """Its alarm ends it, and the login continues."""
    with damaged(host, f"sed -i 's/^    parent = posix.getppid()/    time.sleep(3600)/' {PROGRAM}"):
        logins = log_in_every_way(ada)
        assert_undisturbed(logins, before, held=HOOK_SECONDS)
        assert min(login.seconds for login in logins.values()) > HOOK_SECONDS, "the hook did not hang"
    assert len(alerts(ada.command(), seconds=REPAIRED_SECONDS)) == 1, "repaired, it reports again"


def test_a_disk_that_hangs_holds_nobody_up(host, ada, before, alerts):
    """The hook forks before it touches the spool. Its fork writes the capture when the disk answers again."""
    with stalled_disk(host, LOCK):
        logins = log_in_every_way(ada)
        assert_undisturbed(logins, before)
        assert len(host.check_output(f"pgrep -f {PROGRAM}").split()) >= len(logins), "the disk did not hang"
    assert len(alerts(ada.command())) == 1, "the disk is back, so it reports again"
    assert_each_reported_once(logins, alerts)
