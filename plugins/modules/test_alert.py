#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: test_alert
short_description: Prove that a host's login alerts arrive
version_added: 0.1.0
description:
  - Sends a test alert through the notifier as it is installed and configured on the host, and returns the answer of
    the receiving service.
  - With O(path=pam) the alert takes the whole path of a login. The module opens a session of a temporary PAM service
    that contains only the line from the service O(service), and waits until the alert of that session is delivered.
  - With several channels, all of them are tried. The task fails with the first channel that did not accept the alert.
  - The webhook and the channels' secrets are neither read nor returned nor logged.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Sends nothing, and does not check whether anything is installed.
  diff_mode:
    support: none
    details:
      - The host is not changed, so there is nothing to compare.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: none
    details:
      - The task never reports a change, but each run sends another alert.
  platform:
    platforms: linux
options:
  path:
    description:
      - V(direct) runs C(ssh-login-notify test), which proves that configuration, network and receiving service work.
      - V(pam) opens a PAM session, which also proves that the installed line, the capture and the sender work
        together. Only sshd itself and its C(UsePAM) are not covered. If the rules keep this session's alert from a
        channel, the module sends that channel a test alert directly.
    type: str
    choices: [direct, pam]
    default: direct
  program:
    description:
      - Path of the notifier on the host.
    type: path
    default: /usr/local/bin/ssh-login-notify
  configuration:
    description:
      - Path of a configuration to use instead of the installed one, with O(path=direct), for example to try a new
        webhook before it is installed.
      - Like the installed one, it must belong to root and be readable only by root.
    type: path
  channel:
    description:
      - The name of the only channel to try, with O(path=direct). The webhook of
        O(loginwatch.pam.ssh_login_notify#role:main:ssh_login_notify_webhook_url) is the channel V(webhook).
    type: str
  service:
    description:
      - The PAM service whose line is tested with O(path=pam).
    type: str
    default: sshd
  timeout:
    description:
      - How many seconds the delivery of the alert may take.
      - With O(path=pam), a host that is slow to answer C(ssh-login-notify status) gets proportionally more time.
    type: int
    default: 30
  pam_d:
    description:
      - The directory of PAM services, for O(path=pam). A directory other than V(/etc/pam.d) needs Linux-PAM 1.4 or
        later.
    type: path
    default: /etc/pam.d
notes:
  - With O(path=pam) the file C(ssh-login-notify-test) exists in O(pam_d) for a moment. It is always removed.
  - Run it as root. Only root can read the notifier's configuration.
seealso:
  - module: loginwatch.pam.pam_exec_line
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Send a test alert
  loginwatch.pam.test_alert:

- name: Send a test alert through a PAM session, with the line that is installed for sshd
  loginwatch.pam.test_alert:
    path: pam
    timeout: 60

- name: Send a test alert to a single channel
  loginwatch.pam.test_alert:
    channel: ops

- name: Try a configuration before it is installed
  loginwatch.pam.test_alert:
    configuration: /root/candidate.conf
"""

RETURN = r"""
delivered:
  description: Whether the receiving service accepted the alert. Null in check mode.
  returned: always
  type: bool
  sample: true
status:
  description: The HTTP status of the answer. Null if there was none.
  returned: when the notifier could be run
  type: int
  sample: 200
answer:
  description: The answer of the receiving service, or the reason why there is none.
  returned: when the notifier could be run
  type: str
  sample: ok
mend:
  description: What to do about the failure. Null if the alert was delivered.
  returned: when the notifier could be run
  type: str
  sample: the webhook was removed or switched off; create a new one
seconds:
  description: How many seconds the delivery took. With O(path=pam), from the opening of the session to the delivery.
  returned: when the notifier could be run
  type: float
  sample: 0.21
id:
  description: The identifier at the end of the alert. Null if there was no alert.
  returned: when the notifier could be run
  type: str
  sample: 1763884862.123456-4242
channel:
  description: The name of the channel that did not accept the alert. The values above are those of this channel. Null
    if all channels accepted it, or if there is only one channel.
  returned: when the notifier could be run
  type: str
  sample: ops
channels:
  description:
    - With several channels, the values RV(delivered), RV(status), RV(answer), RV(mend) and RV(seconds) of each channel,
      by its name. Null for a channel that was not tried.
  returned: when the notifier could be run
  type: dict
  sample: {}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._notifier import NoAnswerError, Notifier
from ansible_collections.loginwatch.pam.plugins.module_utils._pam_session import PamSession


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "choices": ["direct", "pam"], "default": "direct"},
            "program": {"type": "path", "default": "/usr/local/bin/ssh-login-notify"},
            "configuration": {"type": "path"},
            "channel": {"type": "str"},
            "service": {"type": "str", "default": "sshd"},
            "timeout": {"type": "int", "default": 30},
            "pam_d": {"type": "path", "default": "/etc/pam.d"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["timeout"] < 1:
        module.fail_json(msg="timeout must be at least 1 second.", delivered=False)
    if params["configuration"] and params["path"] == "pam":
        msg = "configuration requires 'path: direct', because a PAM session uses the installed one."
        module.fail_json(msg=msg, delivered=False)
    if params["channel"] and params["path"] == "pam":
        msg = "channel requires 'path: direct', because the rules say where the alert of a PAM session goes."
        module.fail_json(msg=msg, delivered=False)
    if module.check_mode:
        module.exit_json(changed=False, delivered=None, msg="Check mode: nothing was sent.")
    notifier = Notifier(params["program"])
    try:
        if params["path"] == "pam":
            session = PamSession(module, notifier, params["service"], params["pam_d"])
            outcome = session.send_test_alert(params["timeout"])
        else:
            outcome = notifier.send_test_alert(params["configuration"], params["timeout"], params["channel"])
    except NoAnswerError as error:
        module.fail_json(msg=f"No test alert was delivered. {error}", delivered=False)
    except OSError as error:
        module.fail_json(msg=f"No test alert was delivered: {error}", delivered=False)
    values = outcome._asdict()
    if not outcome.delivered:
        module.fail_json(msg=outcome.failure(), **values)
    module.exit_json(changed=False, **values)


if __name__ == "__main__":
    main()
