# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hand-made notifier: a script, its webhook in a file, a line at the end of the PAM file, a cron job."""

from __future__ import annotations

import base64

from tests.lab.deploy import url
from tests.lab.operating import CONFIGURATION

SCRIPT = "/usr/local/bin/ssh-login-notify.sh"
JOB = "/etc/cron.d/ssh-notify-test"
PAM = "/etc/pam.d/sshd"
LINE = f"session optional pam_exec.so seteuid {SCRIPT}"
# Not the inventory's webhook: a request to the wrong one shows that the wrong file was read.
WEBHOOK = url("an-old-false-secret")

TEXTS = {
    # The image has no curl. (curl would also show the webhook to every user.)
    SCRIPT: """\
#!/bin/bash
if [ "$PAM_TYPE" = open_session ]; then
    . /usr/local/etc/ssh-notify.conf
    python3 - "$SLACK_WEBHOOK_URL" "by hand: $PAM_USER from $SSH_CONNECTION" << 'END'
import json, ssl, sys, urllib.request
request = urllib.request.Request(sys.argv[1], json.dumps({"text": sys.argv[2]}).encode())
request.add_header("Content-Type", "application/json")
urllib.request.urlopen(request, context=ssl.create_default_context(cafile="/etc/ssl/certs/receiver.pem"), timeout=10)
END
fi
""",
    CONFIGURATION: f"# the channel of the operators\nSLACK_WEBHOOK_URL={WEBHOOK}\n",
    JOB: f"MAILTO=root\n0 9 * * 1 root PAM_TYPE=open_session PAM_USER=test {SCRIPT}\n",
}
MODES = {SCRIPT: "0750", CONFIGURATION: "0600", JOB: "0644"}


def set_up(server) -> None:
    """Install the hand-made notifier on a server, or restore it if it is already there."""
    for path, text in TEXTS.items():
        encoded = base64.b64encode(text.encode()).decode()
        server.check_output(f"echo {encoded} | base64 -d > {path} && chmod {MODES[path]} {path}")
    server.check_output(f"grep -qF '{LINE}' {PAM} || echo '{LINE}' >> {PAM}")


def clear(server) -> None:
    """Remove the hand-made notifier, and the copies that an adoption has set aside."""
    server.check_output(f"rm -rf {' '.join(TEXTS)} /root/ssh-login-notify-adopted; sed -i '\\,{SCRIPT},d' {PAM}")
