# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""couriers: one process per channel. A dead channel delays no other, and catches up when it is back."""

import os
import re
import shutil
import signal
import threading
import time

import parts
import pytest
from parts import OK, Outlet, alert, answer, configuration, raw_alert, reset
from ssh_login_notify import alert as alerts
from ssh_login_notify import channels, couriers, delivery, outlets
from ssh_login_notify.child import Child
from ssh_login_notify.couriers import Couriers
from ssh_login_notify.heartbeat import Switch
from ssh_login_notify.queue import Queue
from ssh_login_notify.routing import Router
from ssh_login_notify.state import State
from ssh_login_notify.triage import Triage

# Python itself can affect each case.
pytestmark = pytest.mark.each

SOON = 2.0  # seconds within which anything without a wait is done


def ids(*numbers):
    return [alert(number)["id"] for number in numbers]


class Host:
    """A spool with the channels `a` and `b`, each with a webhook's server, and senders that deliver."""

    def __init__(self, spool, webhooks):
        self.spool, self.webhooks = spool, webhooks
        self.last = None

    def put(self, *numbers, **changes):
        for number in numbers:
            self.spool.write("outgoing", alert(number, **changes)["id"], raw_alert(number, **changes), 0o640)

    def sender(self, **values):
        found = configuration(**values)
        entries = [{"name": name, "kind": "slack", "url": webhook.url} for name, webhook in self.webhooks.items()]
        outlets.prepare(self.spool, [entry["name"] for entry in entries])
        places = []
        for entry in entries:
            outlet = Outlet(self.spool, entry)
            outlet.channel = channels.load(entry, found, outlet.spool)
            places.append(outlet)
        queue = Queue(self.spool)
        router = Router(queue, found, places, Triage(self.spool, found))
        self.queue = queue
        self.last = Couriers(queue, found, places, router, Switch(found) if found.heartbeat_ping_url else None)
        return self.last

    def send(self, patient=False, **values):
        return self.sender(**values).run(patient)

    def told(self, name):
        """Return the ids that a channel received, in the order of the requests. A knock has none."""
        found = (re.findall(r"id (\d+\.\d+-\d+)", request.body.decode()) for request in self.webhooks[name].requests)
        return [one for several in found for one in several]

    def waiting(self, name):
        return outlets.place(self.spool, name).names("outgoing")

    def state(self, name):
        return State(outlets.place(self.spool, name))


@pytest.fixture
def host(spool, monkeypatch):
    os.mkdir(spool.path("channels"))
    monkeypatch.setattr(delivery, "RETRY_SECONDS", (0.05, 0.05, 0.1))
    monkeypatch.setattr(couriers, "LOOK_SECONDS", 0.05)
    webhooks = {"a": parts.Webhook(), "b": parts.Webhook()}
    yield Host(spool, webhooks)
    for webhook in webhooks.values():
        webhook.close()


def test_each_channel_is_told_of_each_alert_once(host):
    host.put(1, 2)
    assert host.send() is True
    assert host.told("a") == host.told("b") == ids(1, 2)
    assert (host.last.delivered, host.last.last_answer) == (4, "200 ok")
    assert not host.last.is_due()
    assert [entry["id"] for entry in host.state("b").recent] == ids(1, 2)
    assert host.send() is True
    assert host.told("a") == ids(1, 2)


def test_a_dead_channel_holds_up_no_other_and_catches_up(host):
    host.webhooks["a"].instructions = [reset] * 50
    host.put(1)
    began = time.monotonic()
    assert host.send() is False
    assert time.monotonic() - began < SOON
    assert host.told("b") == ids(1)
    assert (host.waiting("a"), host.waiting("b")) == (ids(1), [])
    assert "no connection" in host.last.last_answer
    assert host.state("a").trouble
    assert host.state("b").trouble is None
    host.webhooks["a"].instructions = []
    host.webhooks["a"].requests = []
    host.put(2)
    assert host.send() is True
    assert host.told("a") == ids(1, 2)
    assert host.told("b") == ids(1, 2)


def test_a_channel_that_gives_no_answer_delays_no_other(host):
    """While one courier waits for an answer, a new alert reaches the other channel."""
    asked, over = threading.Event(), threading.Event()

    def no_answer(connection):
        asked.set()
        over.wait(parts.LONGEST_WAIT)
        return reset(connection)

    host.webhooks["a"].instructions = [no_answer]
    host.put(1)
    sender = host.sender()

    def later():
        assert asked.wait(parts.LONGEST_WAIT)
        host.put(2)
        parts.wait_for(lambda: host.told("b") == ids(1, 2), SOON)
        over.set()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        sender.run(patient=False)
    finally:
        thread.join()
    assert host.told("b") == ids(1, 2)


