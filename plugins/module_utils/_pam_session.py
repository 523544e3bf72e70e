# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a test alert along the whole path of a login: opens a PAM session with the installed line, awaits delivery."""

import contextlib
import random
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import _libpam, pam_stack
from ansible_collections.loginwatch.pam.plugins.module_utils._notifier import (
    NoAnswerError,
    Notifier,
    Outcome,
    outcome_of_login,
    outcome_of_timeout,
)

SENDER_UNIT = "ssh-login-notify.service"
TEST_SERVICE = "ssh-login-notify-test"
TEST_USER = "loginwatch-test"
# From 192.0.2.0/24, which RFC 5737 reserves for documentation: no real login comes from there.
FROM_ADDRESS = "192.0.2.1"
TO_ADDRESS = "192.0.2.2"
# Pauses between two calls of the notifier. The first is short, because most alerts are delivered at once. The later
# ones are longer, because each call starts a Python and competes with the delivery.
FIRST_PAUSE_SECONDS = 0.25
LAST_PAUSE_SECONDS = 1.0
# A host that is slow to answer is also slow to deliver. It gets this many times the duration of an answer, if that is
# more than the timeout: three seconds on an ordinary host, three minutes on an emulated processor.
SLOW_HOST_ANSWERS = 15


class PamSession:
    """A session of a temporary PAM service that contains only the line of an installed service."""

    def __init__(self, module: AnsibleModule, notifier: Notifier, service: str, pam_d: str) -> None:
        self._module = module
        self._notifier = notifier
        self._pam_d = Path(pam_d)
        self._service = service

    def send_test_alert(self, timeout: float) -> Outcome:
        """Open the session, and wait for its alert. Raises NoAnswerError and OSError."""
        skip_retry_pause(self._module)
        line = installed_line(self._pam_d / self._service, self._notifier.program)
        port = random.SystemRandom().randint(1024, 65535)
        started = time.monotonic()
        try:
            self._open(line, port, timeout)
        except _libpam.PamError as error:
            # If the notifier itself does not answer, its error is more helpful than PAM's.
            self._notifier.status()
            raise NoAnswerError(
                f"The PAM session could not be opened ({error}): PAM could not run the program with the line '{line}'."
                f" Check that {self._notifier.program} exists, is executable, and exits with 0."
            ) from None
        outcome = self._wait(f"{FROM_ADDRESS} port {port}", started, started + timeout)
        return self._notifier.try_the_others(outcome, timeout) if outcome.delivered else outcome

    def _open(self, line: str, port: int, timeout: float) -> None:
        path = self._pam_d / TEST_SERVICE
        try:
            write_service(self._module, path, line)
            _libpam.open_session_in_child(
                timeout,
                service=TEST_SERVICE,
                user=TEST_USER,
                items={_libpam.PAM_TTY: "ssh", _libpam.PAM_RHOST: FROM_ADDRESS},
                environment={"SSH_CONNECTION": f"{FROM_ADDRESS} {port} {TO_ADDRESS} 22"},
                confdir=None if self._pam_d == Path("/etc/pam.d") else str(self._pam_d),
            )
        finally:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _wait(self, origin: str, started: float, deadline: float) -> Outcome:
        """Read the notifier's status until the outcome is known or the deadline has passed. A slow host gets more time.

        started, deadline: times of time.monotonic()
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            time.sleep(pause)
            pause = min(1.5 * pause, LAST_PAUSE_SECONDS)
            asked = time.monotonic()
            status = self._notifier.status()
            now = time.monotonic()
            deadline = max(deadline, started + SLOW_HOST_ANSWERS * (now - asked))
            seconds, is_over = round(now - started, 3), now >= deadline
            outcome = outcome_of_login(status, origin, seconds, is_over)
            if outcome is None and is_over:
                outcome = outcome_of_timeout(status, self._notifier.program, seconds)
            if outcome is not None:
                return outcome


def installed_line(path: Path, program: str) -> str:
    """Return the line of a PAM file that runs the program. Raises NoAnswerError if there is none."""
    try:
        line = pam_stack.find(pam_stack.decode(path.read_bytes()), program)
    except (OSError, pam_stack.PamStackError) as error:
        raise NoAnswerError(f"{path} cannot be read: {error}") from None
    if line is None:
        raise NoAnswerError(
            f"No line in the session part of {path} runs {program}."
            " Add it with the role loginwatch.pam.ssh_login_notify or with loginwatch.pam.pam_exec_line."
        )
    return line


def write_service(module: AnsibleModule, path: Path, line: str) -> None:
    """Write a PAM service with one line."""
    with tempfile.NamedTemporaryFile(dir=module.tmpdir, delete=False) as file:
        module.add_cleanup_file(file.name)
        file.write(pam_stack.encode(line + "\n"))
    # The path is never opened, because it may be a link to an important file.
    module.atomic_move(file.name, str(path))


def skip_retry_pause(module: AnsibleModule) -> None:
    """End systemd's pause of up to a minute after a failed run of the sender. The cause may have been fixed by now."""
    systemctl = module.get_bin_path("systemctl")
    show = [systemctl, "show", "--property=SubState", SENDER_UNIT]
    if systemctl and "auto-restart" in module.run_command(show)[1]:
        module.run_command([systemctl, "stop", SENDER_UNIT])
