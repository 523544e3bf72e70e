#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: installed_files
short_description: Install a program's account, directories, files and Python package in one call
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Installs or removes a program that consists of directories, text files and one Python package.
  - Needs only one round trip. M(ansible.builtin.user), M(ansible.builtin.file) and M(ansible.builtin.copy) need several
    for each file.
    The role P(loginwatch.pam.ssh_login_notify#role) uses it to deploy quickly to many hosts.
  - The contents are neither returned nor logged on the host, but they do appear in the differences.
    O(files[].secret_content) appears nowhere.
  - A task only names a role's files and templates (O(files[].src), O(files[].template), O(package.src), O(units)).
    Their texts are read on the controller. They are not arguments of the task, because Ansible copies those for each
    host.
  - With O(trial) it also runs the installed program, so that later tasks do not rely on a program that does not work.
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
      - Reports what would change, even if neither the group nor a directory exists yet.
      - Runs neither O(files[].validate) nor O(trial).
  diff_mode:
    support: full
    details:
      - Shows the contents before and after. For a new module of the package it shows only the number of lines, for a
        removed path only its kind, and for a secret only that it changed.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
    details:
      - This includes the byte-compiled modules.
  platform:
    platforms: posix
options:
  state:
    description:
      - V(present) installs everything in the order account, directories, package, files. So a program is complete
        before the file that starts it is replaced.
      - V(absent) removes the files, the package and the directories (in reverse order). The account stays. Remove it
        with M(ansible.builtin.user) once it owns nothing.
    type: str
    choices: [absent, present]
    default: present
  account:
    description:
      - The system account that the program runs as. It has a group of the same name and no home directory.
      - Created with C(useradd) if the user does not exist. An existing user is left unchanged.
    type: dict
    suboptions:
      name:
        description: Name of the user and of its group.
        type: str
        required: true
      comment:
        description: The comment of the account, such as its purpose.
        type: str
        default: ''
      shell:
        description: Absolute path of the account's shell.
        type: path
        default: /usr/sbin/nologin
  directories:
    description: Directories, parents before children.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. The task fails if it is a symbolic link.
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
          - With O(state=absent) the whole directory is kept if one of these subdirectories is not empty.
          - C(*) in a path matches any name, as in C(channels/*/outgoing).
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
        description: Absolute path. A symbolic link is replaced by the file.
        type: path
        required: true
      content:
        description:
          - The text, which is written as UTF-8 without any change.
          - With O(state=present) each file needs this, O(files[].src), O(files[].template), O(files[].secret_content)
            or O(files[].secret_variable).
        type: str
      src:
        description: Name of a file on the controller that contains the text. In a role, it is a file below C(files).
        type: str
      first_line:
        description: A line that replaces the first line of O(files[].src), such as C(#!/usr/bin/python3).
        type: str
      template:
        description: Name of a template on the controller for the text. In a role, it is a template below C(templates).
        type: str
      secret_content:
        description:
          - A text that must not be shown, such as one with a password. It does not appear in the differences.
          - Callback plugins see every argument of a task, including this one. Prefer O(files[].secret_variable).
        type: str
      secret_variable:
        description: Name of a variable that contains the text. The text itself is then not an argument of the task.
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
          - A command that checks a new text before it replaces the old one. It is run without a shell, and not in
            check mode. The package is already in place.
          - C(%s) is replaced by the path of a file with the new text. Only the task's user can read this file.
          - If the command does not exit with 0, the task fails with its output, and the old file stays.
        type: list
        elements: str
        default: []
  package:
    description: A Python package and its sub-packages.
    type: dict
    suboptions:
      path:
        description: The directory of the package. Everything else in it, and in its sub-packages, is removed.
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
        description:
          - The text of each module by its path within the package, such as C(greeting.py), or C(greetings/formal.py) in
            a sub-package. With O(state=present) the package needs this or O(package.src).
        type: dict
        default: {}
      src:
        description:
          - Name of a directory on the controller that contains the modules. In a role, it is below C(files).
        type: str
      exclude:
        description: Modules of O(package.src) to leave out, by their paths within it.
        type: list
        elements: str
        default: []
      python:
        description:
          - Absolute path of the interpreter that will import the package. It byte-compiles the package into
            C(__pycache__), validated by time stamp, so that no later process needs to. With O(manifest), byte code that
            has changed since the last run is renewed.
          - Required with O(state=present).
        type: path
  manifest:
    description:
      - A JSON file that is written last, with O(state=present). It contains the SHA-256 of each of O(files) and of each
        module of O(package) and its byte code, by path. A later comparison shows whether a file was changed.
      - Files with O(files[].secret_content) are left out.
      - It belongs to the owner of O(package), or to root if there is no package.
    type: path
  trial:
    description:
      - A command that must work once everything is installed. With O(state=present) it is run at the end if anything
        was changed, but not in check mode. If it fails, the task fails, and everything stays installed.
    type: dict
    suboptions:
      argv:
        description: The command and its arguments. It is run without a shell.
        type: list
        elements: str
        required: true
      expected:
        description:
          - A text that the command must print to its standard output. Its exit code is ignored.
        type: str
        required: true
      always:
        description: Whether to run the command even if nothing was changed, for example because the last trial failed.
        type: bool
        default: false
  units:
    description: systemd units for which the role has templates. They are installed after O(files).
    type: dict
    suboptions:
      names:
        description: Names of the units. The template of a unit has the same name with C(.j2) at the end.
        type: list
        elements: str
        default: []
      directory:
        description: Where to install them.
        type: path
        default: /etc/systemd/system
      systemd_version:
        description:
          - The version of the host's systemd. Settings that this version does not know are left out, as by the filter
            P(loginwatch.pam.fitted_unit#filter).
        type: int
        default: 9999
      without:
        description: Parts of the sandbox to leave out, as M(loginwatch.pam.preflight) returns them.
        type: list
        elements: str
        default: []
  obsolete:
    description:
      - Paths to remove, whatever O(state) is, such as files for another init system.
      - Paths that are also among O(files) are ignored.
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

- name: Install the files and templates of a role
  loginwatch.pam.installed_files:
    package:
      path: /usr/local/lib/example/example
      python: /usr/bin/python3
      src: example
    files:
      - path: /usr/local/bin/example
        mode: '0755'
        src: example.py
        first_line: '#!/usr/bin/python3 -ISB'
      - path: /etc/example.conf
        template: example.conf.j2
    units:
      names: [example.service, example.timer]
      systemd_version: 252

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
    - Paths that were created, rewritten or removed, or whose permissions were changed. In check mode, the paths that
      would be.
    - A new account is not listed here.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/example]
kept:
  description: Directories that O(state=absent) did not remove because of O(directories[].keep_while_filled).
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
from typing import List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError
from ansible_collections.loginwatch.pam.plugins.module_utils._installed_files import (
    install,
    uninstall,
    without_contents,
)


class QuietModule(AnsibleModule):
    """A module that does not log its arguments, which are whole files, to the host's syslog.

    no_log would also prevent that, but it would remove the contents from the differences, too.
    """

    def _log_invocation(self) -> None:
        pass


def main() -> None:
    module = QuietModule(
        argument_spec={
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "account": {
                "type": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "comment": {"type": "str", "default": ""},
                    "shell": {"type": "path", "default": "/usr/sbin/nologin"},
                },
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0755"},
                    "keep_while_filled": {"type": "list", "elements": "str", "default": []},
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "secret_content": {"type": "str", "no_log": True},
                    # Only names. The action plugin replaces them with content and secret_content.
                    "src": {"type": "str"},
                    "template": {"type": "str"},
                    "secret_variable": {"type": "str", "no_log": False},
                    "first_line": {"type": "str"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0644"},
                    "validate": {"type": "list", "elements": "str", "default": []},
                },
                "mutually_exclusive": [["content", "secret_content", "secret_variable", "src", "template"]],
                "required_by": {"first_line": ["src"]},
            },
            "package": {
                "type": "dict",
                "options": {
                    "path": {"type": "path", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "modules": {"type": "dict", "default": {}},
                    # The action plugin replaces these two with modules.
                    "src": {"type": "str"},
                    "exclude": {"type": "list", "elements": "str", "default": []},
                    "python": {"type": "path"},
                },
            },
            "manifest": {"type": "path"},
            "trial": {
                "type": "dict",
                "options": {
                    "argv": {"type": "list", "elements": "str", "required": True},
                    "expected": {"type": "str", "required": True},
                    "always": {"type": "bool", "default": False},
                },
            },
            # The action plugin replaces this with files.
            "units": {
                "type": "dict",
                "options": {
                    "names": {"type": "list", "elements": "str", "default": []},
                    "directory": {"type": "path", "default": "/etc/systemd/system"},
                    "systemd_version": {"type": "int", "default": 9999},
                    "without": {"type": "list", "elements": "str", "default": []},
                },
            },
            "obsolete": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    # Missing parents and the directory of the byte-code must be readable, whatever the umask of the connection is.
    os.umask(0o022)
    invocation = {"module_args": without_contents(module.params)}
    changes = Changes(module)
    kept: List[str] = []
    try:
        if module.params["state"] == "present":
            install(changes, module.params)
        else:
            kept = uninstall(changes, module.params)
    except InstalledFilesError as error:
        module.fail_json(msg=str(error), invocation=invocation)
    except OSError as error:
        module.fail_json(msg=f"A file could not be installed or removed: {error}", invocation=invocation)
    module.exit_json(
        changed=bool(changes.diff),
        changed_paths=changes.paths,
        kept=kept,
        diff=changes.diff,
        invocation=invocation,
    )


if __name__ == "__main__":
    main()
