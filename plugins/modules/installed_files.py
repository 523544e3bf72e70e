#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: installed_files
short_description: Keep a program's account, directories, files and Python package in one call
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Installs a program that consists of some directories, some text files and one Python package, or removes it.
  - Does in one round trip what C(ansible.builtin.user), C(ansible.builtin.file) and C(ansible.builtin.copy) would do
    in several a file.
    The role P(loginwatch.pam.ssh_login_notify#role) uses it, so that a fleet is not kept waiting.
  - The contents travel as arguments. They are neither returned nor logged on the host, but they do appear in the
    differences. O(files[].secret_content) appears nowhere.
  - With O(trial) it also runs what it has installed, so that nothing is made to depend on a program that does not work.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details:
      - Can run in check mode and tells what would change, also where neither the group nor a directory exists yet.
  diff_mode:
    support: full
    details:
      - Shows contents before and after. Of new modules of the package only the length is shown, of what is removed
        only the path.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
    details:
      - The byte-compiled modules count as well.
  platform:
    platforms: posix
options:
  state:
    description:
      - With V(present) everything named is there as described. The order is account, directories, package, files, so
        that a program is complete before the file that starts it is replaced.
      - With V(absent) the files, the package and the directories (the last first) are gone. The account stays; remove
        it with M(ansible.builtin.user) when nothing is left that it owns.
    type: str
    choices: [absent, present]
    default: present
  account:
    description:
      - A system account, with a group of the same name and without a home, that the program runs as.
      - Made with C(useradd) if there is no such user. One that is there stays as it is.
    type: dict
    suboptions:
      name:
        description: Name of the user, and of its group.
        type: str
        required: true
      comment:
        description: What it is for.
        type: str
        default: ''
      shell:
        description: Absolute path of its shell.
        type: path
        default: /usr/sbin/nologin
  directories:
    description: Directories, parents before children.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A symbolic link in its place is refused.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Octal mode, as a string.
        type: str
        default: '0755'
      keep_while_filled:
        description:
          - With O(state=absent) the directory stays, whole, as long as one of these subdirectories holds anything.
        type: list
        elements: str
        default: []
  files:
    description: Text files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A symbolic link in its place is replaced by the file.
        type: path
        required: true
      content:
        description:
          - The text, written as UTF-8, byte for byte.
          - With O(state=present) a file needs this, O(files[].secret_content) or O(files[].secret_variable).
        type: str
      secret_content:
        description:
          - A text that must not be seen, such as one with a password. Not even the differences show it.
          - Callbacks can see it, as they see every argument of a task. Rather give O(files[].secret_variable).
        type: str
      secret_variable:
        description: Name of the variable that holds the text, which then is no argument of the task.
        type: str
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Octal mode, as a string.
        type: str
        default: '0644'
      validate:
        description:
          - A command that is run before a new text takes the place of the old one. Not in check mode, and by no shell.
          - C(%s) in it becomes the path of a file with the new text, which only the user of the task can read.
          - Unless it ends with 0, the task fails with what the command has said, and the old file stays.
          - The package is in place by then.
        type: list
        elements: str
        default: []
  package:
    description: A Python package without subpackages.
    type: dict
    suboptions:
      path:
        description: The package's own directory. Whatever else is found in it is removed.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      modules:
        description: Text of each module by its file name. Needed with O(state=present).
        type: dict
        default: {}
      python:
        description:
          - Absolute path of the interpreter that will import the package. It byte-compiles it into C(__pycache__)
            (validated by time stamp), so that no later process has to.
          - Needed with O(state=present).
        type: path
  manifest:
    description:
      - File to write last, with O(state=present). It has the SHA-256 of each of O(files) and of the modules of
        O(package), by their paths, as JSON. Whoever wants to know later whether a file was changed compares with it.
        Files with O(files[].secret_content) are left out.
      - It belongs to the owner of O(package), or to root where there is none.
    type: path
  trial:
    description:
      - A command that must work with what was installed. It is run in the end, with O(state=present), if anything was
        changed; not in check mode. If it fails, so does the task, and what was installed stays.
    type: dict
    suboptions:
      argv:
        description: The command and its arguments. No shell is involved.
        type: list
        elements: str
        required: true
      expected:
        description:
          - Text that the command has to print to its standard output. Its exit code does not count.
        type: str
        required: true
      always:
        description: Whether to run it when nothing was changed as well, as after a trial that has failed.
        type: bool
        default: false
  obsolete:
    description:
      - Paths that must not exist, whatever the O(state), such as files for another init system.
      - With O(state=present), those that are among O(files) are not meant.
    type: list
    elements: path
    default: []
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.file
  - module: ansible.builtin.user
"""

EXAMPLES = r"""
- name: Install a small program in one round trip
  loginwatch.pam.installed_files:
    directories:
      - path: /usr/local/lib/example
    package:
      path: /usr/local/lib/example/example
      python: /usr/bin/python3
      modules:
        __init__.py: ''
        greeting.py: |
          def greet():
              print('hello')
    files:
      - path: /usr/local/bin/example
        mode: '0755'
        content: |
          #!/usr/bin/python3 -ISB
          import sys
          sys.path.insert(0, '/usr/local/lib/example')
          from example import greeting
          greeting.greet()

- name: Remove it
  loginwatch.pam.installed_files:
    state: absent
    files:
      - path: /usr/local/bin/example
    directories:
      - path: /usr/local/lib/example
"""

RETURN = r"""
changed_paths:
  description:
    - What was (or in check mode would be) created, rewritten, removed or given other attributes.
    - An account that was made is not among them.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/example]
