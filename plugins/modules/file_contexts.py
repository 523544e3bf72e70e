#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: file_contexts
short_description: Give directories and everything in them an SELinux type
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Adds a rule for each directory to the policy's file contexts, as C(semanage fcontext) does, so that the type
    survives every relabel. Then it relabels existing files, as C(restorecon -R) does.
  - Needs one round trip and no other collection.
  - Write each path as it is on the host. If the policy looks it up by another name (C(/run) and C(/var/run)), the rule
    is added for that name, as C(semanage) requires.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - If a rule is missing, the labels that would change because of it are not listed.
  diff_mode:
    support: full
    details:
      - Shows a line for each rule and label that changes.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
  platform:
    platforms: linux
    details:
      - Needs SELinux and its tools C(semanage), C(restorecon) and C(matchpathcon) on the host.
options:
  directories:
    description: Absolute paths. The directories need not exist yet.
    type: list
    elements: path
    required: true
  setype:
    description: The SELinux type. Required with O(state=present).
    type: str
  state:
    description:
      - V(present) adds the rules, or changes the type of existing ones, and relabels.
      - V(absent) deletes these rules, and gives the remaining files the policy's own labels.
    type: str
    choices: [absent, present]
    default: present
"""

EXAMPLES = r"""
- name: Let programs of PAM stacks write to a directory
  loginwatch.pam.file_contexts:
    directories: [/var/spool/example]
    setype: var_auth_t

- name: Undo that
  loginwatch.pam.file_contexts:
    directories: [/var/spool/example]
    state: absent
"""

RETURN = r"""
changes:
  description: The rules and labels that were changed, or would be changed in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - add /var/spool/example(/.*)? var_auth_t
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._file_contexts import TOOLS, FileContextError, FileContexts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "path", "required": True},
            "setype": {"type": "str"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        },
        required_if=[("state", "present", ["setype"])],
        supports_check_mode=True,
    )
    # The output of the tools is parsed, so it must not be translated.
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    programs = {name: module.get_bin_path(name) for name in TOOLS}
    missing = [f"{name} (package {TOOLS[name]})" for name in TOOLS if not programs[name]]
    if missing:
        module.fail_json(msg=f"Nothing was changed. The host has no {', no '.join(missing)}. Install what is missing.")

    contexts = FileContexts(lambda command: module.run_command([programs[command[0]], *command[1:]]), module.check_mode)
    directories = module.params["directories"]
    try:
        if module.params["state"] == "present":
            contexts.present(directories, module.params["setype"])
        else:
            contexts.absent(directories)
    except (FileContextError, OSError) as error:
        module.fail_json(msg=str(error))
    changes = contexts.changes
    after = "".join(line + "\n" for line in changes)
    module.exit_json(changed=bool(changes), changes=changes, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
