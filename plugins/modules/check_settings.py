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
    It does not contact the host.
  - If a variable is wrong, it fails. The message has a sentence for each such variable, with its name, the type of its
    value and what to do. This includes templates that fail, secrets that Vault cannot decrypt, and misspelled names.
  - C(omit) means the default of a variable. null means the empty text if that is the default, and is refused otherwise.
  - A variable that has the role's prefix, but is not one of the role's and is not used by a setting, is refused if its
    name resembles that of a setting. Otherwise it causes a warning.
  - With C(ssh_login_notify_state=absent), only the variables that a removal reads are checked. None of them is a
    secret.
  - No message shows the webhook, the proxy, a value of a channel or the URL of the dead man's switch.
options:
  secrets:
    description:
      - Whether to check the webhook, the channels, the proxy and the URL of the dead man's switch, which may need the
        password of the vault.
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
  description: What is wrong and what to do, without a full stop. If there is a problem, the task fails.
  returned: always
  type: list
  elements: str
  sample: ["ssh_login_notify_pam_services is text, and must be a list: write [sshd]"]
"""
