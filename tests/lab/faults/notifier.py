# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of what the role installs: the program, its package, its configuration."""

from __future__ import annotations

from ..settings import CONFIGURATION, change
from .fault import LIBRARY, PROGRAM, SPOOL, Fault, Written, of_file

# Each of these faults breaks `--version`, which needs the package too.
DOES_NOT_RUN = f"! {PROGRAM} --version"
# At least two captures, because they stay where they are.
CAPTURES = f"test $(ls {SPOOL}/incoming | wc -l) -ge 2"
NOTHING_WRITTEN = f'test -z "$(find {SPOOL}/incoming {SPOOL}/outgoing -type f)"'


def of_program(name: str, damage: str) -> Fault:
    """Return a fault with which the hook can't run."""
    return of_file(name, PROGRAM, damage, f"{DOES_NOT_RUN} && {NOTHING_WRITTEN}", Written.NONE)


def of_package(name: str, damage: str) -> Fault:
    """Return a fault with which the hook runs and writes captures, but nothing can make alerts of them."""
    # A module that was removed can still have a compiled copy, which must not count.
    return of_file(name, LIBRARY, f"cd {LIBRARY}\nrm -r __pycache__\n{damage}", f"{DOES_NOT_RUN} && {CAPTURES}")


def of_configuration(name: str, damage: str, code: int = 2) -> Fault:
    """Return a fault of the configuration, for which `ssh-login-notify test` ends with this exit code."""
    return of_file(name, CONFIGURATION, damage, f"{PROGRAM} test; test $? -eq {code}")


def changed(setting: str) -> str:
    """Return a script that sets a value in the configuration, given as Python."""
    return change(CONFIGURATION, f"found.update({setting})")


NOTIFIER = [
    of_program("script missing", f"rm {PROGRAM}"),
    of_program("script chmod 000", f"chmod 000 {PROGRAM}"),
    of_program("a directory in the script's place", f"rm {PROGRAM}; mkdir {PROGRAM}"),
    of_program("syntax error in the script", f"sed -i '2i def (' {PROGRAM}"),
    of_program("interpreter missing", f"sed -i '1c #!/nonexistent/python3' {PROGRAM}"),
    of_package("package missing", f"rm -r {LIBRARY}"),
    # Cut off in the middle of a file: once in the order of names, once in the opposite order.
    of_package("package half copied", "truncate -s 1000 connection.py; rm [l-z]*.py"),
    of_package("package half copied, its other half", "truncate -s 1000 authinfo.py; rm __init__.py alert.py"),
    of_configuration("configuration missing", f"rm {CONFIGURATION}"),
    of_configuration("configuration empty", f"truncate -s 0 {CONFIGURATION}"),
    of_configuration("configuration not JSON", f"echo not-json > {CONFIGURATION}"),
    of_configuration("configuration of wrong types", changed("host_label=5, people=[]")),
    of_configuration("configuration owned by a user", f"chown deploy {CONFIGURATION}"),
    # A secret that others can read is no longer secret, but to stay silent about logins would help nobody.
    of_file(
        "configuration 0644", CONFIGURATION, f"chmod 644 {CONFIGURATION}",
        f"test $(stat -c %a {CONFIGURATION}) = 644 && {PROGRAM} test && ! {PROGRAM} status",
    ),
]  # fmt: skip
