#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: pam_exec_line
short_description: Run a program at each login through a PAM service
version_added: 0.1.0
description:
  - Adds one block of three lines to a PAM service, in the only place where it is safe, or removes it.
  - The first line, C(session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid PROGRAM), runs the
    program. If that succeeds, the other two are skipped. They are for a login whose key or certificate is so long that
    Linux cannot run a program with it in the environment. The second line replaces it with a short word, and the third
    runs the program again.
  - The block comes first in the session part, after a leading C(pam_selinux.so close) if there is one. There it runs
    before anything reads the user's own environment, with which any user could otherwise become root. It also runs
    outside the user's own session, where the user could kill it.
  - An incomplete block, for example after somebody has removed one of its lines, is replaced as a whole.
  - Every other byte of the file stays as it is, including comments, spacing, continued lines, line ends and a missing
    last line feed. The file is replaced in one step and keeps its owner, mode and SELinux context.
  - If an edit could prevent logins, the task fails. The message says why, and what to do.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads the file, and fails for the same reasons as a real run. Changes nothing.
  diff_mode:
    support: full
    details:
      - Shows the PAM file before and after. It contains no secret.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
  platform:
    platforms: linux
    details:
      - For Linux-PAM. The C(pam_exec.so) of other implementations lacks these options.
