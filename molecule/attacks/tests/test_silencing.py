# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever an intruder ends, kills or delays at once, the login is reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from attacks.setup import usual_notifier, usual_notifier_in_sshrc

from tests.lab.logins import Login
from tests.lab.receiver.client import Message

CONTROL_TRIES = 5
testinfra_hosts = ["ansible://systemd"]

LOGIND = "/run/systemd/logind.conf.d/attacks.conf"
CUT_OFF = 255  # ssh's exit code if the connection breaks
STOPPED_SECONDS = 3.0
ALERT_SECONDS = 30.0


@pytest.fixture
def kill_user_processes(host):
    """Let logind end all processes of a user who logs out (logind.conf(5))."""
    settings = f"mkdir -p {LOGIND.rpartition('/')[0]} && printf '[Login]\\nKillUserProcesses=yes\\n' > {LOGIND}"
    host.check_output(f"{settings} && systemctl restart systemd-logind")
    yield
    host.check_output(f"rm {LOGIND} && systemctl restart systemd-logind")


@pytest.fixture
def silent(is_told_by_the_usual):
    """Return the table's cell for a login that the usual notifier does not report."""

    def silent_of(login: Login) -> str:
        return "" if is_told_by_the_usual(login) else "is silent"

    return silent_of


def test_a_session_that_terminates_itself(host, intruder, silent, verdict):
    command = "loginctl terminate-session $XDG_SESSION_ID; sleep 5"
    with usual_notifier(host):
        usual = silent(intruder.command(command, CUT_OFF))
    verdict("loginctl terminate-session at once", usual, "", [intruder.command(command, CUT_OFF)])


@pytest.mark.parametrize("way", ["command", "tunnel"])
def test_a_login_that_is_over_at_once(way, host, intruder, kill_user_processes, silent, verdict):
    def log_in() -> Login:
        return intruder.command("exit") if way == "command" else intruder.tunnel(seconds=0)

    # On a busy machine the usual notifier can be faster than the end of the session. One success shows the attack.
    with usual_notifier(host):
        usual = next(filter(None, (silent(log_in()) for _try in range(CONTROL_TRIES))), "")
    what = "`exit`" if way == "command" else "nothing asked for, gone"
    verdict(f"KillUserProcesses=yes, {what} at once", usual, "", [log_in()])


def test_a_login_that_kills_all_that_it_may(host, intruder, silent, verdict):
    with usual_notifier_in_sshrc(host):
        usual = silent(intruder.command("kill -9 -1", CUT_OFF))
    verdict("kill -9 of everything that it can signal", usual, "", [intruder.command("kill -9 -1", CUT_OFF)])


@pytest.fixture
def standing_still(host, intruder, receiver):
    """Have the intruder stop all processes that it can, also $PPID, the server of its own connection.

    standing_still(seconds) keeps them stopped until an alert arrives, or for this long. It returns the login and
    whether an alert arrived.
    """

    def is_of_the_login(message: Message) -> bool:
        # The usual notifier sends text alone. Our message about a login that we have missed quotes the user too.
        is_alert = message.fields.get("User") == intruder.user
        return is_alert or (not message.header and intruder.user in (message.text or ""))

    def stand_still(seconds: float) -> tuple[Login, bool]:
        mark = receiver.last()
        with ThreadPoolExecutor(1) as pool:
            login = pool.submit(intruder.command, "kill -STOP $PPID; kill -STOP -1", CUT_OFF)
            try:
                receiver.wait_for(is_of_the_login, after=mark, timeout=seconds)
                came = True
            except TimeoutError:
                came = False
            finally:
                host.check_output("pkill -KILL -u %s", intruder.user)
        return login.result(), came

    return stand_still


def test_a_login_that_stops_all_that_it_may(host, standing_still, silent, verdict):
    with usual_notifier_in_sshrc(host):
        login, came = standing_still(STOPPED_SECONDS)
        usual = silent(login)
    assert bool(usual) is not came
    login, came = standing_still(ALERT_SECONDS)
    verdict("kill -STOP of everything that it can signal, its sshd too", usual, "" if came else "waits", [login])


def test_a_login_that_has_a_start_file_of_its_own(host, intruder, silent, verdict):
    """sshd runs ~/.ssh/rc instead of /etc/ssh/sshrc."""
    host.check_output("runuser -u intruder -- sh -c 'echo : > ~/.ssh/rc'")
    try:
        with usual_notifier_in_sshrc(host):
            usual = silent(intruder.command())
        verdict("the user's own ~/.ssh/rc", usual, "", [intruder.command()])
    finally:
        host.check_output("rm /home/intruder/.ssh/rc")
