# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody is locked out, held up or shown anything, whatever has become of the notifier; mended, it reports again."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from tests.lab.stall import stalled_disk

testinfra_hosts = ["ansible://servers"]

PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
# Each login's alert passes it: its process sees there whether an observer is at work.
LOCK = "/var/spool/ssh-login-notify/observer.lock"
DAMAGE = {
    "no permissions": f"chmod 000 {PROGRAM}",
    "no program": f"rm {PROGRAM}",
    "a syntax error": f"sed -i '2i def (' {PROGRAM}",
    "no such Python": f"sed -i '1c #!/nonexistent/python3' {PROGRAM}",
    "an empty program": f"truncate -s 0 {PROGRAM}",
    "no package": f"rm -r {LIBRARY}",
}
# With these the hook has still written the login down, and the alert comes when the notifier is mended.
KEPT = ("no package",)

KINDS = ("interactive", "command", "scp", "sftp")
# The hook's own limit (DEADLINE_SECONDS in files/ssh-login-notify).
HOOK_SECONDS = 2.0
# How much longer than before a login may take: a busy machine is unsteady, but waiting for ever has to be noticed.
SLACK_SECONDS = 3.0
# When the timer has started the sender in the middle of the damage, systemd repeats that run after 58 s, and holds back
# every other until then (RestartSec= in ssh-login-notify.service).
REPAIRED_SECONDS = 75.0


def log_in_every_way(person) -> dict:
    """A login of each kind."""
    return {kind: getattr(person, kind)() for kind in KINDS}


def shown(login) -> str:
    """What the client showed, without the line that tells of the login before."""
    return re.sub(r"Last login:[^\n]*\n", "", login.output)


@pytest.fixture(scope="module")
def before(ada, alerts):
    """The logins of a server in order; the last of them is awaited, so that nothing is left to do there."""
    logins = log_in_every_way(ada)
    assert alerts(logins[KINDS[-1]])
    return logins


def assert_undisturbed(logins, before, held: float = 0.0) -> None:
    """They showed what they did before, and took no longer, but for `held` seconds."""
    for kind, login in logins.items():
        assert shown(login) == shown(before[kind]), kind
        assert login.errors == "", kind
        assert login.seconds < before[kind].seconds + held + SLACK_SECONDS, kind


def assert_each_reported_once(logins, alerts) -> None:
    """What the hook has written down is not lost, however late it is reported."""
    messages = alerts(*logins.values())
    assert sorted(message.fields["From"] for message in messages) == sorted(login.source for login in logins.values())


@contextmanager
def damaged(host, command):
    """The notifier after this command; put back afterwards."""
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
        assert receiver.attempts(after=mark) == [], "the damage did no harm, so nothing was shown here"
    assert len(alerts(ada.command(), seconds=REPAIRED_SECONDS)) == 1, "repaired, it reports again"
    if damage in KEPT:
        assert_each_reported_once(logins, alerts)


def test_a_hook_that_hangs_lets_the_login_go(host, ada, before, alerts):
    """Its alarm ends it, and the login goes on."""
    with damaged(host, f"sed -i 's/^    parent = posix.getppid()/    time.sleep(3600)/' {PROGRAM}"):
        logins = log_in_every_way(ada)
        assert_undisturbed(logins, before, held=HOOK_SECONDS)
        assert min(login.seconds for login in logins.values()) > HOOK_SECONDS, "the hook did not hang"
    assert len(alerts(ada.command(), seconds=REPAIRED_SECONDS)) == 1, "repaired, it reports again"


def test_a_disk_that_hangs_holds_nobody_up(host, ada, before, alerts):
    """The hook has forked before it touches the spool. What it knows is written down when the disk answers again."""
    with stalled_disk(host, LOCK):
        logins = log_in_every_way(ada)
        assert_undisturbed(logins, before)
        assert len(host.check_output(f"pgrep -f {PROGRAM}").split()) >= len(logins), "the disk did not hang"
    assert len(alerts(ada.command())) == 1, "the disk is back, so it reports again"
    assert_each_reported_once(logins, alerts)
