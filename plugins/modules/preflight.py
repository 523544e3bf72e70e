# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

DOCUMENTATION = r"""
module: preflight
short_description: Examine a host before the SSH login notifier is installed
version_added: 0.1.0
description:
  - Finds out whether the notifier can work on a host, and what of it is there already. It changes nothing.
  - Fails with a sentence for each reason why the host is not fit, such as an sshd with C(UsePAM no), and what to do.
  - Needs no Python to say that there is none, and takes one round trip, as M(ansible.builtin.raw) does.
options:
  state:
    description: What the role is to do with the notifier. With V(absent), less is looked at.
    type: str
    choices: [absent, present]
    default: present
  pam_services:
    description: PAM services that are to run the program.
    type: list
    elements: str
    default: [sshd]
  units:
    description: Names of systemd units, each with V(true) if it is to be enabled and active, and V(false) if it is not.
    type: dict
    default: {}
  services:
    description: Names of other systemd units, which those of O(units) start.
    type: list
    elements: str
    default: []
  sandbox:
    description:
      - Settings that confine systemd services, as the filter P(loginwatch.pam.unit_sandbox#filter) returns them. The
        host starts C(/bin/true) with them, and so shows whether it can set them up.
    type: list
    elements: dict
    default: []
  offline:
    description: Whether the host is an image or a chroot that is being built, in which systemd does not run.
    type: bool
    default: false
  accept:
    description:
      - Faults of the host that are known and accepted. V(writable_directories) and V(unreported_sshd) are looked for
        here.
    type: list
    elements: str
    default: []
  ca_file:
    description: A PEM file on the host that the sender has to be able to read. Empty for none.
    type: str
    default: ''
  adopt:
    description: Whether a notifier that was set up by hand is to be replaced.
    type: bool
    default: false
  adopt_commands:
    description: Commands by which PAM lines run such a notifier.
    type: list
    elements: str
    default: []
  adopt_files:
    description: Files of such a notifier.
    type: list
    elements: str
    default: []
  program:
    description: The notifier's program, whose first line names the Python that it runs by.
    type: str
    default: /usr/local/bin/ssh-login-notify
  pythons:
    description: Paths of Pythons that the notifier may run by, or patterns of such paths, the best first.
    type: list
    elements: str
    default: []
  python_modules:
    description: Modules that the notifier's Python has to have.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: It changes nothing.
notes:
  - Use C(become), since only root may see all of it.
seealso:
  - module: loginwatch.pam.pam_exec_line
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Find out whether the notifier can work here
  loginwatch.pam.preflight:
    pythons: [/usr/bin/python3]
  become: true
"""

RETURN = r"""
problems:
  description: Why the host is not fit, and what to do, in whole sentences. The task has failed if there is one.
  returned: always
  type: list
  elements: str
  sample: ["sshd was not found: install the OpenSSH server (openssh-server) first."]
repairs:
  description: What differs from the wanted state, and the role would repair.
  returned: when a Python was found
  type: list
  elements: str
  sample: ["ssh-login-notify.timer: not enabled, not active, or not as the settings want it"]
notes:
  description: What is worth knowing about the host's sshds although there is nothing to do.
  returned: when a Python was found and O(state=present)
  type: list
  elements: str
  sample: ["2 sshds accept logins on this host: /usr/sbin/sshd on port 22; /usr/sbin/sshd -f /root/x on port 2222."]
sshds:
  description: Each sshd that accepts logins on the host, or else the one in C(PATH).
  returned: when a Python was found
  type: list
  elements: str
  sample: [/usr/sbin/sshd on port 22]
installed:
  description: Whether the program is there.
  returned: when a Python was found
  type: bool
python:
  description: The Python that the notifier is to run by.
  returned: when a Python was found
  type: str
  sample: /usr/bin/python3
scheduler:
  description: What starts the sender, V(systemd), V(cron) or V(none).
  returned: when a Python was found
  type: str
systemd_version:
  description: The version of systemd. V(9999) without it, or when it does not tell its version.
  returned: when a Python was found
  type: int
  sample: 252
sandbox_without:
  description:
    - The parts of O(sandbox) that the host can't set up, V(namespaces), V(system calls) or V(capabilities). Usually the
      host is a container that may not mount.
  returned: when a Python was found
  type: list
  elements: str
account:
  description: Whether the sender's account is V(missing), V(right) or V(wrong).
  returned: when a Python was found
  type: str
selinux:
  description: Whether SELinux is on, permissive included.
  returned: when a Python was found
  type: bool
labels_right:
  description: Whether all that sshd writes to has the SELinux type that lets it.
  returned: when a Python was found
  type: bool
pam_services:
  description: The PAM services that run the program now.
  returned: when a Python was found
  type: list
  elements: str
  sample: [sshd]
adopts:
  description: Whether a notifier that was set up by hand is to be replaced in this run.
  returned: when a Python was found and O(state=present)
  type: bool
"""