kept:
  description: Directories that O(state=absent) left in place because of O(directories[].keep_while_filled).
  returned: success
  type: list
  elements: str
  sample: []
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils.installed_files import (
    MOST_SAID,
    InstalledFiles,
    InstalledFilesError,
)

OWNER_AND_GROUP = {"owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"}}
DIRECTORY = dict(
    OWNER_AND_GROUP,
    path={"type": "path", "required": True},
    mode={"type": "str", "default": "0755"},
    keep_while_filled={"type": "list", "elements": "str", "default": []},
)
FILE = dict(
    OWNER_AND_GROUP,
    path={"type": "path", "required": True},
    content={"type": "str"},
    secret_content={"type": "str", "no_log": True},
    # The action plugin puts secret_content in its place.
    secret_variable={"type": "str", "no_log": False},
    mode={"type": "str", "default": "0644"},
    validate={"type": "list", "elements": "str", "default": []},
)
PACKAGE = dict(
    OWNER_AND_GROUP,
    path={"type": "path", "required": True},
    modules={"type": "dict", "default": {}},
    python={"type": "path"},
)
ACCOUNT = {
    "name": {"type": "str", "required": True},
    "comment": {"type": "str", "default": ""},
    "shell": {"type": "path", "default": "/usr/sbin/nologin"},
}
TRIAL = {
    "argv": {"type": "list", "elements": "str", "required": True},
    "expected": {"type": "str", "required": True},
    "always": {"type": "bool", "default": False},
}


class QuietModule(AnsibleModule):
    """A module that does not write its arguments, which are whole files, to the host's syslog.

    no_log would do that too, and cut the contents out of the differences as well.
    """

    def _log_invocation(self) -> None:
        pass


def present(installed: InstalledFiles, params: Dict[str, Any]) -> None:
    """Bring everything there. Raises InstalledFilesError and OSError."""
    package = params["package"]
    if package and not package["python"]:
        raise InstalledFilesError("package: python is missing. Name the interpreter that will import the package.")
    without = [item["path"] for item in params["files"] if item["content"] is None and item["secret_content"] is None]
    if without:
        raise InstalledFilesError(f"files: content is missing for {', '.join(without)}.")
    if params["account"]:
        installed.account_present(params["account"])
    for directory in params["directories"]:
        installed.directory_present(directory)
    if package:
        installed.package_present(package)
    for file in params["files"]:
        installed.file_present(file)
    if params["manifest"]:
        wanted = {"path": params["manifest"], "content": manifest(params["files"], package or {}), "mode": "0644"}
        owners = package or {"owner": "root", "group": "root"}
        installed.file_present(dict(wanted, owner=owners["owner"], group=owners["group"]))


