# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates the system account that a program runs as."""

import grp
import pwd
from typing import Any, Dict

from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError


def user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def create_account(changes: Changes, wanted: Dict[str, Any]) -> None:
    """Create the account, and a group of the same name, with useradd(8). An existing account is left unchanged."""
    name = wanted["name"]
    if user_exists(name):
        return
    changes.add(f"account {name}", "absent\n", f"system account, shell {wanted['shell']}\n")
    useradd = changes.module.get_bin_path("useradd")
    if not useradd:
        raise InstalledFilesError(
            f"The account {name} cannot be created because useradd is missing."
            " Install its package: passwd on Debian and Ubuntu, shadow-utils on Red Hat."
        )
    if changes.check_mode:
        return
    group = ["--gid", name] if group_exists(name) else ["--user-group"]
    home = ["--home-dir", "/nonexistent", "--no-create-home"]
    command = [useradd, "--system", *group, *home, "--shell", wanted["shell"], "--comment", wanted["comment"], name]
    code, _out, err = changes.module.run_command(command)
    if code != 0:
        raise InstalledFilesError(f"The account {name} could not be created: {' '.join(err.split())}")
