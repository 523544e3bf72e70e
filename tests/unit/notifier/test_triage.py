# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""triage: a login is weighed until it is reported, and only a rule or window that names a heavy one suppresses it."""

import json
import os

import pytest
from parts import FINGERPRINT, OK, alert, answer, configuration, delivery, logout
from ssh_login_notify import identity
from ssh_login_notify.alert import to_json
from ssh_login_notify.delivery import DIGEST_FROM
from ssh_login_notify.memory import Memory
from ssh_login_notify.mutes import Mutes
from ssh_login_notify.state import State
from ssh_login_notify.triage import Triage, heaviest_first

RED, ORANGE = "\U0001f534", "\U0001f7e0"


class Host:
    """A spool, a webhook's server, and senders between them."""

    def __init__(self, spool, webhook):
        self.spool, self.webhook = spool, webhook

    def send(self, *alerts, **values):
        for one in alerts:
            self.spool.write("outgoing", one["id"], to_json(one), 0o640)
        found = configuration(self.webhook.url, **values)
        return delivery(self.spool, found).run(patient=False)

    @property
    def messages(self):
        return [json.loads(request.body.decode()) for request in self.webhook.requests]

    @property
    def headlines(self):
        return [message["blocks"][0]["text"]["text"] for message in self.messages]


@pytest.fixture
def host(spool, webhook):
    return Host(spool, webhook)


def test_a_login_is_first_until_somebody_was_told(host):
    host.webhook.instructions.extend([answer(503, "x"), answer(503, "x"), OK])
    for _run in range(3):
        host.send(alert(1))
        State(host.spool).delivered([])
    host.send(alert(2))
    first = ORANGE + " first time · deploy logged in on web-3"
    assert host.headlines == [first, first, first, "deploy logged in on web-3"]


def test_a_login_that_is_first_is_ignored_only_by_a_rule_that_says_so(host):
    for number, rule in enumerate([{"user": "deploy"}, {"user": "deploy", "weight": "root"}]):
        host.send(alert(number), ignore=[rule])
        host.spool.write("state", "memory.json", b"{}", 0o600)
    assert len(host.messages) == 2
    host.send(alert(8), ignore=[{"user": "deploy", "weight": ["root", "first"]}])
    assert len(host.messages) == 2


def test_what_is_ignored_is_remembered(host):
    rule = {"user": "deploy", "weight": "first"}
    host.send(alert(1), ignore=[rule])
    assert Memory(host.spool).news(alert(2), {}) == {}
    host.send(alert(2))
    assert host.headlines == ["deploy logged in on web-3"]


@pytest.mark.parametrize("changes", [{"user": "root"}, {"notes": ["odd"]}, {"type": "SCP"}])
def test_what_is_heavy_is_not_ignored_where_its_like_is(host, changes):
    host.send(alert(1), alert(2, user="root"))
    rules = [{"user": "deploy"}, {"user": "root"}]
    host.send(alert(3), ignore=rules)
    assert len(host.messages) == 2
    host.send(alert(4, **changes), ignore=rules)
    assert len(host.messages) == 3


def test_a_digest_begins_with_the_heaviest(host):
    host.send(alert(0), alert(1, user="root"))
    light = [alert(number) for number in range(2, DIGEST_FROM)]
    host.send(*light, alert(20, user="root"), alert(21, notes=["odd"]), alert(22, type="SCP"))
    lines = [block["text"]["text"] for block in host.messages[-1]["blocks"][1:]]
    marks = [line.partition(" · ")[0] if " · deploy:" in line or " · root:" in line else "" for line in lines]
    assert marks[:4] == [RED + " suspicious", ORANGE + " root", ORANGE + " first time", ""]
    assert [line.rpartition("id ")[2] for line in lines[3:]] == [one["id"] for one in light]
    assert host.messages[-1]["text"].split("\n")[1].startswith(RED)


def test_equal_weights_stay_in_their_order():
    alerts = [dict(alert(number), weights=weights) for number, weights in enumerate([[], ["root"], [], ["root"]])]
    assert [one["id"] for one in heaviest_first(alerts)] == [alert(number)["id"] for number in (1, 3, 0, 2)]


def test_in_one_digest_a_new_user_is_first_once(host):
    host.send(*(alert(number) for number in range(DIGEST_FROM)))
    lines = [block["text"]["text"] for block in host.messages[0]["blocks"][1:]]
    assert [line.startswith(ORANGE) for line in lines] == [True] + [False] * (DIGEST_FROM - 1)
    assert lines[0].endswith("id " + alert(0)["id"])


def test_a_rule_of_mentions_notifies_for_its_weight_alone(host):
    mentions = [{"weight": "unknown_key", "mention": "<!here>"}]
    other = [{"method": "publickey", "fingerprint": "SHA256:" + "B" * 43}]
    for number, methods in enumerate((alert()["methods"], other)):
        host.send(alert(number, methods=methods), mentions=mentions, people={FINGERPRINT: "Ada"})
    assert ["<!here>" in json.dumps(message) for message in host.messages] == [False, True]


def test_a_login_that_a_window_names_is_muted_counted_and_remembered(host):
    host.send(alert(1))
    facts = identity.facts_of(alert())
    window = {name: facts[name] for name in ("user", "address", "key")}
    window.update(id="1763884800.000000-1", opened_at=alert(2)["time"], until=alert(5)["time"], minutes=1, reason="x")
    window.update(covers=[], pauses=[])
    os.makedirs(host.spool.path("mutes"), exist_ok=True)
    host.spool.write("mutes", window["id"], json.dumps(window).encode(), 0o640)
    host.send(
        alert(2), alert(3, type="SCP"), alert(4, user="root"), alert(4, address="203.0.113.51", id="1763884804.2-1")
    )
    assert host.headlines[1:] == [
        ORANGE + " first time · deploy logged in on web-3",
        ORANGE + " root, first time · root logged in on web-3",
        "deploy logged in on web-3",
    ]
    assert Mutes(host.spool).counts(window) == {"SSH (interactive)": 1}
    keys = Memory(host.spool).keys()
    assert [key["count"] for key in keys if key["user"] == "deploy"] == [4]


def test_nothing_is_looked_up_nor_weighed_for_the_end_of_a_connection(spool):
    class Lookups:
        def add(self, found):
            return dict(found, context={"labels": {"team": "web"}})

    rule = {"user": "deploy", "mention": "<!here>"}
    triage = Triage(spool, configuration(mentions=[rule]), Lookups())
    ended = triage.weigh(logout(user="root", follows=alert()["id"]), [])
    assert (ended["weights"], ended["reasons"], ended["mentions"]) == ([], [], [])
    assert not triage.settle(ended)
    assert "context" not in triage.in_context(ended)
    assert "context" in triage.in_context(triage.weigh(alert(), []))


def test_whatever_a_look_up_does_the_alert_goes_on(spool, said):
    class Broken:
        def add(self, _alert):
            raise RuntimeError("can't start new thread")

    found = Triage(spool, configuration(), Broken())
    assert found.in_context(alert(1)) == alert(1)
    assert any("Nothing was looked up" in sentence for _priority, sentence in said)
