#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: file_contexts
short_description: Keep directories, with all that is in them, of one SELinux type
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Makes a rule of its own in the policy's file contexts for each directory, as C(semanage fcontext) does, so that the
    type survives every relabelling, and gives it at once to what is there, as C(restorecon -R) does.
  - In one round trip, and without another collection.
  - A path is given as the host knows it. Where the policy knows it by another name (C(/run) and C(/var/run)), the rule
    is made for that name, which C(semanage) asks for.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Where a rule is missing, the labels that it would change are not told one by one.
  diff_mode:
    support: full
    details:
      - Shows the rules and labels that change, a line for each.
  platform:
    platforms: linux
    details:
      - For hosts with SELinux and its tools C(semanage), C(restorecon) and C(matchpathcon).
options:
  directories:
    description: Absolute paths. They need not exist yet.
    type: list
    elements: path
    required: true
  setype:
    description: The type. Needed with O(state=present).
    type: str
  state:
    description:
      - V(present) makes the rules, or changes the type in rules of the same form, and relabels.
      - V(absent) takes these rules away, and gives the policy's own label back to what is left.
    type: str
    choices: [absent, present]
    default: present
"""

EXAMPLES = r"""
- name: Let programs of PAM stacks write to a directory
  loginwatch.pam.file_contexts:
    directories: [/var/spool/example]
    setype: var_auth_t

- name: Take that back
  loginwatch.pam.file_contexts:
    directories: [/var/spool/example]
    state: absent
"""

RETURN = r"""
changes:
  description: Rules and labels that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample:
    - add /var/spool/example(/.*)? var_auth_t
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils.file_contexts import TOOLS, FileContextError, FileContexts


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
    # What the tools say is read, so in no other language.
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    programs = {name: module.get_bin_path(name) for name in TOOLS}
    missing = [f"{name} (package {TOOLS[name]})" for name in TOOLS if not programs[name]]
    if missing:
        module.fail_json(msg=f"Nothing was changed. The host lacks {', '.join(missing)}. Install what is missing.")

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
