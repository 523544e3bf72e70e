# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two notifiers that are attacked: ours, as the role installs it, and a usual one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

STACK = "/etc/pam.d/sshd"
KEPT = "/root/kept-stack"
USUAL = "/usr/local/bin/usual-notifier"
# As many a blog has it: appended to the file, for opening and closing, with whatever environment there is by then.
USUAL_LINE = f"session optional pam_exec.so seteuid {USUAL}"


@contextmanager
def usual_notifier(host) -> Iterator[None]:
    """Inside the block the usual notifier is told of logins, and ours is not."""
    with _last_line(host, f"echo '{USUAL_LINE}'"):
        yield


@contextmanager
def usual_notifier_in_sshrc(host) -> Iterator[None]:
    """Inside the block sshd starts the usual notifier by /etc/ssh/sshrc (sshd(8)), in the name of who logs in."""
    who = "PAM_TYPE=open_session PAM_USER=$USER PAM_RHOST=${SSH_CONNECTION%% *}"
    host.check_output("echo %s > /etc/ssh/sshrc", f"{who} {USUAL} > /dev/null 2>&1")
    try:
        with _last_line(host, "true"):
            yield
    finally:
        host.check_output("rm /etc/ssh/sshrc")


@contextmanager
def line_at_the_end(host) -> Iterator[None]:
    """Inside the block our own line stands where the usual one does: below what reads the user's environment."""
    with _last_line(host, f"grep ssh-login-notify {KEPT}"):
        yield


@contextmanager
def _last_line(host, command: str) -> Iterator[None]:
    """Without our line in its place, and with what this command prints at the end of the stack."""
    host.check_output(f"cp -a {STACK} {KEPT} && sed -i /ssh-login-notify/d {STACK} && {command} >> {STACK}")
    try:
        yield
    finally:
        host.check_output(f"cp -a {KEPT} {STACK}")
        # What it has left running, and what that runs, is over before anything else is looked at.
        over = "timeout 3 sh -c 'while pgrep -f [u]sual-notifier; do sleep 0.05; done'"
        host.run(f"{over} || pkill -KILL -f [u]sual-notifier")
