# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attacker with the service user's rights does not become root. See also test_planted.py, for files in the spool.

docs/threat-model.md lists what the service user can do: delete waiting alerts, and invent some.
"""

from __future__ import annotations

import re

import pytest
from attacks.setup import as_service

testinfra_hosts = ["ansible://systemd"]

SPOOL = "/var/spool/ssh-login-notify"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
# An alert's name from the distant past, so it is first in the queue.
NAME = "1000000000.000000-77"
# By systemd's own measure, of 10. A tenth of it is for the home directories (docs/threat-model.md).
MOST_EXPOSURE = 2.1
FORBIDDEN = {
    "reads the webhook": f"cat {CONFIGURATION}",
    "changes the configuration": f"echo >> {CONFIGURATION}",
    "forges a capture": f"touch {SPOOL}/incoming/{NAME}",
    "sees captures": f"ls {SPOOL}/incoming",
    "swaps a directory": f"mv {SPOOL}/outgoing {SPOOL}/away",
    "makes a directory": f"mkdir {SPOOL}/more",
    "holds a lock": f"exec 3<> {SPOOL}/sender.lock",
    "changes the program": "echo >> /usr/local/bin/ssh-login-notify",
    "changes the package": "touch /usr/local/lib/ssh-login-notify/ssh_login_notify/json.py",
    "adds to the overflow": "mkdir /run/ssh-login-notify/more",
    "changes the PAM stack": "echo >> /etc/pam.d/sshd",
    "reads root's memory": "cat /proc/1/environ",
}


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_it_may_not(deed, host):
    host.check_output("mkdir -p -m 700 /run/ssh-login-notify")
    attempt = as_service(host, FORBIDDEN[deed])
    assert attempt.failed
    assert "denied" in attempt.stderr or "not permitted" in attempt.stderr, attempt.stderr


def test_the_unit_gives_the_sender_no_more_than_it_needs(host):
    """docs/threat-model.md lists what is left."""
    said = host.check_output("systemd-analyze security --no-pager ssh-login-notify.service")
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(exposure) <= MOST_EXPOSURE
