# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lookups: configured information is added to alerts that get a message, and nothing else is imported or queried."""

import json
import os
import socket
import subprocess
import sys
import time

import parts
import pytest
from parts import alert, configuration
from ssh_login_notify import context, lookups, outlets
from ssh_login_notify.alert import HEARTBEAT, from_json, own, to_json
from ssh_login_notify.queue import Queue
from ssh_login_notify.routing import Routed, Router
from ssh_login_notify.triage import Triage

MODULES = ("boot", "ec2", "instance_connect", "reverse_dns", "geo_database")
# What these import, in addition to the imports of the sender's transport.
OF_PYTHON = ("threading",)


def loaded(values, signs=()):
    """Return the modules that the sender imports with a configuration."""
    program = (
        f"import json, sys; sys.path.insert(0, {parts.library()!r})\n"
        "from ssh_login_notify import config, lookups, sender\n"
        f"lookups.EC2_SIGNS = {signs!r}\n"
        f"found = config.Configuration(json.loads({json.dumps(dict(values, webhook_url=parts.WEBHOOK))!r}))\n"
        "lookups.Lookups(found, None, None)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-ISB", "-c", program], universal_newlines=True))


def ours(modules):
    return [name for name in MODULES if "ssh_login_notify." + name in modules]


def test_with_nothing_configured_nothing_is_loaded():
    found = loaded({})
    assert ours(found) == []
    assert [name for name in OF_PYTHON if name in found] == []
    assert "maxminddb" not in found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"labels": {"environment": "production"}, "link": "https://x.example/{host}", "language": "ja"}, []),
        ({"reverse_dns": True}, ["reverse_dns"]),
        ({"geo_database": "/no/such.mmdb"}, ["geo_database"]),
    ],
)
def test_what_is_configured_loads_its_own_module(values, expected):
    assert ours(loaded(values)) == expected


def test_labels_are_in_every_message(spool):
    labels = {"environment": "production"}
    made = lookups.Lookups(configuration(labels=labels), spool, None)
    for told in (alert(), own(HEARTBEAT, [])):
        assert made.add(told)["context"]["labels"] == labels


def test_a_backlog_is_late_by_no_more_than_the_limit_of_a_run(spool, monkeypatch):
    asked = []

    def slow(address):
        asked.append(address)
        time.sleep(0.2)
        return address + ".example", [], [address]

    def nothing(*_words):
        raise socket.gaierror(socket.EAI_NONAME, "no address")

    monkeypatch.setattr(socket, "gethostbyaddr", slow)
    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    monkeypatch.setattr(lookups, "RUN_SECONDS", 0.5)
    made = lookups.Lookups(configuration(reverse_dns=True), spool, None)
    began = time.monotonic()
    told = [made.add(alert(number, address=f"203.0.113.{number}")) for number in range(1, 100)]
    assert time.monotonic() - began < 5
    assert 1 <= len(asked) <= 3
    assert context.of(told[0]) != context.of(told[-1]) == {}


class Asked:
    """Replaces the look-ups, and records whom they were made for."""

    def __init__(self):
        self.users = []

    def add(self, told):
        self.users.append(told["user"])
        return dict(told, context={"labels": {"environment": "production"}})


def put(spool, *users):
    for number, user in enumerate(users):
        told = alert(number, user=user)
        spool.write("outgoing", told["id"], to_json(told), 0o640)


RULE = {"user": "backup", "weight": ["first"], "reason": "the nightly backup"}


def test_only_what_gets_a_message_is_looked_up(spool, webhook):
    put(spool, "backup", "deploy")
    found = configuration(webhook.url, ignore=[RULE])
    asked = Asked()
    parts.delivery(spool, found, lookups=asked).run(patient=False)
    assert asked.users == ["deploy"]
    assert "*environment*" in webhook.requests[0].body.decode()


def test_with_several_channels_an_alert_is_looked_up_once_and_each_has_what_was_found(spool):
    put(spool, "backup", "deploy")
    os.mkdir(spool.path("channels"))
    entries = [{"name": "one"}, {"name": "two"}]
    outlets.prepare(spool, ["one", "two"])
    places = [parts.Outlet(spool, entry) for entry in entries]
    found = configuration(ignore=[RULE])
    asked = Asked()
    router = Router(Queue(spool), found, places, Triage(spool, found, asked))
    router.route(router.waiting())
    router.close()
    assert asked.users == ["deploy"]
    for place in places:
        (name,) = place.spool.names("outgoing")
        routed = Routed(place.spool, []).weigh(from_json(place.spool.read("outgoing", name)), ())
        assert context.labels(routed) == {"environment": "production"}
