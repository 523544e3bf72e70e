# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each channel belongs to a vendor, is stored with its name, and can fail while another one works."""

import pytest
import requests

from tests.lab.receiver.sample import alert
from tests.lab.receiver.vendors import HOW, VENDORS, channel

SLACK = "/services/T00000000/B00000000/not-a-real-secret"


@pytest.fixture
def post_to(running, ca_file):
    """Post JSON to a path of the receiver: `post_to("/slack/ops/services/…", {…})`."""

    def send(path, message, **arguments):
        host, port = running.address("https")
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "ssh-login-notify/0"}
        with requests.Session() as session:
            session.trust_env = False
            url = f"https://{host}:{port}{path}"
            return session.post(url, json=message, headers=headers, verify=str(ca_file), timeout=10, **arguments)

    return send


@pytest.mark.parametrize(
    ("path", "name", "own"),
    [
        (f"/slack/ops{SLACK}", "slack/ops", SLACK),
        (SLACK, "slack", SLACK),
        (f"/no_such_vendor/ops{SLACK}", "slack", f"/no_such_vendor/ops{SLACK}"),
        ("/slack/ops", "slack", "/slack/ops"),
    ],
)
def test_a_path_names_the_vendor_and_the_channel(path, name, own):
    found = channel(path)
    assert (found.name, found.vendor, found.path) == (name, VENDORS["slack"], own)


def test_a_message_is_kept_with_its_channel(client, post_to):
    assert post_to(f"/slack/ops{SLACK}", alert()).text == "ok"
    assert post_to(SLACK, alert()).text == "ok"
    assert [message.channel for message in client.messages()] == ["slack/ops", "slack"]


@pytest.mark.parametrize("limit", ["slack", "slack/ops"])
def test_one_channel_is_dead_beside_a_live_one(client, post_to, limit):
    client.behave({"mode": "broken", "channel": limit})
    assert post_to(f"/slack/ops{SLACK}", alert()).status_code == 500
    expected = 500 if limit == "slack" else 200
    assert post_to(f"/slack/team{SLACK}", alert()).status_code == expected
    assert len(client.messages()) == (expected == 200)


def test_a_rule_without_a_request_can_name_no_channel(client):
    with pytest.raises(ValueError, match="before the request"):
        client.behave({"mode": "hang", "at": "accept", "channel": "slack"})


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("how", HOW)
def test_a_vendor_says_no_in_its_own_words(client, post_to, vendor, how):
    client.behave({"mode": how, "times": 1})
    answer = post_to(f"/{vendor}/ops/x", {})
    own = VENDORS[vendor].answer(how, 1)
    assert (answer.status_code, answer.text) == (own.status, own.body)
    assert dict(own.headers).items() <= dict(answer.headers).items()
    assert client.messages() == []


def test_a_status_without_words_has_the_vendors(client, post_to):
    client.behave({"mode": "status", "status": 429, "retry_after": "3"})
    answer = post_to(f"/slack/ops{SLACK}", alert())
    assert (answer.text, answer.headers["Retry-After"]) == ("rate_limited", "3")