def test_a_refused_alert_is_set_aside_in_its_channel_alone(host):
    host.webhooks["a"].instructions = [answer(400, "invalid_blocks")]
    host.put(1, 2)
    assert host.send() is True
    assert outlets.place(host.spool, "a").names("failed") == ids(1)
    assert host.told("b") == ids(1, 2)
    assert outlets.place(host.spool, "b").names("failed") == []


def test_a_pause_that_one_channel_asks_for_is_its_own(host):
    host.webhooks["a"].instructions = [answer(429, "rate_limited", "Retry-After: 300")]
    host.put(1)
    host.send()
    assert host.state("a").seconds_left(asked=True) > 20
    assert host.state("b").seconds_left(asked=True) == 0
    host.put(2)
    began = time.monotonic()
    host.send()
    assert time.monotonic() - began < SOON
    assert host.told("b") == ids(1, 2)


def test_a_patient_run_tries_a_dead_channel_for_a_while_and_leaves_it_to_the_next(host):
    host.webhooks["a"].instructions = [answer(503, "")] * 50
    host.put(1)
    assert host.send(patient=True) is False
    assert len(host.webhooks["a"].requests) >= 4
    assert host.waiting("a") == ids(1)
    assert len(host.webhooks["b"].requests) == 1


def test_somebody_who_flushes_ends_the_pause_of_every_courier(host, monkeypatch):
    monkeypatch.setattr(delivery, "RETRY_SECONDS", (30,))
    monkeypatch.setattr(delivery, "AFTER_LAST_RETRY_SECONDS", 30)
    host.webhooks["a"].instructions = [answer(503, "")] * 50
    host.webhooks["b"].instructions = [answer(503, "")] * 50
    signal.pthread_sigmask(signal.SIG_BLOCK, [delivery.MAKE_WAY])
    host.put(1)
    sender = host.sender()
    me = threading.main_thread().ident

    def later():
        parts.wait_for(lambda: host.webhooks["a"].requests and host.webhooks["b"].requests)
        time.sleep(0.3)
        signal.pthread_kill(me, delivery.MAKE_WAY)

    thread = threading.Thread(target=later)
    thread.start()
    began = time.monotonic()
    try:
        assert sender.run(patient=True) is False
    finally:
        thread.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [delivery.MAKE_WAY])
    assert time.monotonic() - began < 5
    assert host.waiting("a") == host.waiting("b") == ids(1)


def test_an_alert_that_comes_meanwhile_is_routed_in_the_same_run(host):
    seen = []

    def put_another(connection):
        if not seen:
            seen.append(1)
            host.put(2)
        OK(connection)
        return True

    host.webhooks["a"].instructions = [put_another]
    host.put(1)
    assert host.send() is True
    assert host.told("a") == host.told("b") == ids(1, 2)


def test_an_alert_that_comes_just_before_the_queue_is_read_is_sent_in_the_same_run(host, monkeypatch):
    """A follow-up, or a login whose wake-up file the router has already removed: nothing else would start a run."""
    numbers = [1]
    monkeypatch.setattr(Triage, "queue_follow_ups", lambda _: host.put(numbers.pop()) if numbers else None)
    assert host.send() is True
    assert host.told("a") == host.told("b") == ids(1)


