# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pause the watch against tampering. It looks twice a minute, and would report changes that a test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

TIMER = "ssh-login-notify-tamper.timer"
DROP_IN = f"/run/systemd/system/{TIMER}.d"
# The timer stays active, because a stopped timer is reported.
NEVER = "[Timer]\\nOnCalendar=\\nOnCalendar=*-02-29\\n"
RELOAD = f"systemctl daemon-reload; systemctl restart {TIMER}; systemctl stop {TIMER.replace('.timer', '.service')}"
IS_SYSTEMD = "test -d /run/systemd/system"
PAUSE = f"if {IS_SYSTEMD}; then mkdir -p {DROP_IN}; printf '{NEVER}' > {DROP_IN}/never.conf; {RELOAD}; "
PAUSE += "else pkill -STOP -x cron || true; fi"
RESUME = f"if {IS_SYSTEMD}; then rm -r {DROP_IN}; {RELOAD}; else pkill -CONT -x cron || true; fi"


@contextmanager
def nobody_looks_by_the_clock(shell: Callable[[str], object]) -> Iterator[None]:
    """During the block the watch runs only if a test starts it. Without systemd, cron starts nothing.

    shell: runs a command as root on the server
    """
    shell(PAUSE)
    try:
        yield
    finally:
        shell(RESUME)
