# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A setting or a host that can't work is refused with the reason, before anything is changed.

No webhook is shown.
"""

from __future__ import annotations

import pytest

from tests.lab.deploy import SECRET, deploy, refusals, url

# The role refuses settings on the controller, so one server is enough.
testinfra_hosts = ["ansible://plain"]
pytestmark = pytest.mark.usefixtures("nobody_looks_by_the_clock")

CRITICAL = 2  # the exit code of `status`, as of monitoring plugins
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
FOOTPRINT = f"sha256sum {CONFIGURATION} /etc/pam.d/sshd /usr/local/bin/ssh-login-notify"
PING = "https://receiver:8443/ping/not-a-real-id"

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
# Files of authorities: the path, the owner, the mode, and the reason for the refusal.
UNREADABLE = {
    "roots-home": ("/root/ca.pem", "root", "0644", "the sandbox of a unit hides /root"),
    "var-tmp": ("/var/tmp/ca.pem", "root", "0644", "the sandbox of a unit hides /var/tmp"),  # noqa: S108
    "anothers": ("/etc/ssl/hidden.pem", "deploy", "0600", "no permission for /etc/ssl/hidden.pem"),
}
USELESS_HEARTBEATS: dict[str, dict[str, object]] = {
    "no-time": {"heartbeat_time": "8:30"},
    "neither-message-nor-ping": {"heartbeat_time": "08:30", "heartbeat_message": False},
    "a-ping-at-no-time": {"heartbeat_ping_url": PING},
    "a-ping-without-scheme": {"heartbeat_time": "08:30", "heartbeat_ping_url": PING[5:]},
}


# These settings are right, but on the host a directory of root's programs is writable for others.
OPEN_DIRECTORY = "usual"


@pytest.fixture(scope="module")
def refused(host, tmp_path_factory) -> tuple[dict[str, str], str]:
    """The role's message for each of these settings, and the output of the run. Nothing on the server has changed."""
    settings: dict[str, dict[str, object]] = {name: {"webhook_url": webhook} for name, webhook in WEBHOOKS.items()}
    settings |= {name: {"ca_file": path} for name, (path, _owner, _mode, _why) in UNREADABLE.items()}
    settings |= USELESS_HEARTBEATS
    settings[OPEN_DIRECTORY] = {}
    assert len(settings) == len(WEBHOOKS) + len(UNREADABLE) + len(USELESS_HEARTBEATS) + 1, "each has its own name"
    before = host.check_output(FOOTPRINT)
    host.check_output("chmod o+w /usr/local/bin")
    for path, owner, mode, _why in UNREADABLE.values():
        host.check_output(f"install -o {owner} -m {mode} /etc/ssl/certs/receiver.pem {path}")
    try:
        said, output = refusals(host, tmp_path_factory.mktemp("refused"), settings)
    finally:
        host.check_output("chmod o-w /usr/local/bin; rm " + " ".join(path for path, *_others in UNREADABLE.values()))
    assert host.check_output(FOOTPRINT) == before
    return said, output


def test_a_webhook_is_refused_without_being_shown(refused):
    said, output = refused
    assert [name for name in WEBHOOKS if "Nothing was changed. ssh_login_notify_webhook_url" not in said[name]] == []
    assert SECRET not in output


def test_authorities_that_the_sender_could_not_read_are_refused(refused):
    said, _output = refused
    for name, (_path, _owner, _mode, why) in UNREADABLE.items():
        assert "Nothing was changed. ssh_login_notify_ca_file" in said[name]
        assert why in said[name]
        assert "put it below /etc/ssl" in said[name]


def test_a_heartbeat_that_could_do_nothing_is_refused(refused):
    said, output = refused
    wrong = [
        name for name in USELESS_HEARTBEATS if "Nothing was changed. ssh_login_notify_heartbeat_" not in said[name]
    ]
    assert wrong == []
    assert "not-a-real-id" not in output


def test_a_host_that_would_run_other_peoples_code_as_root_is_refused(refused):
    said, _output = refused
    assert "Users other than root can write to /usr/local/bin" in said[OPEN_DIRECTORY]
    assert said[OPEN_DIRECTORY].count("Nothing was changed.") >= 1


def test_what_is_accepted_is_not_refused_and_the_rest_is(host, tmp_path):
    """A directory that others can write to, and an environment that users set in the auth stack."""
    before = host.check_output(FOOTPRINT)
    host.check_output(f"cp -a {CONFIGURATION} /root/as-deployed.conf && chmod o+w /usr/local/bin")
    host.check_output("echo auth optional pam_env.so user_readenv=1 >> /etc/pam.d/common-auth")
    try:
        accept = ["writable_directories"]
        refused = deploy(host, tmp_path, url("not-a-real-secret-of-a-run-that-is-refused"), accept=accept)
        told = host.run("ssh-login-notify status")
        unchanged = host.check_output(FOOTPRINT)
        accept.append("user_environment")
        good = deploy(host, tmp_path, url(SECRET), accept=accept, send_test_alert=False)
    finally:
        host.check_output(f"mv /root/as-deployed.conf {CONFIGURATION} && chmod o-w /usr/local/bin")
        host.check_output("sed -i '$d' /etc/pam.d/common-auth")
    assert refused.returncode != 0
    assert "Remove user_readenv=1" in " ".join((refused.stdout + refused.stderr).split())
    assert told.rc == CRITICAL, told.stdout
    assert unchanged == before
    assert good.returncode == 0, good.stdout[-3000:]
    assert host.check_output(FOOTPRINT) == before
