#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: set_aside
short_description: Set the files of an earlier login notifier aside, once no login needs them any more
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Moves files into a directory of root's, each under its full path. To bring all back, copy the files alone, as in the
    role's README. The directories in there are for root only, and a copy of them would make C(/) and C(/usr) so.
  - A login keeps to the PAM lines that were there when it began, until its session opens. So this first waits for those
    that were under way when it was called, and for the commands themselves, and only then moves what they use.
  - Takes the jobs that run the commands out of cron's tables as well. The table as it was is set aside.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Waits for nothing, and tells what would be moved.
  diff_mode:
    support: none
    details:
      - The files may hold secrets.
  idempotent:
    description: Where there is nothing to set aside it does not wait, and changes nothing.
    support: full
  platform:
    platforms: linux
options:
  files:
    description:
      - Files to set aside, as absolute paths. Those that are not there are none of its business.
      - A symbolic link is moved as such; the file that it leads to stays.
    type: list
    elements: path
    default: []
  commands:
    description:
      - Commands whose processes are waited for, and whose jobs are taken out of cron's tables.
      - Each is compared word by word. A path alone is enough for a script; give the interpreter as well where it is
        written in front, such as C(/bin/sh /etc/ssh/notify.sh).
    type: list
    elements: str
    default: []
  directory:
    description:
      - Where to. It is made, with mode C(0700). What an earlier call has put there is never overwritten.
    type: path
    default: /root/ssh-login-notify-adopted
  seconds:
    description:
      - How long to wait at most. sshd gives a login C(LoginGraceTime), 120 seconds unless it is set.
      - When that time is over, the files are moved all the same, with a warning.
    type: int
    default: 150
  cron_tables:
    description:
      - The tables, and directories of tables, in which to look for jobs.
    type: list
    elements: path
    default: [/etc/crontab, /etc/cron.d, /var/spool/cron/crontabs, /var/spool/cron]
seealso:
  - module: loginwatch.pam.pam_exec_line
    description: Takes the line of an earlier notifier out in the same step that puts the new one in.
"""

EXAMPLES = r"""
- name: Replace the line of a script that was set up by hand
  loginwatch.pam.pam_exec_line:
    replaces: [/usr/local/sbin/login-alert.sh]

- name: Set the script aside, and the job that tests it
  loginwatch.pam.set_aside:
    files:
      - /usr/local/sbin/login-alert.sh
      - /etc/login-alert.conf
    commands: [/usr/local/sbin/login-alert.sh]
"""

RETURN = r"""
moved:
  description: What was moved, or would be, and where to. A table from which jobs were taken is there as it was before.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Where it was.
      type: str
      sample: /usr/local/sbin/login-alert.sh
    to:
      description: Where it is now.
      type: str
      sample: /root/ssh-login-notify-adopted/usr/local/sbin/login-alert.sh
still_under_way:
  description: Ids of processes that were waited for in vain.
  returned: success
  type: list
  elements: int
  sample: []
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import cron_tables, logins_under_way


class SetAsideError(Exception):
    """Something that can't be set aside; the message gives the reason and the mend."""


def plain_files(paths: List[str]) -> List[Path]:
    """Those of ``paths`` that exist. Raises SetAsideError for what is neither a file nor a symbolic link."""
    found = []
    for path in map(Path, paths):
        if not path.is_absolute():
            raise SetAsideError(f"{path} is no absolute path. Write it from the root directory on.")
        if not os.path.lexists(str(path)):
            continue
        if not (path.is_symlink() or path.is_file()):
            raise SetAsideError(f"{path} is no file. Name the files in it, each by its own path.")
        found.append(path)
    return found


def tables(paths: List[str]) -> List[Path]:
    """The tables that cron reads: a directory's files one by one."""
    found = []
    for path in map(Path, paths):
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def free_place(directory: Path, path: Path) -> Path:
    """Where to put ``path``: below ``directory``, with a number behind it where an earlier call has left one."""
    place = Path(f"{directory}{path}")
    number = 1
    while os.path.lexists(str(place)):
        place, number = Path(f"{directory}{path}.{number}"), number + 1
    return place


def copy(path: Path, place: Path) -> None:
    """A copy with owner, mode and times, complete before it has its name."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    unfinished = place.with_name(f".{place.name}.unfinished")
    shutil.copy2(str(path), str(unfinished), follow_symlinks=False)
    os.chown(str(unfinished), status.st_uid, status.st_gid, follow_symlinks=False)
    unfinished.rename(place)


def replace(path: Path, text: str) -> None:
    """Replace a table in one step, with its owner and mode. Cron does not read one whose name begins with a dot."""
    status = path.stat()
    handle, unfinished = tempfile.mkstemp(prefix=".ansible_tmp_", dir=str(path.parent))
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
    Path(unfinished).replace(path)


def run(module: AnsibleModule, moved: List[Dict[str, str]]) -> List[int]:
    """Wait, and move: each thing stands in ``moved`` once it is done. Return the processes waited for in vain.

    Raises SetAsideError and OSError.
    """
    params = module.params
    directory = Path(params["directory"])
    files = plain_files(params["files"])
    jobs = {}
    for path in tables(params["cron_tables"]):
        if path not in files:
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            rest = cron_tables.without(text, params["commands"])
            if rest != text:
                jobs[path] = rest
    # The jobs first: after an interruption the files are still there, and tell that something is left to do.
    left = []  # type: List[int]
    if (jobs or files) and not module.check_mode:
        left = sorted(pid for pid, _start in logins_under_way.wait(params["seconds"], params["commands"]))
    for path in [*jobs, *files]:
        place = free_place(directory, path)
        if not module.check_mode:
            copy(path, place)
            rest = jobs.get(path)
            if rest is None:
                path.unlink()
            else:
                replace(path, rest)
        moved.append({"path": str(path), "to": str(place)})
    if left:
        module.warn(
            f"After {params['seconds']} seconds logins that began with the old PAM line were still waiting to be let in"
            f" (processes {', '.join(map(str, left))}). Their alerts may be missing: see the system's own log for them."
        )
    return left


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "path", "default": []},
            "commands": {"type": "list", "elements": "str", "default": []},
            "directory": {"type": "path", "default": "/root/ssh-login-notify-adopted"},
            "seconds": {"type": "int", "default": 150},
            "cron_tables": {
                "type": "list",
                "elements": "path",
                "default": ["/etc/crontab", "/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron"],
            },
        },
        supports_check_mode=True,
    )
    # The directory and all that it is made of are root's alone: a configuration in it holds a webhook.
    os.umask(0o077)
    moved = []  # type: List[Dict[str, str]]
    try:
        left = run(module, moved)
    except SetAsideError as error:
        module.fail_json(msg=f"Nothing was set aside: {error}", moved=moved)
    except OSError as error:
        module.fail_json(msg=f"Not everything could be set aside: {error}", moved=moved)
    module.exit_json(changed=bool(moved), moved=moved, still_under_way=left)


if __name__ == "__main__":
    main()
