# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the JSON files of a deployed notifier: its configuration and its state."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
STATE = "/var/spool/ssh-login-notify/state"
AS_DEPLOYED = "/root/as-deployed.conf"

# Runs a script as root on a server.
Shell = Callable[[str], object]


def change(path: str, how: str) -> str:
    """Return the command that changes a JSON file on a server, and keeps its owner and mode.

    :param how: Python code, in which `found` is the content of the file
    """
    program = f"import json; file = open({path!r}, 'r+'); found = json.load(file); {how}"
    return f"python3 -c {shlex.quote(f'{program}; file.seek(0); file.truncate(); json.dump(found, file)')}"


@contextmanager
def configured(shell: Shell, **values: object) -> Iterator[Callable[..., None]]:
    """Change settings of the installed configuration during the block. Yields configure(**values), for more changes.

    The end of the block restores the configuration as it was deployed.
    """

    def configure(**values: object) -> None:
        shell(change(CONFIGURATION, f"found.update({values!r})"))

    shell(f"cp -p {CONFIGURATION} {AS_DEPLOYED}")
    try:
        configure(**values)
        yield configure
    finally:
        shell(f"mv {AS_DEPLOYED} {CONFIGURATION}")
