#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: systemd_units
short_description: Enable and start, or stop and disable, several systemd units in one round trip
version_added: 0.1.0
author:
  - The loginwatch founders (@loginwatch)
description:
  - Does for several units what M(ansible.builtin.systemd_service) does for one. With a loop over that module, each unit
    costs a round trip and a start of Python, and systemd rereads all unit files for each unit that is enabled.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - A unit in O(started) whose file does not exist yet is reported as one that would be enabled and started.
  diff_mode:
    support: full
    details:
      - Shows a line for each change.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: partial
    details:
      - With O(reload=true) each run restarts the active units.
  platform:
    platforms: linux
    details:
      - For hosts that run systemd and, with O(offline=true), for images of such hosts.
options:
  started:
    description: Names of the units to enable and start.
    type: list
    elements: str
    default: []
  stopped:
    description:
      - Names of the units to stop and disable. They are stopped one after the other, in this order. A unit that does
        not exist is ignored.
    type: list
    elements: str
    default: []
  reload:
    description:
      - Whether unit files have changed. If so, systemd rereads them, and the active units in O(started) are restarted.
    type: bool
    default: false
  offline:
    description:
      - Whether the host is an image or a chroot that is being built, in which systemd does not run. If so, units are
        enabled and disabled but not started or stopped, and O(reload) has no effect.
    type: bool
    default: false
  announced_by:
    description:
      - A file that is touched before anything is changed, if it exists. It tells a program that watches the units that
        this change is intended. The task does not count this as a change.
    type: path
"""

EXAMPLES = r"""
- name: Enable and start two units
  loginwatch.pam.systemd_units:
    started: [example.path, example.timer]

- name: Undo that
  loginwatch.pam.systemd_units:
    stopped: [example.timer, example.path, example.service]
"""

RETURN = r"""
changes:
  description: The changes that were made, or would be made in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - enable example.timer
    - start example.timer
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._systemd_units import SystemdError, SystemdUnits


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "started": {"type": "list", "elements": "str", "default": []},
            "stopped": {"type": "list", "elements": "str", "default": []},
            "reload": {"type": "bool", "default": False},
            "offline": {"type": "bool", "default": False},
            "announced_by": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    # With SYSTEMD_OFFLINE systemctl does not contact systemd, and only changes files (docs/ENVIRONMENT.md of systemd).
    environment = {"LC_ALL": "C", "LANGUAGE": "C", **({"SYSTEMD_OFFLINE": "1"} if params["offline"] else {})}
    systemctl = module.get_bin_path("systemctl", required=True)
    units = SystemdUnits(
        lambda words: module.run_command([systemctl, *words], environ_update=environment),
        offline=params["offline"],
        check_mode=module.check_mode,
    )
    try:
        if params["announced_by"] and not module.check_mode and Path(params["announced_by"]).exists():
            os.utime(params["announced_by"])
        units.bring_to(params["started"], params["stopped"], params["reload"])
    except SystemdError as error:
        module.fail_json(msg=str(error), changes=units.changes)
    except OSError as error:
        module.fail_json(msg=f"{params['announced_by']} could not be touched: {error}", changes=units.changes)
    after = "".join(change + "\n" for change in units.changes)
    module.exit_json(changed=bool(units.changes), changes=units.changes, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
