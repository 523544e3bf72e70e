# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

DOCUMENTATION = r"""
module: check_settings
short_description: Check the settings of the role ssh_login_notify
version_added: 0.1.0
description:
  - Checks the variables of the role C(loginwatch.pam.ssh_login_notify) on the controller, by the notifier's own rules.
    It asks the host for nothing.
  - Fails with a sentence for each variable that is wrong, with its name, the type of its value and what to do. That
    covers a template that fails, a secret that Vault cannot decrypt, and a name that is misspelled.
  - C(omit) means a variable's default. null means the empty text where that is the default, and is refused elsewhere.
  - A variable with the prefix of the role that is none of its variables, and that no setting uses, is refused if its
    name is like that of a setting. Otherwise it is a warning.
  - With C(ssh_login_notify_state=absent), only what a removal reads is checked, and no secret is.
  - No sentence shows the webhook, a value of a channel or the address of the dead man's switch.
options:
  secrets:
    description:
      - Whether the webhook, the channels and the address of the dead man's switch are checked. Vault may need its
        password for them.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: It changes nothing.
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Stop if a setting is wrong
  loginwatch.pam.check_settings:
"""

RETURN = r"""
problems:
  description: What is wrong and what to do, without a full stop. The task has failed if there is a problem.
  returned: always
  type: list
  elements: str
  sample: ["ssh_login_notify_pam_services is text, and must be a list: write [sshd]"]
"""
