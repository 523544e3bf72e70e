# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a program calls itself, the alert says at least that a command was run (docs/types.md, the rule)."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

import pytest
from attacks.setup import usual_notifier

from tests.lab.logins import Login

# Only the command line matters, and the unit tests parse these lines on each Python.
testinfra_hosts = ["ansible://debian12-attacks"]

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
# Each ends by itself, late enough for the notifiers to see it.
PROGRAM = "sleep 0.7"
GUISES = {
    "exec -a sftp-server": f"exec -a {SFTP_SERVER} {PROGRAM}",
    "a shell named sftp-server": f"ln -sf /bin/bash sftp-server; exec ./sftp-server -c '{PROGRAM}; :'",
    "a title like sshd's own SFTP server": f"exec -a 'sshd: intruder@internal-sftp' {PROGRAM}",
    "a title like another's session": f"exec -a 'sshd: root@pts/0 sftp-server' {PROGRAM}",
    "a program that renames itself": f"exec perl -e '$0 = \"{SFTP_SERVER}\"; select(undef, undef, undef, 0.7)'",
    "exec -a rsync --server": f"exec -a rsync bash -c '{PROGRAM}; :' --server",
    "rsync --server, and then a program": f"rsync --server . . < <({PROGRAM}) 2> /dev/null; true",
    "sftp-server in the background": f"{SFTP_SERVER} < /dev/null & {PROGRAM}",
    "a program below git-upload-pack's name": "ln -sf /bin/sleep git-upload-pack; PATH=. exec git-upload-pack 0.7",
}

# Lines of which a parser that is no shell sees less than the user's shell, or other words.
LONG = 70_000 * "a"  # longer than the notifier reads
GIT_CONFIGURATION = f'[man]\nviewer = own\n[man "own"]\ncmd = "{PROGRAM}; :"\n'
MISREAD = {
    "rsync --server, a long path, and a program": f"rsync --server . {LONG}; {PROGRAM}; :",
    "git-upload-pack, a long path, and a program": f"git-upload-pack {LONG}; {PROGRAM}; :",
    "a program in a directory with vertical tabs": "rsync\v--server\v./run",
    "a program in a directory with form feeds": "git-upload-pack\fx/run",
    "git-upload-pack, a joined line, and --help": "git-upload-pack \\\n--help",
}


def less(type_: str) -> str:
    """Return the type that the notifier reported, if it is less than the truth."""
    return "" if type_.startswith("SSH") else f"says {type_}"


@pytest.fixture
def usual_type(host, receiver):
    """Return the type that the usual notifier reports for a login: usual_type(log_in)."""
    mark = receiver.last()

    def type_of(log_in: Callable[[], Login]) -> str:
        with usual_notifier(host):
            log_in()
        (message,) = receiver.wait_for(lambda message: "login: intruder" in message.text, after=mark)
        return message.text.partition(" ")[0]

    return type_of


@pytest.mark.parametrize("guise", GUISES)
def test_a_command_in_the_guise_of_a_transfer(guise, intruder, usual_type, verdict):
    log_in = partial(intruder.command, GUISES[guise])
    verdict(guise, less(usual_type(log_in)), lambda messages: less(messages[0].fields["Type"]), [log_in()])


@pytest.mark.parametrize("guise", MISREAD)
def test_a_command_line_that_only_a_shell_reads_right(guise, intruder, usual_type, verdict):
    run = shlex.quote(f"#!/bin/sh\n{PROGRAM}\n")
    for directory in ("rsync\v--server\v.", "git-upload-pack\fx"):
        place = shlex.quote(directory)
        intruder.command(f"mkdir -p {place}; printf %s {run} > {place}/run; chmod 755 {place}/run")
    intruder.command(f"printf %s {shlex.quote(GIT_CONFIGURATION)} > .gitconfig")
    log_in = partial(intruder.command, MISREAD[guise])
    verdict(guise, less(usual_type(log_in)), lambda messages: less(messages[0].fields["Type"]), [log_in()])


@pytest.mark.parametrize("line", [None, "rsync --server -\\\n-daemon --config=rsyncd.conf ."], ids=["plain", "joined"])
def test_a_daemon_of_rsync_runs_what_the_intruder_has_configured(line, host, intruder, usual_type, verdict):
    """By `rsync -e ssh file host::module`, for which rsync's server reads ~/rsyncd.conf (rsyncd.conf(5))."""
    configuration = f"[ran]\npath = .\nread only = no\nuse chroot = no\npre-xfer exec = {PROGRAM}; touch ran\n"
    intruder.command(f"rm -f ran; printf %s {shlex.quote(configuration)} > rsyncd.conf")
    log_in = partial(intruder.rsync_module, "ran", line)
    usual = less(usual_type(log_in))
    login = log_in()
    assert host.file("/home/intruder/ran").exists
    attack = "rsync's daemon" if line is None else "rsync's daemon by a joined line"
    verdict(attack, usual, lambda messages: less(messages[0].fields["Type"]), [login])
