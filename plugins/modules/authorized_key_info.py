#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: authorized_key_info
short_description: List the keys that open the accounts of a host
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Reads the settings of each sshd on the host for each account, as C(sshd -T -C user=NAME) prints them, and then the
    files that these settings name. It changes nothing and does not run an C(AuthorizedKeysCommand).
  - Each file is opened with the rights of its account, as sshd does. Only regular files are read, up to 16 MiB or 5000
    lines, and no file that would block the task. Whatever was not examined is reported.
  - Texts that an account's owner chooses are made printable and cut after some hundred characters. They can still be
    false. A comment proves nothing.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing.
  diff_mode:
    support: none
  platform:
    platforms: linux
options:
  users:
    description:
      - The accounts to examine. By default these are all accounts that the host enumerates (C(getent passwd)).
      - A directory such as LDAP or Active Directory often does not enumerate its accounts (C(enumerate) of sssd). List
        the accounts here, or those that C(getent passwd) does not show will be missing.
    type: list
    elements: str
notes:
  - Use C(become). Without root, only your own files can be read.
seealso:
  - module: ansible.posix.authorized_key
    description: Adds and removes keys.
"""

EXAMPLES = r"""
- name: List the keys of all accounts
  loginwatch.pam.authorized_key_info:
  become: true
  register: found

- name: Show who can log in as root
  ansible.builtin.debug:
    msg: "{{ found.authorized_keys | selectattr('uid', '==', 0) | map(attribute='comment') }}"

- name: List the keys of accounts in a directory
  loginwatch.pam.authorized_key_info:
    users: [ada, grace]
  become: true
"""

RETURN = r"""
authorized_keys:
  description: One entry for each line with a key, and for each account that a certificate of a trusted authority opens.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account.
      type: str
      sample: deploy
    uid:
      description: The uid of the account.
      type: int
      sample: 1000
    file:
      description: The file.
      type: str
      sample: /home/deploy/.ssh/authorized_keys
    line:
      description: The number of the line, counted from 1.
      type: int
      sample: 3
    kind:
      description:
        - V(authority) if certificates that the key has signed open the account, for a line with C(cert-authority) or a
          key of C(TrustedUserCAKeys). V(key) otherwise.
      type: str
      sample: key
    type:
      description: The type of the key, as C(ssh-keygen -lf) prints it.
      type: str
      sample: ED25519
    bits:
      description: The size of the key in bits. Null if the type is not known.
      type: int
      sample: 256
    fingerprint:
      description: The fingerprint, as C(ssh-keygen -lf) prints it. For a certificate, that of the key in it.
      type: str
      sample: SHA256:f6uBN0xeaeIBRuHf0jlVw3y2uykdlG8iaGsAB6cCIyE
    comment:
      description: The comment. Anyone who can write the line can choose it.
      type: str
      sample: ada@laptop
    options:
      description: The options, in the order of the line. Empty if sshd refuses them.
      type: list
      elements: dict
      contains:
        name:
          description: The name, in lower case.
          type: str
          sample: from
        value:
          description: The value without its quotes. Null if the option has no value.
          type: str
          sample: 192.0.2.0/24
    principals:
      description: For an authority, the principals with which a certificate opens the account.
      type: list
      elements: str
      sample: [deploy]
    refused:
      description:
        - Why sshd accepts no login by this line. Empty if it does, or if that can't be determined.
        - It is a clause without a full stop.
      type: str
      sample: "sshd refuses the file: bad ownership or modes for directory /home/deploy"
    sshds:
      description: The sshds that accept the line for this account, as in RV(sshds).
      type: list
      elements: str
malformed:
  description: Lines that sshd can't use. Their contents are not shown.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account.
      type: str
    uid:
      description: The uid of the account.
      type: int
    file:
      description: The file.
      type: str
    line:
      description: The number of the line.
      type: int
    reason:
      description: The reason, as a clause.
      type: str
      sample: its key is not complete Base64
principals:
  description: The lines of C(AuthorizedPrincipalsFile).
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account.
      type: str
    uid:
      description: The uid of the account.
      type: int
    file:
      description: The file.
      type: str
    line:
      description: The number of the line.
      type: int
    principal:
      description: A principal with which a certificate opens the account.
      type: str
    options:
      description: As in RV(authorized_keys).
      type: list
      elements: dict
    refused:
      description: As in RV(authorized_keys).
      type: str
files:
  description: The existing files that the settings name.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account. Empty for a file that applies to all accounts.
      type: str
    path:
      description: The path.
      type: str
    problem:
      description: Why the file was not read, or only in part. Empty if it was read completely.
      type: str
      sample: it is not a regular file
    unsafe:
      description: Why sshd refuses the file if C(StrictModes) is on. Empty if it accepts it.
      type: str
commands:
  description: The commands that sshd runs to get keys or principals. This module does not run them.
  returned: success
  type: list
  elements: dict
  contains:
    setting:
      description: V(AuthorizedKeysCommand) or V(AuthorizedPrincipalsCommand).
      type: str
    command:
      description: The command as it is configured.
      type: str
    user:
      description: The user who runs the command.
      type: str
    sshd:
      description: The sshd that runs the command, as in RV(sshds).
      type: str
sshds:
  description: The sshds of the host.
  returned: success
  type: list
  elements: str
  sample: [/usr/sbin/sshd on port 22]
accounts:
  description: How many accounts were examined.
  returned: success
  type: int
  sample: 31
notes:
  description: What the lists do not contain, and why, in whole sentences.
  returned: success
  type: list
  elements: str
  sample: [The keys that AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys prints are not listed.]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import account_keys


def main() -> None:
    module = AnsibleModule(
        argument_spec={"users": {"type": "list", "elements": "str"}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **account_keys.examine(module.params["users"]))


if __name__ == "__main__":
    main()
