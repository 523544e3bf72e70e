#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: mute
short_description: Mute the login alerts of Ansible's own connection for some minutes
version_added: 0.1.0
description:
  - Opens a window of some minutes in which the logins of one user, from one address, by one key, cause no message.
    User, address and key are those of the SSH connection in which this task runs, and cannot be chosen.
  - One message announces the window, with O(reason). When the window ends, another message says how many logins there
    were, by type and command. The system's log still contains each login.
  - The window ends by itself. A second task does not extend it.
  - All other logins are still reported, and so is a heavy login of the same user, such as one with an anomaly or the
    first of its type. Only the weight C(root) is covered, if root's own connection opens the window.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Finds the login of the connection on the host, but opens no window.
  diff_mode:
    support: none
    details:
      - A window has no text to compare.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: partial
    details:
      - While the window is open, a second task returns it and changes nothing. Later, the task opens a new window.
  platform:
    platforms: linux
options:
  state:
    description:
      - V(muted) opens the window, or resumes it after V(paused).
      - V(paused) reports logins until a task with V(muted) runs. So a login can prove that alerts arrive.
      - V(ended) closes the window now.
      - If there is no window, V(paused) and V(ended) change nothing.
    type: str
    choices: [muted, paused, ended]
    default: muted
  minutes:
    description:
      - How long the window is open, from 1 to 60 minutes.
    type: int
    default: 10
  reason:
    description:
      - The reason, which both messages show.
      - Required with O(state=muted).
    type: str
  program:
    description:
      - Path of the notifier on the host.
    type: path
    default: /usr/local/bin/ssh-login-notify
notes:
  - Run it as root, over an SSH connection that was authenticated by key. A login by password is refused, because a
    window without a key would apply to everybody who knows the password.
  - The notifier must know the login of this connection. A connection that was kept open for days (C(ControlPersist))
    may be too old. In that case, use M(ansible.builtin.meta) with C(reset_connection) first.
seealso:
  - module: loginwatch.pam.test_alert
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Mute Ansible's own logins while it deploys
  loginwatch.pam.mute:
    minutes: 30
    reason: deploy 4711

- name: Report logins again
  loginwatch.pam.mute:
    state: ended
"""

RETURN = r"""
mute:
  description: The window of this connection. Null if there is none.
  returned: success
  type: dict
  contains:
    id:
      description: The identifier of the window and of its announcement.
      type: str
      sample: 1763884862.123456-4242
    user:
      description: The user whose logins are muted.
      type: str
      sample: ansible
    address:
      description: The address that the logins come from.
      type: str
      sample: 10.0.3.7
    key:
      description: The key of the logins, as the notifier compares it.
      type: str
      sample: publickey SHA256:6mxDkL6VRzQkJjN2mV3pAuE2o8hs2sKc0l3kRkBqTqo
    opened_at:
      description: When the window was opened, in UTC.
      type: str
      sample: "2026-11-23T08:00:00Z"
    until:
      description: When the window ends, in UTC.
      type: str
      sample: "2026-11-23T08:30:00Z"
    minutes:
      description: The length of the window in minutes.
      type: int
      sample: 30
    reason:
      description: The reason that was given.
      type: str
      sample: deploy 4711
    paused:
      description: Whether the window is paused, so that logins are reported.
      type: bool
      sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._notifier import NoAnswerError, Notifier


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["muted", "paused", "ended"], "default": "muted"},
            "minutes": {"type": "int", "default": 10},
            "reason": {"type": "str"},
            "program": {"type": "path", "default": "/usr/local/bin/ssh-login-notify"},
        },
        required_if=[("state", "muted", ["reason"])],
        supports_check_mode=True,
    )
    params = module.params
    words = {
        "muted": ["--minutes", str(params["minutes"]), "--reason=" + (params["reason"] or "")],
        "paused": ["--pause"],
        "ended": ["--end"],
    }[params["state"]]
    try:
        answer = Notifier(params["program"]).mute(words + ["--check"] * module.check_mode)
    except NoAnswerError as error:
        module.fail_json(msg=f"Nothing was muted. {error}")
    if answer.get("answer"):
        module.fail_json(msg="Nothing was muted: {}.".format(answer["answer"]))
    if answer.get("warning"):
        module.warn("{}.".format(answer["warning"]))
    module.exit_json(changed=answer.get("changed") is True, mute=answer.get("mute"))


if __name__ == "__main__":
    main()
