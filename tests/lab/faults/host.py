# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the host, of things that every process takes for granted."""

from __future__ import annotations

from .fault import KEPT, PROGRAM, SEEN, STACK, Fault, Written, of_file
from .notifier import CAPTURES

SSHD = "$(systemctl show -P MainPID ssh)"
NAMESPACE = "/etc/security/namespace"
MOTD = "/etc/update-motd.d/00-faults"
FAKE_TIME = "$(echo /usr/lib/*/faketime/libfaketime.so.1)"
HOUR = 3600  # seconds
IS_EARLIER = f"test $(date +%s) -lt $(cat {SEEN})"


def above(line: str) -> str:
    """Return a script that adds a line above the notifier's to the PAM stack."""
    return f"cp -a {STACK} {KEPT}; sed -i -e '0,/ssh-login-notify/{{/ssh-login-notify/i {line}' -e '}}' {STACK}"


def of_stack(name: str, breaks: str, shows: str, mends: str = "true", written: Written = Written.ALL) -> Fault:
    """Return a fault that the PAM stack causes, in each login only."""
    holds = f"test -e {KEPT} && ! cmp {STACK} {KEPT}"
    return Fault(name, breaks, holds, f"{mends}\nmv {KEPT} {STACK}", shows, written)


def of_namespace(name: str, script: str, shows: str, written: Written = Written.ALL, also: str = "true") -> Fault:
    """Return a fault of mounts that a script makes for the PAM stack and the login's processes (pam_namespace(8)).

    The mounts can't be in place earlier: sshd itself needs /dev/null, and nobody could repair a server without /proc
    from outside.
    """
    breaks = f"""
        cp -a {NAMESPACE}.conf {KEPT}-conf; cp -a {NAMESPACE}.init {KEPT}-init
        echo '/mnt tmpfs tmpfs root' > {NAMESPACE}.conf
        printf '#!/bin/sh\\n{script}\\n' > {NAMESPACE}.init
        {also}
        {above("session required pam_namespace.so mount_private")}
    """
    mends = f"mv {KEPT}-conf {NAMESPACE}.conf; mv {KEPT}-init {NAMESPACE}.init; rm -f {MOTD} {SEEN}"
    return of_stack(name, breaks, shows, mends, written)


def descriptors(limit: int) -> str:
    """Return a script that limits the file descriptors of the hook and its descendants."""
    return f"sed -i '1c #!/usr/bin/env -S prlimit --nofile={limit}:{limit} /usr/bin/python3 -ISB' {PROGRAM}"


HOST = [
    Fault(
        # sshd's listener and monitor, and sshd-auth before the session, with the hook in it: no room for its child.
        # Then pam_systemd moves the session elsewhere. pam_unix needs a fourth process to check the account.
        "no more processes in sshd's cgroup",
        breaks=f"""
            cp -a {STACK} {KEPT}
            sed -i 's/^@include common-account/account required pam_permit.so/' {STACK}
            systemctl set-property --runtime ssh.service TasksMax=3
        """,
        holds=f"test $(systemctl show -P TasksMax ssh) = 3 && {CAPTURES}",
        mends=f"systemctl set-property --runtime ssh.service TasksMax=infinity; mv {KEPT} {STACK}",
    ),
    Fault(
        # The kernel does not apply this limit to root, so it must not harm the hook. The user's own limit is set later.
        "RLIMIT_NPROC of 1 for sshd",
        breaks=f"""
            echo 'deploy soft nproc 4096' > /etc/security/limits.d/faults.conf
            prlimit --pid {SSHD} --nproc --output HARD --noheadings > {SEEN}
            prlimit --pid {SSHD} --nproc=1:
        """,
        holds=f"test $(prlimit --pid {SSHD} --nproc --output SOFT --noheadings) = 1",
        mends=f"prlimit --pid {SSHD} --nproc=$(cat {SEEN}):; rm {SEEN} /etc/security/limits.d/faults.conf",
    ),
    of_file("no file descriptors", PROGRAM, descriptors(3), f"! {PROGRAM} --version", Written.NONE),
    of_file("two file descriptors", PROGRAM, descriptors(5), f"grep -q nofile=5 {PROGRAM}"),
    of_namespace(
        # pam_exec needs it for the hook, and fails without it. Programs of sessions need it too, so they get it back.
        "/dev/null missing", "mount -t tmpfs tmpfs /dev", f"test -e {SEEN}", Written.NONE,
        f"printf '#!/bin/sh\\ntest -e /dev/null || : > {SEEN}\\numount /dev\\n' > {MOTD}; chmod +x {MOTD}",
    ),
    of_namespace("/proc not mounted", "mount -t tmpfs tmpfs /proc", "test ! -e /proc/self"),
    Fault(
        "/proc with hidepid=2",
        breaks="mount -o remount,hidepid=2 /proc",
        holds="runuser -u deploy -- test ! -e /proc/1",
        mends="mount -o remount,hidepid=0 /proc",
        shows="test ! -e /proc/1",
    ),
    Fault(
        "clock jumps back an hour",
        breaks=f"date +%s > {SEEN}; echo -{HOUR}s > /etc/faketimerc; echo {FAKE_TIME} > /etc/ld.so.preload",
        holds=IS_EARLIER,
        mends=f"rm /etc/ld.so.preload /etc/faketimerc {SEEN}",
        shows=IS_EARLIER,
        clock=-HOUR,
    ),
    of_stack(
        "64 KiB of PAM environment",
        f"""
            for n in $(seq 66); do printf 'FAULT_%d=%01000d\\n' $n 0; done > /etc/faults-environment
            {above("session required pam_env.so envfile=/etc/faults-environment")}
        """,
        "test $(env | wc -c) -gt 65536",
        "rm /etc/faults-environment",
    ),
    Fault(
        "system user missing",
        breaks=f"""
            mkdir {KEPT}; cp -a /etc/passwd /etc/group {KEPT}
            sed -i /^ssh-login-notify:/d /etc/passwd /etc/group
        """,
        holds="! getent passwd ssh-login-notify",
        mends=f"mv {KEPT}/passwd {KEPT}/group /etc; rmdir {KEPT}",
        without_systemd=True,
    ),
    Fault(
        "syslog socket missing",
        breaks="mv /dev/log /dev/log-elsewhere",
        holds="test ! -e /dev/log",
        mends="mv /dev/log-elsewhere /dev/log",
    ),
]  # fmt: skip
