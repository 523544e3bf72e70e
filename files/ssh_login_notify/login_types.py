# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of login that an alert can have (docs/types.md), and how serious each one is."""

INTERACTIVE = "SSH (interactive)"
COMMAND = "SSH (command)"
# scp has used SFTP since OpenSSH 9.0, and nothing on the server distinguishes the two.
SFTP_OR_SCP = "SFTP or SCP"
SCP = "SCP"
RSYNC = "rsync"
GIT = "git"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"
# A session of a PAM service other than sshd: login, su, cockpit.
PAM_SESSION = "PAM session"
# Sessions that ended before more could be seen.
COMMAND_OVER = "SSH (command, over at once)"
SOMETHING_OVER = "SSH (command or transfer, over at once)"
TERMINAL_OVER = "SSH (with a terminal, over at once)"
# Types that leave open which of several the login was.
UNCERTAIN = (UNKNOWN, SOMETHING_OVER, TERMINAL_OVER)
TRANSFERS = (SFTP_OR_SCP, SCP, RSYNC, GIT)


def seriousness(login_type: str) -> int:
    """Return how serious a type is, as a number. If a connection shows several types, the highest number counts."""
    if login_type in (UNKNOWN, TUNNEL):
        return (UNKNOWN, TUNNEL).index(login_type)
    if login_type in TRANSFERS:
        return 2
    if login_type == SOMETHING_OVER:
        return 3
    return 5 if login_type == INTERACTIVE else 4


def plain(login_type: str) -> str:
    """Return a type without the name of the program that it may contain."""
    return COMMAND if login_type.startswith("SSH (command: ") else login_type
