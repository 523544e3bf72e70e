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
  - Keeps one block of three lines in a PAM service, in the one place where it is safe, or takes it out again.
  - The first line, C(session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid PROGRAM), runs the
    program. When that succeeds, the other two are skipped. They are for a login whose key or certificate is so long
    that Linux runs no program with it in the environment. One puts a word in its place, the other runs it again.
  - The block becomes the first of the session part, behind a leading C(pam_selinux.so close) if there is one.
    There it runs before anything reads the user's own environment, which could otherwise make any user root,
    and outside the user's own session, which the user may kill.
  - A block that is not complete, as after somebody has removed one of its lines, is put right as a whole.
  - Every other byte of the file stays as it is, comments, spacing, continued lines, line ends and a missing last
    line feed included. The file is replaced in one step and keeps its owner, mode and SELinux context.
  - Files in which an edit could keep people from logging in are refused, with the reason and the mend.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads and refuses as a real run does, and changes nothing.
  diff_mode:
    support: full
    details:
      - Shows the PAM file as it was and as it becomes. It holds no secret.
  platform:
    platforms: linux
    details:
      - For Linux-PAM. Other implementations have no C(pam_exec.so) with these options.
options:
  program:
    description:
      - The program that the block runs. An absolute path without blanks, brackets, C(#) and backslashes.
      - It need not exist yet; have it installed before the block, and remove it after the block.
    type: path
    default: /usr/local/bin/ssh-login-notify
  service:
    description:
      - The PAM service, that is, the name of the file below O(pam_d).
    type: str
    default: sshd
  state:
    description:
      - V(present) puts the block in its place, moves one that stands elsewhere, completes one that is not whole,
        replaces the single line of earlier versions, and takes duplicates out.
      - V(absent) takes it out. A file that V(present) had changed is then byte for byte what it was before,
        unless lines of O(replaces) were taken out of it.
    type: str
    choices: [absent, present]
    default: present
  replaces:
    description:
      - Commands of earlier installations. Session lines of C(pam_exec.so) that run one of them are taken out,
        in either state.
      - Each is compared word by word with the beginning of the command of a line, so that a path alone is enough.
        Where a line runs a script through an interpreter, give both, such as C(/bin/sh /etc/ssh/notify.sh).
    type: list
    elements: str
    default: []
  backup:
    description:
      - Keep a copy of the file, with the time in its name, when it is changed.
    type: bool
    default: false
  copy_vendor:
    description:
      - Where the service has a file in one of O(vendor_pam_d) only, as on openSUSE, copy it to O(pam_d) and put the
        line there. Without this option such a service is refused, as the copy hides what the vendor changes later.
      - With O(state=absent), remove the copy again if, without the line, it is the vendor's file byte for byte.
    type: bool
    default: false
  accept:
    description:
      - What O(state=present) is not to be refused for, since you know of it.
      - V(user_environment) is a C(pam_env.so) with C(user_readenv=1) in the auth part, by which everyone who can log in
        can load code into the program.
      - V(managed_file) is a file that says of itself that another tool writes it, which takes the line out again with
        its next run. It counts only where the line has yet to be put in.
    type: list
    elements: str
    choices: [managed_file, user_environment]
    default: []
  pam_d:
    description:
      - The directory of PAM services. Another one is of use for an image that is not running.
    type: path
    default: /etc/pam.d
  vendor_pam_d:
    description:
      - Directories in which PAM looks for services that O(pam_d) does not have, in their order.
    type: list
    elements: path
    default: [/usr/lib/pam.d, /usr/etc/pam.d]
notes:
  - A service without a file is no error with O(state=absent).
seealso:
  - module: loginwatch.pam.test_alert
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Run the notifier at each login through sshd
  loginwatch.pam.pam_exec_line:

- name: Take over from a hand-made script
  loginwatch.pam.pam_exec_line:
    replaces:
      - /usr/local/sbin/login-alert.sh
      - /bin/bash /root/notify.sh
    backup: true

- name: On openSUSE the service may exist as the vendor's file only
  loginwatch.pam.pam_exec_line:
    copy_vendor: true

- name: Take the line out again
  loginwatch.pam.pam_exec_line:
    state: absent
"""

RETURN = r"""
path:
  description: The PAM file that was looked at.
  returned: always
  type: str
  sample: /etc/pam.d/sshd
line:
  description: The first line of the block as this module writes it.
  returned: always
  type: str
  sample: session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
lines:
  description: All lines of the block as this module writes them.
  returned: always
  type: list
  elements: str
  sample:
    - session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
    - session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0
    - session optional pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
backup_file:
  description: The copy of the file as it was before.
  returned: when O(backup=true) and an existing file was changed
  type: str
  sample: /etc/pam.d/sshd.2912.2026-01-31@10:15:00~
copied_from:
  description: The vendor's file that was copied, or would be copied in check mode.
  returned: when O(copy_vendor=true), O(state=present) and O(pam_d) did not have the service
  type: str
  sample: /usr/lib/pam.d/sshd
user_readenv:
  description:
    - Every C(pam_env.so) with C(user_readenv=1) in the auth and session parts of the service, included files followed.
      With it, each user sets variables of the PAM environment in C(~/.pam_environment).
    - One in the session part comes after the line and so can't harm it. One in the auth part takes effect before any
      session rule and lets users load code of their own into the program, which runs as root.
    - There is a warning for the former; the latter is refused, unless O(accept) has V(user_environment).
  returned: when the service has a file and O(state=present)
  type: list
  elements: dict
  contains:
    file:
      description: The file that holds the rule.
      type: str
      sample: /etc/pam.d/sshd
    line:
      description: Number of the rule's first line, from 1, in the file as it is after the change.
      type: int
      sample: 48
    part:
      description: The part of the stack, V(auth) or V(session).
      type: str
      sample: session
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import pam_stack

DANGER = (
    "It takes effect before any session rule, so that anyone who can log in can load code into the program, which runs"
    " as root. Remove user_readenv=1."
)
ACCEPT = "set accept: [{0}] (in the role, ssh_login_notify_accept)"


class ServiceFile:
    """The file of a PAM service, and those that PAM would take instead of it or include in it."""

    def __init__(self, service: str, pam_d: str, vendor_pam_d: List[str]) -> None:
        if service in ("", ".", "..") or "/" in service:
            raise pam_stack.PamStackError(f"{service!r} is no PAM service. Give the name of its file, such as sshd.")
        self.path = Path(pam_d) / service
        self.directories = [Path(pam_d), *map(Path, vendor_pam_d)]

    def read(self) -> Optional[str]:
        """The text, or None where there is no file. Raises PamStackError for anything but a plain text file."""
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            raise pam_stack.PamStackError(
                f"it is a symbolic link to {os.readlink(str(self.path))}, which other services may use as well."
                " Put a copy of the file in place of the link, or name the service that it leads to."
            )
        if stat.S_ISDIR(mode):
            raise pam_stack.PamStackError("it is a directory. PAM wants a file there: restore it from its package.")
        if not stat.S_ISREG(mode):
            raise pam_stack.PamStackError("it is no regular file. Restore it from its package.")
        return pam_stack.decode(self.path.read_bytes())

    def vendor_path(self) -> Optional[Path]:
        """The file that PAM takes where ``pam_d`` has none, or None."""
        candidates = [directory / self.path.name for directory in self.directories[1:]]
        return next((path for path in candidates if path.is_file()), None)

    def included(self, name: str) -> Optional[Tuple[str, str]]:
        """Path and text of a file that a stack includes, looked up in libpam's order, or None if there is none."""
        for directory in self.directories:
            path = directory / name
            try:
                if path.is_file():
                    return str(path), pam_stack.decode(path.read_bytes())
            except (OSError, pam_stack.PamStackError):
                continue
        return None


def desired(params: Dict[str, Any], file: ServiceFile, before: Optional[str]) -> Tuple[Optional[str], Optional[Path]]:
    """The text that the service's file shall have, None for no file; and the vendor's file that it is a copy of."""
    vendor = file.vendor_path()
    if params["state"] == "present":
        if before is not None:
            return pam_stack.present(before, params["program"], params["replaces"], file.included), None
        if vendor is None:
            raise pam_stack.PamStackError("there is no such file. Install the service's package, or correct the name.")
        if not params["copy_vendor"]:
            raise pam_stack.PamStackError(
                f"there is no such file, only the vendor's {vendor}, which updates overwrite."
                " Set copy_vendor=true (in the role, ssh_login_notify_copy_vendor_pam) to have it copied, or copy it."
            )
        text = pam_stack.decode(vendor.read_bytes())
        return pam_stack.present(text, params["program"], params["replaces"], file.included), vendor
    if before is None:
        return None, None
    after = pam_stack.absent(before, params["program"], params["replaces"], file.included)
    is_copy = vendor is not None and pam_stack.encode(after) == vendor.read_bytes()
    if params["copy_vendor"] and is_copy and after != before:
        return None, None
    return after, None


def write(module: AnsibleModule, path: Path, text: str, like: Path) -> None:
    """Replace a PAM file in one step. A new one gets the mode of the file ``like``.

    The text is on the disk before it takes the old one's place: an empty PAM file after a power cut locks people out.
    """
    handle, temporary = tempfile.mkstemp(prefix=".ansible_tmp_", dir=str(path.parent))
    module.add_cleanup_file(temporary)
    with os.fdopen(handle, "wb") as file:
        file.write(pam_stack.encode(text))
        file.flush()
        os.fsync(file.fileno())
    mode = stat.S_IMODE(like.stat().st_mode)
    existed = path.exists()
    module.atomic_move(temporary, str(path))
    if not existed:
        module.set_mode_if_different(str(path), mode, False)


def warn(module: AnsibleModule, text: str, readers: List[Dict[str, Any]]) -> None:
    """Say what is wrong with the stack besides our line; nothing of it is this module's to change."""
    if "\r\n" in text:
        module.warn(
            "The file has CRLF line ends. PAM takes the carriage return for a part of the last word, and may refuse"
            " logins for it. Convert the file, for example with: sed -i 's/\\r$//'"
        )
    for reader in readers:
        where = f"{reader['file']} line {reader['line']}: pam_env.so reads ~/.pam_environment (user_readenv=1)"
        if reader["part"] == "auth":
            module.warn(f"{where} in the auth part. {DANGER}")
        else:
            module.warn(f"{where}. The line of this module stands above it and is safe there: leave it in its place.")


def refuse(params: Dict[str, Any], before: Optional[str], after: str, readers: List[Dict[str, Any]]) -> None:
    """Raise PamStackError for a stack in which the line would do harm, or would not stay."""
    for reader in readers:
        if reader["part"] == "auth" and "user_environment" not in params["accept"]:
            raise pam_stack.PamStackError(
                f"{reader['file']} line {reader['line']} reads ~/.pam_environment (pam_env.so, user_readenv=1) in the"
                f" auth part. {DANGER} To have the line all the same, {ACCEPT.format('user_environment')}."
            )
    tool = pam_stack.written_by(after)
    if tool and after != before and "managed_file" not in params["accept"]:
        lines = ", then ".join(f"'{line}'" for line in pam_stack.rule_lines(params["program"]))
        raise pam_stack.PamStackError(
            f"it says '{tool}', so another tool would take the lines out again. Put them into that tool's template,"
            f" first in the session part: {lines}."
            f" To have them put in here all the same, {ACCEPT.format('managed_file')}."
        )


def run(module: AnsibleModule) -> Dict[str, Any]:
    """Bring the file to what is wanted, and report. Raises PamStackError and OSError."""
    params = module.params
    lines = pam_stack.rule_lines(params["program"])
    file = ServiceFile(params["service"], params["pam_d"], params["vendor_pam_d"])
    before = file.read()
    after, vendor = desired(params, file, before)
    path = str(file.path)
    texts = {"before": _printable(before), "after": _printable(after)}
    result = {"changed": after != before, "path": path, "line": lines[0], "lines": lines}  # type: Dict[str, Any]
    result["diff"] = dict(texts, before_header=path, after_header=path)
    if vendor is not None:
        result["copied_from"] = str(vendor)
    if params["state"] == "present" and after is not None:
        result["user_readenv"] = pam_stack.user_environment_readers(path, after, file.included)
        refuse(params, before, after, result["user_readenv"])
        warn(module, after, result["user_readenv"])
    if result["changed"] and not module.check_mode:
        if params["backup"] and before is not None:
            result["backup_file"] = module.backup_local(path)
        if after is None:
            file.path.unlink()
        else:
            write(module, file.path, after, like=vendor or file.path)
    return result


def _printable(text: Optional[str]) -> str:
    # Bytes that are no UTF-8 survive in the file, but JSON can't carry them.
    return "" if text is None else pam_stack.encode(text).decode("utf-8", "replace")


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
                "type": "list", "elements": "str", "choices": ["managed_file", "user_environment"], "default": [],
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
        module.fail_json(msg=f"{path} was left as it is: {error}", path=path)
    except OSError as error:
        module.fail_json(msg=f"{path} could not be changed: {error}", path=path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
