# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels: a kind imports everything that it needs before root is given up, and nothing of another kind.

The service user can be unable to read modules that are imported later. A host pays only for the kinds that it uses.
"""

import json
import subprocess
import sys

import pytest
from parts import WEBHOOK, alert, answer, library
from test_channel_email import MailServer

# Python itself can affect each case.
pytestmark = pytest.mark.each

CODE = """
import json, sys
sys.path[:0] = [sys.argv[1]]
from ssh_login_notify import channels, delivery, trial
from ssh_login_notify.config import Configuration
settings, alerts = json.loads(sys.argv[2]), json.loads(sys.argv[3])
without = set(sys.modules)
channel = channels.load(settings, Configuration({"webhook_url": sys.argv[4]}), None)
before = set(sys.modules)
for sent in alerts, alerts[:1]:
    message = channel.message(channel.fitting(sent, 1763884862.0), 1763884862.0, 2)
    answer = channel.send(message, sent)
    kind = channel.read(answer).kind
    channel.delivered(sent, answer)
channel.knock()
channel.close()
# What is built into Python is read from no file: subprocess loads gc late, up to Python 3.6.
late = set(sys.modules) - before - set(sys.builtin_module_names)
print(json.dumps([kind, sorted(late), sorted(before - without)]))
"""
USER = "\u65e5\u672c <!channel>"
ALERTS = [
    alert(1, weights=["root"], user=USER),
    alert(2, weights=[], notes=["a note"], follows=alert(1)["id"], was="Tunnel (no session)"),
]
KINDS = {
    "slack_app": ({"token": "xoxb-0-not-a-real-token", "channel": "C0123456789"}, '{"ok": true, "ts": "1.1"}', 200),
    "pagerduty": ({"key": "0" * 32}, '{"status": "success"}', 202),
    "json": ({"key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "", 204),
    "ecs": ({"kind": "json", "format": "ecs"}, "", 204),
    "ocsf": ({"kind": "json", "format": "ocsf"}, "", 204),
    "email": ({"host": "127.0.0.1", "tls": "none", "from": "a@example.com", "to": ["b@example.com"]}, "", 0),
    "command": ({"command": ["/bin/cat"]}, "", 0),
    "teams": ({}, "", 202),
    "discord": ({}, '{"id": "1"}', 200),
    "google_chat": ({}, '{"name": "spaces/A/messages/B"}', 200),
    "telegram": ({"token": "1:not-a-real-token", "chat": "-1"}, '{"ok": true}', 200),
    "mattermost": ({}, "ok", 200),
    "ntfy": ({"token": "not-a-real-token"}, '{"id": "1"}', 200),
}
# They share the layout of their messages.
CHATS = ("teams", "discord", "google_chat", "telegram", "mattermost", "ntfy")


def run(settings, alerts):
    words = [library(), json.dumps(settings), json.dumps(alerts), WEBHOOK]
    done = subprocess.run(
        [sys.executable, "-IBc", CODE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.decode())


@pytest.fixture
def mail():
    server = MailServer(offers=("SIZE 1000000",))
    yield server
    server.close()


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_loads_nothing_late_and_nothing_of_another(name, webhook, mail):
    more, text, status = KINDS[name]
    webhook.instructions = [answer(status, text)] * 4
    settings = {"name": "ops", "kind": name, "url": webhook.url, "api_url": webhook.url, "port": mail.port}
    settings.update(more)
    kind, late, loaded = run(settings, ALERTS)
    assert kind == "delivered"
    assert late == []
    ours = {module.rpartition(".")[2] for module in loaded if module.startswith("ssh_login_notify.")}
    expected = {settings["kind"]}
    expected |= {"slack_app": {"slack"}, "json": {"document", "ecs", "ocsf"}}.get(settings["kind"], set())
    expected |= {"email": {"document"}, "command": {"document"}}.get(settings["kind"], set())
    expected |= {"layout"} if name in CHATS else set()
    assert ours == expected