options:
  program:
    description:
      - Absolute path of the program that the block runs, without blanks, brackets, C(#) and backslashes.
      - It need not exist yet. Install it before the block, and remove it after the block.
    type: path
    default: /usr/local/bin/ssh-login-notify
  service:
    description:
      - The PAM service, which is the name of a file in O(pam_d).
    type: str
    default: sshd
  state:
    description:
      - V(present) adds the block, moves one that is elsewhere, completes one that is incomplete, replaces the single
        line of earlier versions, and removes duplicates.
      - V(absent) removes the block. A file that V(present) changed is then identical to the original, unless lines of
        O(replaces) were removed from it.
    type: str
    choices: [absent, present]
    default: present
  replaces:
    description:
      - Commands of earlier installations. C(pam_exec.so) session lines that run one of them are removed in either
        state.
      - Each is compared word by word with the beginning of a line's command, so the path of a script is enough.
        If a line runs a script through an interpreter, include both, as in C(/bin/sh /etc/ssh/notify.sh).
    type: list
    elements: str
    default: []
  backup:
    description:
      - Whether to keep a copy of the old file, with the time in its name, if the file is changed.
    type: bool
    default: false
  copy_vendor:
    description:
      - If the service has a file only in one of O(vendor_pam_d), as on openSUSE, copy it to O(pam_d) and add the lines
        there. Without this option the task fails for such a service, because the copy hides later changes by the
        vendor.
      - With O(state=absent), remove the copy if it is identical to the vendor's file once the lines are removed.
    type: bool
    default: false
  accept:
    description:
      - Risks that you accept. O(state=present) does not fail because of them.
      - V(user_environment) is a C(pam_env.so) with C(user_readenv=1) in the auth part. It lets everyone who can log in
        load code into the program.
      - V(managed_file) is a file with a comment that says that another tool writes it. The next run of that tool
        removes the lines. This matters only while the lines are missing.
    type: list
    elements: str
    choices: [managed_file, user_environment]
    default: []
  pam_d:
    description:
      - The directory of PAM services. Set another one for an image that is not running.
    type: path
    default: /etc/pam.d
  vendor_pam_d:
    description:
      - Directories that PAM searches, in this order, for services that are not in O(pam_d).
    type: list
    elements: path
    default: [/usr/lib/pam.d, /usr/etc/pam.d]
notes:
  - With O(state=absent), a service without a file is not an error.
seealso:
  - module: loginwatch.pam.test_alert
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Run the notifier at each login through sshd
  loginwatch.pam.pam_exec_line:

- name: Replace a hand-made script
  loginwatch.pam.pam_exec_line:
    replaces:
      - /usr/local/sbin/login-alert.sh
      - /bin/bash /root/notify.sh
    backup: true

- name: Copy the vendor's file on openSUSE if the service has no other
  loginwatch.pam.pam_exec_line:
    copy_vendor: true

- name: Remove the lines
  loginwatch.pam.pam_exec_line:
    state: absent
"""

RETURN = r"""
path:
  description: The service's PAM file.
  returned: always
  type: str
  sample: /etc/pam.d/sshd
line:
  description: The first line of the block.
  returned: always
  type: str
  sample: session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
lines:
  description: All lines of the block.
  returned: always
  type: list
  elements: str
  sample:
    - session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
    - session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0
    - session optional pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
backup_file:
  description: The copy of the old file.
  returned: when O(backup=true) and an existing file was changed
  type: str
  sample: /etc/pam.d/sshd.2912.2026-01-31@10:15:00~
copied_from:
  description: The vendor's file that was copied, or would be copied in check mode.
  returned: when O(copy_vendor=true), O(state=present) and the service had no file in O(pam_d)
  type: str
  sample: /usr/lib/pam.d/sshd
user_readenv:
  description:
    - Every C(pam_env.so) with C(user_readenv=1) in the auth and session parts of the service and of the files that it
      includes. With this option, each user can set variables of the PAM environment in C(~/.pam_environment).
    - In the session part, it comes after the lines and cannot harm them. In the auth part, it takes effect before the
      session part, and lets users load code into the program, which runs as root. The task then fails, unless O(accept)
      has V(user_environment).
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    file:
      description: The file that contains the rule.
      type: str
      sample: /etc/pam.d/sshd
    line:
      description: Number of the rule's first line, counted from 1, after the change.
      type: int
      sample: 48
    part:
      description: The part of the stack, V(auth) or V(session).
      type: str
      sample: session
"""

from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import pam_line, pam_stack
from ansible_collections.loginwatch.pam.plugins.module_utils._pam_service import ServiceFile
from ansible_collections.loginwatch.pam.plugins.module_utils.pam_line import PamExecLine, printable


def run(module: AnsibleModule) -> Dict[str, Any]:
    """Bring the PAM file to the wanted state. Return the module's result. Raises PamStackError and OSError."""
    params = module.params
    service = ServiceFile(params["service"], params["pam_d"], params["vendor_pam_d"])
    line = PamExecLine(params["program"], params["replaces"], service.included, params["copy_vendor"])
    path = str(service.path)
    before, vendor = pam_line.read(path), pam_line.vendor_file(params["service"], params["vendor_pam_d"])
    result: Dict[str, Any] = {"path": path, "line": line.lines[0], "lines": line.lines}
    if params["state"] == "present":
        plan = line.present(path, before, vendor, params["accept"])
        result["user_readenv"] = plan.user_readenv
        if plan.copied_from:
            result["copied_from"] = plan.copied_from
    else:
        plan = line.absent(before, vendor)
    for warning in plan.warnings:
        module.warn(warning)
    result["changed"] = plan.text != before
    texts = {"before": printable(before), "after": printable(plan.text)}
    result["diff"] = dict(texts, before_header=path, after_header=path)
    if result["changed"] and not module.check_mode:
        if params["backup"] and before is not None:
            result["backup_file"] = module.backup_local(path)
        if plan.text is None:
            service.path.unlink()
        else:
            service.write(module, plan.text, like=Path(plan.copied_from or path))
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "default": "/usr/local/bin/ssh-login-notify"},
            "service": {"type": "str", "default": "sshd"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "replaces": {"type": "list", "elements": "str", "default": []},
            "backup": {"type": "bool", "default": False},
            "copy_vendor": {"type": "bool", "default": False},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["managed_file", "user_environment"],
                "default": [],
            },
            "pam_d": {"type": "path", "default": "/etc/pam.d"},
            "vendor_pam_d": {"type": "list", "elements": "path", "default": ["/usr/lib/pam.d", "/usr/etc/pam.d"]},
        },
        supports_check_mode=True,
    )
    path = str(Path(module.params["pam_d"]) / module.params["service"])
    try:
        result = run(module)
    except pam_stack.PamStackError as error:
        module.fail_json(msg=f"{path} was left unchanged: {error}", path=path)
    except OSError as error:
        module.fail_json(msg=f"{path} could not be changed: {error}", path=path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
