# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two targets of the attacks: our notifier, as the role installs it, and a usual one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

STACK = "/etc/pam.d/sshd"
KEPT = "/root/kept-stack"
USUAL = "/usr/local/bin/usual-notifier"
# As in many blogs: appended to the file, for opening and closing, with whatever environment there is at that point.
USUAL_LINE = f"session optional pam_exec.so seteuid {USUAL}"
# The title of a process of sshd that serves somebody: "sshd: deploy [priv]", "sshd-session: deploy@pts/0".
SESSION = "[s]shd(-session)?: [a-z0-9_-]+( [[]priv]|@)"


def as_service(host, script: str):
    """Run a script as the service user, in the spool."""
    return host.run("cd /var/spool/ssh-login-notify && runuser -u ssh-login-notify -- sh -c %s", script)


@contextmanager
def usual_notifier(host) -> Iterator[None]:
    """During the block the PAM stack runs the usual notifier, and not ours."""
    with _last_line(host, f"echo '{USUAL_LINE}'"):
        yield


@contextmanager
def usual_notifier_in_sshrc(host) -> Iterator[None]:
    """During the block sshd runs the usual notifier from /etc/ssh/sshrc (sshd(8)), as the user who logs in."""
    who = "PAM_TYPE=open_session PAM_USER=$USER PAM_RHOST=${SSH_CONNECTION%% *}"
    host.check_output("echo %s > /etc/ssh/sshrc", f"{who} {USUAL} > /dev/null 2>&1")
    try:
        with _last_line(host, "true"):
            yield
    finally:
        host.check_output("rm /etc/ssh/sshrc")


@contextmanager
def line_at_the_end(host) -> Iterator[None]:
    """During the block our own line is where the usual one is: below the line that reads the user's environment."""
    with _last_line(host, f"grep ssh-login-notify {KEPT}"):
        yield


@contextmanager
def _last_line(host, command: str) -> Iterator[None]:
    """During the block our line is gone, and this command's output is at the end of the stack."""
    host.check_output(f"cp -a {STACK} {KEPT} && sed -i /ssh-login-notify/d {STACK} && {command} >> {STACK}")
    try:
        yield
    finally:
        host.check_output(f"cp -a {KEPT} {STACK}")
        # Wait until what it started has ended, before anything else is checked. sshd runs the stack once more when the
        # client is gone, so its processes count, too.
        over = f"timeout 5 sh -c 'while pgrep -f \"{SESSION}|[u]sual-notifier\"; do sleep 0.05; done'"
        host.run(f"{over} || pkill -KILL -f [u]sual-notifier")