def test_a_courier_that_is_killed_loses_nothing(host, monkeypatch):
    monkeypatch.setattr(couriers.Delivery, "run", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    host.put(1)
    assert host.send() is False
    assert host.waiting("a") == host.waiting("b") == ids(1)
    assert "ended without a report" in host.last.last_answer
    monkeypatch.undo()
    assert host.send() is True
    assert host.told("a") == host.told("b") == ids(1)


def test_a_defect_in_one_channel_is_reported_and_shows_no_value(host, monkeypatch, said):
    send = channels.slack.Channel.send

    def broken(self, message, alerts):
        if self.settings["name"] == "a":
            raise RuntimeError(self.url)
        return send(self, message, alerts)

    monkeypatch.setattr(channels.slack.Channel, "send", broken)
    host.put(1)
    assert host.send() is False
    assert host.told("b") == ids(1)
    assert host.waiting("a") == ids(1)
    assert "not-a-real-secret" not in host.last.last_answer
    assert host.last.last_answer


def test_the_courier_of_a_killed_sender_is_left_to_finish(host):
    host.put(1)
    outlets.prepare(host.spool, ["a", "b"])
    with parts.another_process_holding(outlets.place(host.spool, "a").path(outlets.LOCK)):
        assert host.send() is False
        assert host.told("a") == []
        assert host.told("b") == ids(1)
        assert host.waiting("a") == ids(1)


def test_without_room_it_is_sent_from_memory_and_leaves_the_queue_once_one_has_it(host, monkeypatch):
    real = outlets.Spool.write

    def full(spool, directory, *rest, **options):
        if "channels" in spool.root and directory == "outgoing":
            raise OSError(28, "No space left on device")
        return real(spool, directory, *rest, **options)

    monkeypatch.setattr(outlets.Spool, "write", full)
    host.put(1, 2)
    host.webhooks["b"].instructions = [answer(503, "")] * 50
    host.send()
    assert host.told("a") == ids(1, 2)
    assert host.spool.names("outgoing") == [], "it would be sent to `a` once more with each run"
    host.put(3)
    host.webhooks["a"].instructions = [answer(503, "")] * 50
    host.send()
    assert host.spool.names("outgoing") == ids(3), "nobody has it"


def test_the_dead_mans_switch_is_pinged_by_the_last_channel_that_has_the_heartbeat(host, monkeypatch):
    switch = parts.Webhook()
    host.webhooks["a"].instructions = [answer(503, "")] * 50
    beat = alerts.own(alerts.HEARTBEAT, [])
    host.spool.write("outgoing", beat["id"], alerts.to_json(beat), 0o640)
    host.send(heartbeat_ping_url=switch.url)
    assert (len(host.webhooks["b"].requests), len(switch.requests)) == (1, 0)
    host.webhooks["a"].instructions = []
    host.send(heartbeat_ping_url=switch.url)
    assert len(switch.requests) == 1
    assert host.state("a").last_ping["well"]
    switch.close()


def test_a_queue_that_is_out_of_its_limits_drops_and_says_so_for_its_channel_alone(host):
    host.webhooks["a"].instructions = [reset] * 4
    host.put(*range(1, 6))
    host.send(most_waiting=3)
    host.webhooks["a"].instructions = []
    host.send(most_waiting=3)
    assert host.state("a").dropped == 2
    assert host.told("b") == ids(1, 2, 3, 4, 5) or host.state("b").dropped == 2


def test_a_channel_that_can_not_be_used_keeps_its_alerts_and_holds_up_no_other(host, said):
    sender = host.sender()
    broken = sender._outlets[0]
    broken.channel, broken.fault = None, "the CA file x can't be used (gone): correct it"
    host.put(1)
    assert sender.run(patient=False) is False
    assert host.told("b") == ids(1)
    assert host.waiting("a") == ids(1)
    assert host.state("a").trouble["what"] == broken.fault
    assert sender.last_answer == broken.fault
    assert host.send() is True
    assert host.told("a") == ids(1)
    assert host.state("a").trouble is None


def test_the_queue_of_a_channel_that_can_not_be_used_keeps_to_its_limits(host, said):
    sender = host.sender(most_waiting=2)
    sender._outlets[0].channel, sender._outlets[0].fault = None, "gone"
    host.put(1, 2, 3, 4, 5)
    sender.run(patient=False)
    for number in range(6, 9):
        host.put(number)
        sender = host.sender(most_waiting=2)
        sender._outlets[0].channel, sender._outlets[0].fault = None, "gone"
        sender.run(patient=False)
    assert len(host.waiting("a")) <= 3
    assert host.state("a").untold > 0


def test_a_place_that_can_not_be_read_is_the_fault_of_its_channel_alone(host, said):
    sender = host.sender()
    shutil.rmtree(outlets.place(host.spool, "a").path("outgoing"))
    host.put(1)
    assert sender.run(patient=False) is False
    assert host.told("b") == ids(1)
    assert "part of the spool can't be used" in sender.last_answer


@pytest.mark.parametrize("size", [0, 1, 1 << 16, 1 << 20])
def test_a_child_may_have_much_to_say(size):
    for ask in (lambda child: parts.wait_for(child.is_over), lambda child: child.wait()):
        child = Child(lambda: "x" * size)
        ask(child)
        assert child.result() == "x" * size
    dead = Child(lambda: os._exit(1))
    dead.wait()
    assert dead.result() is None
