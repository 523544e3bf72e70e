# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of the channels `json` and `command` matches its published schema, and the example receiver takes it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import channels
from ssh_login_notify.alert import HEARTBEAT, MISSED, MUTE, SELF_CHECK, SUMMARY, TEST, own
from ssh_login_notify.channels import DELIVERED, FAILED
from ssh_login_notify.weights import WEIGHTS

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA = json.loads((DOCS / "schema" / "alerts-1.schema.json").read_text())
KEY = "whsec_" + base64.b64encode(b"not a real secret, 32 bytes long").decode()
NOW = 1763884862.0
METHODS = [
    {"method": "publickey", "key_type": "ED25519-SK", "fingerprint": FINGERPRINT, "signature_count": 17},
    {"method": "publickey", "certificate": {"key_id": "x", "serial": (1 << 64) - 1, "ca": FINGERPRINT}},
    {"method": "hostbased", "client_user": "alice", "client_host": "node1.example.org"},
    {"method": "gssapi-with-mic", "principal": "alice@EXAMPLE.ORG"},
    {"method": "keyboard-interactive/pam", "detail": "<!channel>"},
]
REASONS = [{"key": "failures", "count": 12}]
CONTEXT = {
    "labels": {"environment": "production"},
    "instance": {"id": "i-0123456789abcdef0", "name": "", "region": "eu-central-1", "account": "123456789012"},
    "instance_connect": {"principal": ""},
    "reverse_dns": {"name": "client.example.net", "confirmed": False},
    "network": {"country": "Germany", "number": 64496, "owner": "Example Net"},
}
ALERTS = {
    "a light login": alert(1),
    "a heavy one": alert(2, weights=list(WEIGHTS), reasons=REASONS, notes=["a note"], methods=METHODS),
    "a follow-up": alert(3, follows=alert(1)["id"], was="Tunnel (no session)"),
    "repeats": alert(4, about="repeats", follows=alert(1)["id"], notes=["2 more logins"]),
    "another service": alert(5, service="login", type="PAM session", address="", port=0, terminal="tty1", methods=[]),
    "with context": alert(6, context=CONTEXT),
    "with little of it": alert(7, context={"labels": CONTEXT["labels"], "reverse_dns": {}, "network": None}),
    **{about: own(about, ["a note"]) for about in (TEST, HEARTBEAT, MISSED, MUTE, SELF_CHECK, SUMMARY)},
}


def make(url="https://receiver.example/", key=KEY):
    values = configuration(people={FINGERPRINT: "Ada"})
    return channels.load({"name": "siem", "kind": "json", "url": url, "key": key}, values, None)


def closed(schema):
    """Return the schema with unknown members forbidden, because the notifier sends none."""
    if isinstance(schema, dict):
        found = {name: closed(part) for name, part in schema.items()}
        return dict(found, additionalProperties=False) if "properties" in found else found
    return schema


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ALERTS)
def test_a_document_is_of_the_schema_and_has_no_member_that_it_does_not_name(name):
    document = json.loads(make().message([ALERTS[name], alert(9)], NOW, dropped=2))
    validator = jsonschema.Draft202012Validator(closed(SCHEMA), format_checker=jsonschema.FormatChecker())
    assert [error.message for error in validator.iter_errors(document)] == []


def test_the_schema_refuses_what_is_no_document():
    document = json.loads(make().message([alert(1)], NOW))
    for name in document:
        part = {other: value for other, value in document.items() if other != name}
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(part), name


@pytest.fixture
def receiver():
    """Run the example as a user does. Yields its address and its process."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, DOCS / "examples" / "receive.py", "0"], env=dict(os.environ, WEBHOOK_KEY=KEY),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    port = process.stdout.readline().split()[-1]
    yield f"http://127.0.0.1:{port}/alerts", process
    process.terminate()
    process.communicate()


def test_the_example_takes_what_is_signed_with_its_key_and_nothing_else(receiver):
    url, process = receiver
    another = "whsec_" + base64.b64encode(b"another secret that is not real.").decode()
    answers = []
    for key in (another, "", KEY):
        channel = make(url, key)
        sent = [alert(1, user=f"with{len(answers)}", weights=["root"])]
        answers.append(channel.read(channel.send(channel.message(sent, NOW), sent)).kind)
        channel.close()
    assert answers == [FAILED, FAILED, DELIVERED]
    assert process.stdout.readline() == "web-3 with2 203.0.113.50 ['root']\n"


@pytest.mark.parametrize("seconds", [-600, 600])
def test_the_example_takes_no_old_request(receiver, seconds, monkeypatch):
    channel = make(receiver[0])
    module = sys.modules["ssh_login_notify.channels.json"]

    class Clock:
        now = module.time.time() + seconds

        def time(self):
            return self.now

    monkeypatch.setattr(module, "time", Clock())
    answer = channel.send(channel.message([alert(1)], NOW), [alert(1)])
    assert answer.status == 401
