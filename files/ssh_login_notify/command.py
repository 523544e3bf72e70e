# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a command. systemd and cron start two of the commands often, so these load only what they need."""

import posix

from .handover import is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

# The file that systemd's path unit watches, besides the one in the spool.
OVERFLOW_WAKE = "/run/ssh-login-notify/wake"


def run(arguments: "List[str]", spool: str) -> int:
    """Run a command and return its exit code.

    spool: the spool's path.
    """
    if arguments == ["follow"]:  # it keeps what it has loaded in memory while a connection is open
        from . import follower

        return follower.main()
    if arguments == ["tamper-check"]:  # twice a minute
        from . import tamper

        return tamper.main()
    if arguments == ["send"] and is_sent_by_another(spool):
        return 0
    from . import cli

    return cli.main(arguments)


def is_sent_by_another(spool: str) -> bool:
    """Return whether another sender is running, and remove the file that started this one: the other looks once more.

    So a sender that is not needed does not load the whole program.
    """
    try:
        if not is_held(spool, "sender.lock", keep_open=True):
            return False
        for sign in (spool + "/state/wake", OVERFLOW_WAKE):
            try:
                posix.unlink(sign)
            except FileNotFoundError:
                pass  # the other sender has removed it, or cron has started this one
    except OSError:
        return False  # not root, no spool, or a read-only disk: the command line knows what to do
    return True
