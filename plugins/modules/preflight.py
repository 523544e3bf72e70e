# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

DOCUMENTATION = r"""
module: preflight
short_description: Examine a host before the SSH login notifier is installed
version_added: 0.1.0
description:
  - Finds out whether the notifier can run on a host, and which parts of it are already installed. It changes nothing.
  - If the notifier can't run on the host, it fails. The message has a sentence for each reason, such as an sshd with
    C(UsePAM no), and says what to do.
  - Takes one round trip, like M(ansible.builtin.raw). It also works on a host without Python, and reports that.
options:
  state:
    description: What the role will do with the notifier. With V(absent), fewer things are examined.
    type: str
    choices: [absent, present]
    default: present
  pam_services:
    description: PAM services that must run the program.
    type: list
    elements: str
    default: [sshd]
  copy_vendor:
    description: Whether the role may copy the vendor's file of a PAM service if there is no other.
    type: bool
    default: false
  units:
    description: Names of systemd units, each with V(true) if it must be enabled and active, or V(false) if it must not.
    type: dict
    default: {}
  services:
    description: Names of other systemd units, which the units in O(units) start.
    type: list
    elements: str
    default: []
  sandbox:
    description:
      - Settings that confine systemd services, as the filter P(loginwatch.pam.unit_sandbox#filter) returns them. The
        host starts C(/bin/true) with them, which shows whether it can set them up.
    type: list
    elements: dict
    default: []
  sandbox_of:
    description:
      - Names of systemd services. The role has a template for each of them, with C(.j2) at the end of its name. Their
        settings are added to O(sandbox).
    type: list
    elements: str
    default: []
  offline:
    description: Whether the host is an image or a chroot that is being built, in which systemd does not run.
    type: bool
    default: false
  accept:
    description:
      - Known and accepted problems of the host, out of V(user_environment), V(managed_file), V(writable_directories)
        and V(unreported_sshd).
    type: list
    elements: str
    default: []
  ca_file:
    description: A PEM file on the host that the sender must be able to read. Empty means none.
    type: str
    default: ''
  adopt:
    description: Whether the role will replace a hand-made notifier.
    type: bool
    default: false
  adopt_commands:
    description: Commands that PAM lines run as such a notifier.
    type: list
    elements: str
    default: []
  adopt_files:
    description: Files of such a notifier.
    type: list
    elements: str
    default: []
  program:
    description: Path of the notifier's program. Its first line names the Python that runs it.
    type: str
    default: /usr/local/bin/ssh-login-notify
  pythons:
    description: Paths of Pythons that may run the notifier, or patterns for such paths, in order of preference.
    type: list
    elements: str
    default: []
  python_modules:
    description: Python modules that the notifier imports.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: It changes nothing.
notes:
  - Use C(become), because only root can see everything that is examined.
seealso:
  - module: loginwatch.pam.pam_exec_line
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Find out whether the notifier can run on the host
  loginwatch.pam.preflight:
    pythons: [/usr/bin/python3]
  become: true
"""

RETURN = r"""
problems:
  description: Why the notifier can't run on the host, and what to do, in whole sentences. The task fails if there is a
    problem.
  returned: always
  type: list
  elements: str
  sample: ["sshd was not found: install the OpenSSH server (openssh-server) first."]
repairs:
  description: What differs from the wanted state and would be repaired by the role.
  returned: when a Python was found
  type: list
  elements: str
  sample: ["ssh-login-notify.timer: not enabled, not active, or not as the settings want it"]
notes:
  description: Facts about the host's sshds that are worth knowing, but need no action.
  returned: when a Python was found and O(state=present)
  type: list
  elements: str
  sample: ["2 sshds accept logins on this host: /usr/sbin/sshd on port 22; /usr/sbin/sshd -f /root/x on port 2222."]
sshds:
  description: Each sshd that accepts logins on the host, or the one in C(PATH) if none does.
  returned: when a Python was found
  type: list
  elements: str
  sample: [/usr/sbin/sshd on port 22]
installed:
  description: Whether the program is installed.
  returned: when a Python was found
  type: bool
python:
  description: The Python that will run the notifier.
  returned: when a Python was found
  type: str
  sample: /usr/bin/python3
scheduler:
  description: What starts the sender, V(systemd), V(cron) or V(none).
  returned: when a Python was found
  type: str
systemd_version:
  description: The version of systemd. V(9999) if there is no systemd, or if its version is unknown.
  returned: when a Python was found
  type: int
  sample: 252
sandbox_without:
  description:
    - The parts of O(sandbox) that the host can't set up, V(namespaces), V(system calls) or V(capabilities). Usually
      such a host is a container that is not allowed to mount.
  returned: when a Python was found
  type: list
  elements: str
account:
  description: Whether the sender's account is V(missing), V(right) or V(wrong).
  returned: when a Python was found
  type: str
selinux:
  description: Whether SELinux is enabled, in enforcing or permissive mode.
  returned: when a Python was found
  type: bool
labels_right:
  description: Whether everything that sshd writes to has the SELinux type that permits this.
  returned: when a Python was found
  type: bool
pam_services:
  description: The PAM services that run the program now.
  returned: when a Python was found
  type: list
  elements: str
  sample: [sshd]
metrics_files:
  description: The metrics file that the installed configuration names, if any.
  returned: when a Python was found
  type: list
  elements: str
  sample: [/var/lib/prometheus/node-exporter/ssh_login_notify.prom]
pam_line_due:
  description: Whether M(loginwatch.pam.pam_exec_line) would change a file of O(pam_services), or warn about one.
  returned: when a Python was found and O(state=present)
  type: bool
adopts:
  description: Whether this run will replace a hand-made notifier.
  returned: when a Python was found and O(state=present)
  type: bool
other_commands:
  description: The other commands that the PAM files of O(pam_services) run at each login.
  returned: when a Python was found and O(state=present)
  type: list
  elements: str
  sample: ["/etc/pam.d/sshd: /usr/local/bin/ssh-login-notify.sh"]
foreign_configuration:
  description: Whether the file at the path of the configuration belongs to a hand-made notifier.
  returned: when a Python was found
  type: bool
pam_faults:
  description: What is wrong with the PAM line, by service. Empty if all lines are right.
  returned: when a Python was found and O(state=present)
  type: dict
  sample: {"sshd": "is gone"}
user_environment:
  description: Whether a user can set the environment of the program that the PAM line runs.
  returned: when a Python was found and O(state=present)
  type: bool
delivered:
  description: Whether an alert was delivered after the last change of the notifier and the PAM files.
  returned: when a Python was found and O(state=present)
  type: bool
unit_files:
  description: Whether a unit file of the notifier is installed.
  returned: when a Python was found
  type: bool
wrong_units:
  description: The units of O(units) that are not enabled or active, or are so against the settings.
  returned: when a Python was found
  type: list
  elements: str
  sample: [ssh-login-notify.timer]
reload_is_due:
  description: Whether systemd has not loaded the current unit files.
  returned: when a Python was found
  type: bool
file_contexts:
  description: With O(state=absent), whether SELinux rules of the notifier are left to remove. Otherwise V(false).
  returned: when a Python was found
  type: bool
nologin_shell:
  description: The shell for an account that nobody logs in to.
  returned: when a Python was found
  type: str
  sample: /usr/sbin/nologin
"""
