# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook, a CA file or a host that can't do is refused with the reason, before anything is changed.

No webhook is shown.
"""

from __future__ import annotations

import pytest

from tests.lab.deploy import SECRET, deploy, refusals, url

# The role refuses it on the controller, so one server is enough.
testinfra_hosts = ["ansible://plain"]

CRITICAL = 2  # of `status`, as monitoring plugins have it
FOOTPRINT = "sha256sum /usr/local/etc/ssh-notify.conf /etc/pam.d/sshd /usr/local/bin/ssh-login-notify"


WEBHOOKS = {
    "a-list": [url(SECRET)],
    "a-mapping": {"url": url(SECRET)},
    "a-line-feed-at-its-end": url(SECRET) + "\n",
    "plain-http": url(SECRET).replace("https", "http"),
    "no-scheme": url(SECRET).replace("https://", ""),
    "a-password-in-it": f"https://user:{SECRET}@receiver:8443/",
    "an-empty-label": url(SECRET).replace("receiver", "hooks..slack"),
    "a-label-of-64": url(SECRET).replace("receiver", "a" * 64),
}


def test_a_webhook_is_refused_without_being_shown(host, tmp_path):
    before = host.check_output(FOOTPRINT)
    said, output = refusals(host, tmp_path, {name: {"webhook_url": webhook} for name, webhook in WEBHOOKS.items()})
    assert [name for name in said if "Nothing was changed. ssh_login_notify_webhook_url" not in said[name]] == []
    assert SECRET not in output
    assert host.check_output(FOOTPRINT) == before


@pytest.fixture
def ca_file(host):
    """Put the receiver's authority somewhere else; all that is made for it goes afterwards."""
    made = []

    def put(path: str, owner: str, mode: str) -> str:
        made.append(path)
        host.check_output(f"install -o {owner} -m {mode} /etc/ssl/certs/receiver.pem {path}")
        return path

    yield put
    for path in made:
        host.check_output(f"rm {path}")


# Of authorities: where, whose, with which mode, and why not.
UNREADABLE = {
    "roots-home": ("/root/ca.pem", "root", "0644", "the sandbox of a unit hides /root"),
    "var-tmp": ("/var/tmp/ca.pem", "root", "0644", "the sandbox of a unit hides /var/tmp"),  # noqa: S108
    "anothers": ("/etc/ssl/hidden.pem", "deploy", "0600", "no permission for /etc/ssl/hidden.pem"),
}


def test_authorities_that_the_sender_could_not_read_are_refused(host, tmp_path, ca_file):
    before = host.check_output(FOOTPRINT)
    files = {name: {"ca_file": ca_file(path, owner, mode)} for name, (path, owner, mode, _why) in UNREADABLE.items()}
    said, _output = refusals(host, tmp_path, files)
    for name, (_path, _owner, _mode, why) in UNREADABLE.items():
        assert "Nothing was changed. ssh_login_notify_ca_file" in said[name]
        assert why in said[name]
        assert "put it below /etc/ssl" in said[name]
    assert host.check_output(FOOTPRINT) == before


def test_authorities_that_only_root_may_read_will_do(host, tmp_path, ca_file):
    good = deploy(host, tmp_path, url(SECRET), ca_file=ca_file("/etc/ssl/roots.pem", "root", "0400"))
    back = deploy(host, tmp_path, url(SECRET), ca_file="/etc/ssl/certs/receiver.pem")
    assert good.returncode == 0, good.stdout
    assert back.returncode == 0, back.stdout


@pytest.mark.parametrize(
    ("damage", "mend", "reason", "accepted"),
    [
        (
            "chmod o+w /usr/local/bin", "chmod o-w /usr/local/bin",
            "Users other than root can write to /usr/local/bin", "writable_directories",
        ),
        (
            "echo auth optional pam_env.so user_readenv=1 >> /etc/pam.d/common-auth",
            "sed -i '$d' /etc/pam.d/common-auth",
            "Remove user_readenv=1", "user_environment",
        ),
    ],
    ids=["a directory that others may write", "a user's environment in the auth part"],
)  # fmt: skip
def test_a_host_that_would_run_other_peoples_code_as_root_is_refused(host, tmp_path, damage, mend, reason, accepted):
    before = host.check_output(FOOTPRINT)
    host.check_output(damage)
    try:
        refused = deploy(host, tmp_path, url("not-a-real-secret-of-a-run-that-is-refused"))
        told = host.run("ssh-login-notify status")
        good = deploy(host, tmp_path, url(SECRET), accept=[accepted], send_test_alert=False)
    finally:
        host.check_output(mend)
    assert refused.returncode != 0
    assert reason in " ".join((refused.stdout + refused.stderr).split())
    assert told.rc == CRITICAL, told.stdout
    assert good.returncode == 0, good.stdout[-3000:]
    back = deploy(host, tmp_path, url(SECRET), send_test_alert=False)
    assert back.returncode == 0, back.stdout[-3000:]
    assert host.check_output(FOOTPRINT) == before
