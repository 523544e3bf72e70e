# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on the server, and the sentences that report them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
STATE = "/var/spool/ssh-login-notify/state"
PAM = "/etc/pam.d/sshd"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
FILES = f"{PAM} {CONFIGURATION} {PROGRAM} {LIBRARY}"
# How to remove the line, and the sentence that reports it.
LINE_GONE = (f"sed -i /pam_exec/d {PAM}", f"the PAM line in {PAM} is gone")


@contextmanager
def broken(host, fault: tuple[str, str]) -> Iterator[str]:
    """Cause a fault during the block. A fault is a command and the sentence that reports it, which is yielded."""
    command, sentence = fault
    host.check_output(f"tar -cPf /root/installed.tar {FILES}")
    try:
        host.check_output(command)
        yield sentence
    finally:
        host.check_output("tar -xPf /root/installed.tar && rm /root/installed.tar")


def look(host) -> None:
    """Run the sender as the timer or cron does, some minutes after the installation and the last look."""
    for path in (f"{LIBRARY}/manifest.json", CONFIGURATION, f"{STATE}/watch.json"):
        host.check_output(f"test ! -e {path} || touch -d '-10min' {path}")
    if host.file("/run/systemd/system").exists:
        host.check_output("systemctl start --wait ssh-login-notify.service")
    else:
        host.check_output(f"{PROGRAM} send")


def status(host) -> tuple[int, str, dict]:
    """Return the exit code of `status`, its text and its JSON."""
    person, machine = host.run(f"{PROGRAM} status"), host.run(f"{PROGRAM} status --json")
    assert person.rc == machine.rc
    return person.rc, person.stdout, json.loads(machine.stdout)
