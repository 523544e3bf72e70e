# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of what the role installs: the program, the package behind it, the configuration."""

from __future__ import annotations

from ..settings import CONFIGURATION, change
from .fault import LIBRARY, PROGRAM, SPOOL, Fault, Written, of_file

# None of them lets the program say its version, which takes the package too.
DOES_NOT_RUN = f"! {PROGRAM} --version"
# More than one at a time: they are left lying there.
CAPTURES = f"test $(ls {SPOOL}/incoming | wc -l) -ge 2"
NOTHING_WRITTEN = f'test -z "$(find {SPOOL}/incoming {SPOOL}/outgoing -type f)"'


def of_program(name: str, damage: str) -> Fault:
    """The hook itself can't run."""
    return of_file(name, PROGRAM, damage, f"{DOES_NOT_RUN} && {NOTHING_WRITTEN}", Written.NONE)


def of_package(name: str, damage: str) -> Fault:
    """The hook runs, and writes down what it knows; nobody can make an alert of it."""
    # A module that is gone may still be there compiled, and is not to count.
    return of_file(name, LIBRARY, f"cd {LIBRARY}\nrm -r __pycache__\n{damage}", f"{DOES_NOT_RUN} && {CAPTURES}")


def of_configuration(name: str, damage: str, code: int = 2) -> Fault:
    """The sender does not accept it. By the exit code, `ssh-login-notify test` says so."""
    return of_file(name, CONFIGURATION, damage, f"{PROGRAM} test; test $? -eq {code}")


def changed(setting: str) -> str:
    """Set a value in the configuration, as Python."""
    return change(CONFIGURATION, f"found.update({setting})")


NOTIFIER = [
    of_program("script missing", f"rm {PROGRAM}"),
    of_program("script chmod 000", f"chmod 000 {PROGRAM}"),
    of_program("a directory in the script's place", f"rm {PROGRAM}; mkdir {PROGRAM}"),
    of_program("syntax error in the script", f"sed -i '2i def (' {PROGRAM}"),
    of_program("interpreter missing", f"sed -i '1c #!/nonexistent/python3' {PROGRAM}"),
    of_package("package missing", f"rm -r {LIBRARY}"),
    # Cut off in the middle of a file, in the order of names, and in the opposite order.
    of_package("package half copied", "truncate -s 1000 connection.py; rm [l-z]*.py"),
    of_package("package half copied, its other half", "truncate -s 1000 authinfo.py; rm __init__.py alert.py"),
    of_configuration("configuration missing", f"rm {CONFIGURATION}"),
    of_configuration("configuration empty", f"truncate -s 0 {CONFIGURATION}"),
    of_configuration("configuration not JSON", f"echo not-json > {CONFIGURATION}"),
    of_configuration("configuration of wrong types", changed("host_label=5, people=[]")),
    of_configuration("configuration owned by a user", f"chown deploy {CONFIGURATION}"),
    # A secret that others may have read is a secret no more; not to tell of logins would help nobody.
    of_file(
        "configuration 0644", CONFIGURATION, f"chmod 644 {CONFIGURATION}",
        f"test $(stat -c %a {CONFIGURATION}) = 644 && {PROGRAM} test && ! {PROGRAM} status",
    ),
]  # fmt: skip