def manifest(files: List[Dict[str, Any]], package: Dict[str, Any]) -> str:
    """The text of the manifest: ``{"files": {path: SHA-256}}``."""
    contents = {file["path"]: file["content"] for file in files if file["content"] is not None}
    for name, content in package.get("modules", {}).items():
        contents[str(Path(package["path"]) / name)] = content
    digests = {path: hashlib.sha256(content.encode("utf-8")).hexdigest() for path, content in contents.items()}
    return json.dumps({"files": digests}, indent=4, sort_keys=True) + "\n"


def try_out(module: AnsibleModule, trial: Dict[str, Any]) -> None:
    """Run the command of the trial. Raises InstalledFilesError if it does not print what is expected."""
    command = " ".join(trial["argv"])
    try:
        code, out, err = module.run_command(trial["argv"], handle_exceptions=False)
    except OSError as error:
        raise InstalledFilesError(f"'{command}' can not be run: {error.strerror}") from error
    if trial["expected"] not in out:
        said = " ".join((err + out).split())[:MOST_SAID] or "nothing"
        raise InstalledFilesError(f"'{command}' does not work. It ended with {code} and said: {said}")


def absent(installed: InstalledFiles, params: Dict[str, Any]) -> None:
    """Take everything away. Raises OSError."""
    for file in params["files"]:
        installed.absent(Path(file["path"]))
    if params["package"]:
        installed.absent(Path(params["package"]["path"]))
    for directory in reversed(params["directories"]):
        installed.directory_absent(directory)


def without_contents(params: Dict[str, Any]) -> Dict[str, Any]:
    """The arguments as they are returned: -vvv would print a hundred kilobytes for each host."""
    contents = ("content", "secret_content")
    files = [{name: value for name, value in file.items() if name not in contents} for file in params["files"]]
    package = params["package"] and dict(params["package"], modules=sorted(params["package"]["modules"]))
    return dict(params, files=files, package=package)


def main() -> None:
    module = QuietModule(
        argument_spec={
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "account": {"type": "dict", "options": ACCOUNT},
            "directories": {"type": "list", "elements": "dict", "default": [], "options": DIRECTORY},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": FILE,
                "mutually_exclusive": [["content", "secret_content", "secret_variable"]],
            },
            "package": {"type": "dict", "options": PACKAGE},
            "manifest": {"type": "path"},
            "trial": {"type": "dict", "options": TRIAL},
            "obsolete": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    # Missing parents and the byte-code's directory must be readable, whatever umask the connection has.
    os.umask(0o022)
    params = module.params
    invocation = {"module_args": without_contents(params)}
    installed = InstalledFiles(module)
    try:
        (present if params["state"] == "present" else absent)(installed, params)
        for path in params["obsolete"]:
            if path not in {file["path"] for file in params["files"]}:
                installed.absent(Path(path))
        trial = params["trial"]
        tried = trial and params["state"] == "present" and not module.check_mode
        if tried and (trial["always"] or installed.diff):
            try_out(module, trial)
    except InstalledFilesError as error:
        module.fail_json(msg=str(error), invocation=invocation)
    except OSError as error:
        module.fail_json(msg=f"The files could not be brought to the wanted state: {error}", invocation=invocation)
    module.exit_json(
        changed=bool(installed.diff),
        changed_paths=installed.changed_paths,
        kept=installed.kept,
        diff=installed.diff,
        invocation=invocation,
    )


if __name__ == "__main__":
    main()
