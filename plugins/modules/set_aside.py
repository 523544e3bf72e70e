#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: set_aside
short_description: Set aside the files of an earlier login notifier once no login uses them
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Moves files into a directory that only root can enter, each under its full path. To restore them, copy back the
    single files as the role's README shows. Do not copy whole directories - these are C(0700), and a copy would give
    that mode to C(/) and C(/usr).
  - Until its session opens, a login runs the PAM lines that were there when it began. So this module first waits for
    the logins in progress and for running commands, and only then moves the files that they use.
  - Also removes the jobs that run the commands from cron's tables. The original table is set aside.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Reports what would be moved, without waiting.
  diff_mode:
    support: none
    details:
      - The files may contain secrets.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
    details:
      - If there is nothing to set aside, it does not wait.
  platform:
    platforms: linux
options:
  files:
    description:
      - Absolute paths of the files to set aside. A file that does not exist is ignored.
      - A symbolic link is moved as a link. Its target stays.
    type: list
    elements: path
    default: []
  commands:
    description:
      - The commands to wait for until they end. Their jobs are removed from cron's tables.
      - Each is compared word by word. The path of a script is enough. If lines run it through an interpreter, you can
        include that, as in C(/bin/sh /etc/ssh/notify.sh).
    type: list
    elements: str
    default: []
  directory:
    description:
      - The directory to move everything to. It is created with mode C(0700). Files in it are never overwritten.
    type: path
    default: /root/ssh-login-notify-adopted
  seconds:
    description:
      - The maximum time to wait. sshd gives a login C(LoginGraceTime), 120 seconds by default.
      - After that time the files are moved anyway, with a warning.
    type: int
    default: 150
  cron_tables:
    description:
      - The tables, and directories of tables, to search for jobs.
    type: list
    elements: path
    default: [/etc/crontab, /etc/cron.d, /var/spool/cron/crontabs, /var/spool/cron]
seealso:
  - module: loginwatch.pam.pam_exec_line
    description: Replaces the line of an earlier notifier in the same step that adds the new one.
"""

EXAMPLES = r"""
- name: Replace the line of a hand-made script
  loginwatch.pam.pam_exec_line:
    replaces: [/usr/local/sbin/login-alert.sh]

- name: Set the script aside, and the cron job that tests it
  loginwatch.pam.set_aside:
    files:
      - /usr/local/sbin/login-alert.sh
      - /etc/login-alert.conf
    commands: [/usr/local/sbin/login-alert.sh]
"""

RETURN = r"""
moved:
  description:
    - The files that were moved, or would be moved in check mode. For a table from which jobs were removed, C(to) is the
      path of the original.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The path before.
      type: str
      sample: /usr/local/sbin/login-alert.sh
    to:
      description: The path now.
      type: str
      sample: /root/ssh-login-notify-adopted/usr/local/sbin/login-alert.sh
still_under_way:
  description: The pids of processes that were still running when the wait ended.
  returned: success
  type: list
  elements: int
  sample: []
"""

import os
from typing import Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import _logins_under_way
from ansible_collections.loginwatch.pam.plugins.module_utils._set_aside import SetAside, SetAsideError


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
    # Only root may read the copies, because a configuration among them contains a webhook.
    os.umask(0o077)
    params = module.params
    moved: List[Dict[str, str]] = []
    left: List[int] = []
    try:
        aside = SetAside(params["files"], params["commands"], params["cron_tables"], params["directory"])
        moved = aside.moved
        if aside.pending and not module.check_mode:
            left = sorted(pid for pid, _start in _logins_under_way.wait(params["seconds"], params["commands"]))
        aside.move(module.check_mode)
    except SetAsideError as error:
        module.fail_json(msg=f"Nothing was set aside. {error}", moved=moved)
    except OSError as error:
        module.fail_json(msg=f"Not everything could be set aside: {error}", moved=moved)
    if left:
        module.warn(
            f"Logins that began with the old PAM line were still waiting after {params['seconds']} seconds"
            f" (processes {', '.join(map(str, left))}). Their alerts may be missing: look for them in the system's log."
        )
    module.exit_json(changed=bool(moved), moved=moved, still_under_way=left)


if __name__ == "__main__":
    main()
