#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: installed_files
short_description: Keep a program's directories, files and Python package in one call
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Installs a program that consists of some directories, some text files and one Python package, or removes it.
  - Does in one round trip what C(ansible.builtin.file) and C(ansible.builtin.copy) would do in several a file.
    The role P(loginwatch.pam.ssh_login_notify#role) uses it, so that a fleet is not kept waiting.
  - The contents travel as arguments. They are neither returned nor logged on the host, but they do appear in the
    differences. Don't use this module for secrets.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Can run in check mode and tells what would change, also where neither the group nor a directory exists yet.
  diff_mode:
    support: full
    details:
      - Shows contents before and after. Of new modules of the package only the length, of what is removed only the path is shown.
  idempotent:
    support: full
    details:
      - A second run changes nothing. The byte-compiled modules count as well.
  platform:
    platforms: posix
options:
  state:
    description:
      - With V(present) everything named is there as described. The order is directories, package, files, so that a
        program is complete before the file that starts it is replaced.
      - With V(absent) the files, the package and the directories (the last first) are gone.
    type: str
    choices: [present, absent]
    default: present
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
        description: With O(state=absent) the directory stays, whole, as long as one of these subdirectories holds anything.
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
        description: The text, written as UTF-8, byte for byte. Needed with O(state=present).
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
  package:
    description: A Python package without subpackages.
    type: dict
    suboptions:
      path:
        description: The package's own directory. Whatever else is found in it is removed.
        type: path
        required: true
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
  obsolete:
    description: Paths that must not exist, whatever the O(state), such as files of an earlier version.
    type: list
    elements: path
    default: []
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.file
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
  description: What was (or in check mode would be) created, rewritten, removed or given other attributes.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils.installed_files import InstalledFiles, Trouble


class Module(AnsibleModule):
    def _log_invocation(self):
        """Keep the arguments, which are whole files, out of the host's syslog. (no_log would cut them out of the diff.)"""


def main():
    owner_and_group = dict(owner=dict(type='str', default='root'), group=dict(type='str', default='root'))
    module = Module(
        argument_spec=dict(
            state=dict(type='str', choices=['present', 'absent'], default='present'),
            directories=dict(type='list', elements='dict', default=[], options=dict(
                owner_and_group,
                path=dict(type='path', required=True),
                mode=dict(type='str', default='0755'),
                keep_while_filled=dict(type='list', elements='str', default=[]),
            )),
            files=dict(type='list', elements='dict', default=[], options=dict(
                owner_and_group,
                path=dict(type='path', required=True),
                content=dict(type='str'),
                mode=dict(type='str', default='0644'),
            )),
            package=dict(type='dict', options=dict(
                path=dict(type='path', required=True),
                modules=dict(type='dict', default={}),
                python=dict(type='path'),
            )),
            obsolete=dict(type='list', elements='path', default=[]),
        ),
        supports_check_mode=True,
    )
    # Without contents as well: -vvv would print a hundred kilobytes for each host.
    result = dict(invocation=dict(module_args=_outline(module.params)))
    installed = InstalledFiles(module)
    try:
        if module.params['state'] == 'present':
            _present(installed, module.params)
        else:
            _absent(installed, module.params)
        for path in module.params['obsolete']:
            installed.absent(path)
    except Trouble as trouble:
        module.fail_json(msg=str(trouble), **result)
    except OSError as error:
        module.fail_json(msg='Can not bring the files to the wanted state: %s' % error, **result)
    module.exit_json(changed=bool(installed.changed_paths), changed_paths=installed.changed_paths,
                     kept=installed.kept, diff=installed.diff, **result)


def _present(installed, params):
    package = params['package']
    if package and not package['python']:
        raise Trouble('package.python is missing: name the interpreter that will import the package.')
    without_content = [item['path'] for item in params['files'] if item['content'] is None]
    if without_content:
        raise Trouble('content is missing for %s' % ', '.join(without_content))
    for directory in params['directories']:
        installed.directory_present(directory)
    if package:
        installed.package_present(package)
    for item in params['files']:
        installed.file_present(item)


def _absent(installed, params):
    for item in params['files']:
        installed.absent(item['path'])
    if params['package']:
        installed.absent(params['package']['path'])
    for directory in reversed(params['directories']):
        installed.directory_absent(directory)


def _outline(params):
    """The arguments without the files' contents."""
    outline = dict(params)
    outline['files'] = [dict((key, value) for key, value in item.items() if key != 'content') for item in params['files']]
    if params['package']:
        outline['package'] = dict(params['package'], modules=sorted(params['package']['modules']))
    return outline


if __name__ == '__main__':
    main()
