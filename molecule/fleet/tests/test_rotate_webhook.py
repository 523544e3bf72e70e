# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.rotate_webhook: no host gets a webhook that has not delivered an alert from the canary."""

from __future__ import annotations

import pytest

from tests.lab.operating import AT_ONCE, DEAD

pytestmark = pytest.mark.usefixtures("deployed")

NEW = "https://receiver:8443/services/T00000000/B00000001/not-a-real-secret"


def test_a_webhook_that_delivers_nothing_reaches_no_host(play, servers, webhooks):
    before = webhooks()
    run = play("rotate_webhook", ("-e", f"ssh_login_notify_webhook_url={DEAD}", *AT_ONCE))
    assert run.status != 0
    assert "The test alert was not delivered" in run.output
    assert webhooks() == before
    assert run.recap("debian12")["failed"] == 1
    assert run.output.count("TASK [loginwatch.pam.ssh_login_notify : Send a test alert with it]") == 1
    assert "changed: [debian13]" not in run.output, "only the canary was asked for anything"
    assert "TASK [Back up the PAM files and the configuration]" not in run.output, "the roll-out has begun"
    assert servers["debian12"].run("ls /root/ssh-login-notify-candidate.*").rc != 0


def test_a_canary_that_is_none_of_the_hosts_proves_nothing(play, servers, webhooks):
    before = webhooks()
    run = play("rotate_webhook", ("-e", f"ssh_login_notify_webhook_url={NEW}", "-e", "canary=debian31", *AT_ONCE))
    assert run.status != 0
    assert "The canary debian31 is not one of the hosts" in run.output
    assert webhooks() == before


def test_hosts_with_another_webhook_than_the_canarys_are_refused(play, webhooks):
    """It would reach them untried."""
    before = webhooks()
    run = play("rotate_webhook", AT_ONCE, debian12_plain={"ssh_login_notify_webhook_url": DEAD})
    assert run.status != 0
    why = "Nothing was changed. debian12-plain has another webhook or other channels than the canary debian12"
    assert why in " ".join(run.output.split())
    assert webhooks() == before


def test_a_webhook_that_was_proven_reaches_them_all(play, webhooks, receiver):
    mark = receiver.last()
    run = play("rotate_webhook", ("-e", f"ssh_login_notify_webhook_url={NEW}", "-e", "canary=debian13", *AT_ONCE))
    assert run.status == 0, run.output
    assert webhooks() == {NEW}
    receiver.settle()
    first = receiver.messages(after=mark)[0]
    # A login of Ansible's own may come before the test alert does; with the old webhook, since nothing is changed yet.
    assert first.fields["Server"] == "debian13"
