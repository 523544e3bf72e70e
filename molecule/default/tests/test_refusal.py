# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook that can't be right is refused with the reason, before anything is changed, and is not shown."""

from __future__ import annotations

import pytest
from shared.deploy import SECRET, deploy, url

# The role refuses it on the controller, so one server is enough.
testinfra_hosts = ["ansible://plain"]

FOOTPRINT = "sha256sum /usr/local/etc/ssh-notify.conf /etc/pam.d/sshd /usr/local/bin/ssh-login-notify"


@pytest.mark.parametrize(
    "webhook",
    [
        [url(SECRET)],
        {"url": url(SECRET)},
        url(SECRET) + "\n",
        url(SECRET).replace("https", "http"),
        url(SECRET).replace("https://", ""),
        f"https://user:{SECRET}@receiver:8443/",
    ],
    ids=["a list", "a mapping", "a line feed at its end", "plain http", "no scheme", "a password in it"],
)
def test_it_is_refused_without_being_shown(host, tmp_path, webhook):
    before = host.check_output(FOOTPRINT)
    refused = deploy(host, tmp_path, webhook)
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "Nothing was changed. ssh_login_notify_webhook_url" in said
    assert SECRET not in said
    assert host.check_output(FOOTPRINT) == before
