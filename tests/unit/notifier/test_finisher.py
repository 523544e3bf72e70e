# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finisher: a child that builds alerts. Nothing is lost if it dies or is late."""

import json
import os
import signal
import time

import parts
import pytest
from ssh_login_notify import alert, finisher, outbox, overflow, paths
from ssh_login_notify.finisher import Finisher, finish

pytestmark = pytest.mark.each

NAME = "1763884862.123456-4242"
LATER = "1763884862.123457-9"
CAPTURE = b"capture=1\0parent=0\0parent_stat=\0\0PAM_USER=deploy\0PAM_SERVICE=sshd\0"


@pytest.fixture
def capture(spool):
    for name in (NAME, LATER):
        parts.Path(spool.path("incoming", name)).write_bytes(CAPTURE)


def test_what_is_clear_becomes_an_alert_of_that_kind(spool, capture):
    child = Finisher(spool, {})
    child.submit(NAME, "SSH (command: a-b)")
    child.submit(LATER, "rsync")
    parts.wait_for(child.is_done)
    kinds = [json.loads(spool.read("outgoing", name).decode())["type"] for name in (NAME, LATER)]
    assert kinds == ["SSH (command: a-b)", "rsync"]
    assert spool.names("incoming") == []


def test_more_may_be_given_after_all_was_done(spool, capture):
    child = Finisher(spool, {})
    assert child.is_done()
    for name in (NAME, LATER):
        child.submit(name, "rsync")
        parts.wait_for(child.is_done)
    assert spool.names("outgoing") == [NAME, LATER]


def kill(child):
    """Kill the finisher's process, and wait for its death."""
    os.kill(child._children[0], signal.SIGKILL)
    stat = parts.Path(f"/proc/{child._children[0]}/stat")
    parts.wait_for(lambda: stat.read_text().split()[2] == "Z")


def test_a_child_that_was_killed_is_replaced_at_the_next_capture(spool, capture):
    child = Finisher(spool, {})
    child._start()
    kill(child)
    child.submit(NAME, "rsync")
    parts.wait_for(lambda: spool.names("outgoing") == [NAME])  # without waiting for a quiet moment
    child.submit(LATER, "git")
    parts.wait_for(child.is_done)
    assert spool.names("outgoing") == [NAME, LATER]


def test_what_a_killed_child_had_been_given_is_finished_by_another(spool, capture, monkeypatch):
    with monkeypatch.context() as stuck:
        stuck.setattr(finisher, "finish", lambda *_: signal.pause())
        child = Finisher(spool, {})
        child.submit(NAME, "rsync")
    kill(child)
    child.submit(LATER, "git")
    parts.wait_for(child.is_done)
    assert spool.names("outgoing") == [NAME, LATER]
    assert spool.names("incoming") == []


def test_a_capture_that_can_not_be_made_an_alert_does_not_stop_those_behind_it(spool, capture, monkeypatch, said):
    build = alert.build
    monkeypatch.setattr(alert, "build", lambda found, kind: build(found, kind) if found.name != NAME else 1 / 0)
    for name in (NAME, LATER):
        finish(spool, {}, name, "rsync")
    assert spool.names("incoming") == [NAME]
    assert spool.names("outgoing") == [LATER]
    assert "ZeroDivisionError" in said[0][1]


def test_it_goes_on_with_the_next_when_one_is_gone(spool, capture):
    spool.remove("incoming", NAME)
    child = Finisher(spool, {})
    child.submit(NAME, "rsync")
    child.submit(LATER, "rsync")
    parts.wait_for(child.is_done)
    assert spool.names("outgoing") == [LATER]


def test_a_capture_that_another_has_finished_is_no_trouble(spool, said):
    finish(spool, {}, NAME, "rsync")
    assert said == []


def test_a_capture_that_two_finish_at_a_time_makes_one_alert(spool, capture, monkeypatch):
    """A finisher outlives its observer, which was killed, and the next observer has a finisher too."""
    build = alert.build
    with monkeypatch.context() as slow:
        slow.setattr(alert, "build", lambda *parts: (os.kill(os.getpid(), signal.SIGSTOP), build(*parts))[1])
        first = Finisher(spool, {})
        first.submit(NAME, "rsync")
    (child,) = first._children
    parts.wait_for(lambda: parts.Path(f"/proc/{child}/stat").read_text().split()[2] == "T")
    finish(spool, {}, NAME, "rsync")
    sent = spool.names("outgoing")
    spool.remove("outgoing", NAME)
    os.kill(child, signal.SIGCONT)
    parts.wait_for(first.is_done)
    assert sent + spool.names("outgoing") == [NAME]


def test_a_capture_whose_finisher_is_killed_is_the_next_ones(spool, capture):
    child = Finisher(spool, {})
    with parts.another_process(spool.claim, NAME):
        child.submit(NAME, "rsync")
        child.submit(LATER, "git")
        parts.wait_for(lambda: spool.names("outgoing") == [LATER])  # it does not wait for the previous one
        for _time in range(50):  # it does not end, and no other replaces it, before it knows
            assert not child.is_done()
            time.sleep(0.01)
    parts.wait_for(child.is_done)
    assert spool.names("outgoing") == [NAME, LATER]


def test_a_capture_that_another_keeps_for_long_is_left_to_it(spool, capture, monkeypatch):
    monkeypatch.setattr(finisher, "OTHER_FINISHER_SECONDS", 0.2)
    child = Finisher(spool, {})
    with parts.another_process(spool.claim, NAME):
        child.submit(NAME, "rsync")
        parts.wait_for(child.is_done)
    assert spool.names("incoming") == [NAME, LATER]


def test_the_systems_log_has_every_login(spool, capture, said):
    finish(spool, {}, NAME, "rsync")
    assert [sentence.split()[:2] for _, sentence in said] == [["login", "user=deploy"]]


def test_an_alert_that_the_spool_does_not_take_waits_elsewhere(spool, said):
    os.rename(spool.path("incoming"), spool.path("away"))
    finish(spool, {NAME: CAPTURE}, NAME, "rsync")
    assert overflow.names() == [NAME]
    assert f"{NAME} waits in {paths.OVERFLOW}" in said[0][1]
    assert said[1][1].startswith("login user=deploy")
    os.rename(spool.path("away"), spool.path("incoming"))
    overflow.bring_back(spool)
    assert json.loads(spool.read("outgoing", NAME).decode())["type"] == "rsync"


def test_a_capture_whose_alert_waits_elsewhere_is_done_with(spool, capture, said, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(spool, "stage", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        finish(spool, {}, NAME, "rsync")
    assert (spool.names("incoming"), overflow.names()) == ([LATER], [NAME])


def test_a_capture_that_a_disk_has_kept_makes_no_second_alert(spool, capture, said, monkeypatch):
    with monkeypatch.context() as read_only:
        for name in ("stage", "remove"):
            read_only.setattr(spool, name, lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        finish(spool, {}, NAME, "rsync")
    assert (spool.names("incoming"), overflow.names()) == ([NAME, LATER], [NAME])
    assert "was not queued" not in str(said)
    finish(spool, {}, NAME, "unknown")
    assert (spool.names("outgoing"), overflow.names()) == ([NAME], [])


def test_the_systems_log_has_a_login_that_could_not_be_queued_anywhere_too(spool, said, monkeypatch):
    os.rename(spool.path("incoming"), spool.path("away"))
    monkeypatch.setattr(overflow, "MOST_ALERTS", 0)
    finish(spool, {NAME: CAPTURE}, NAME, "unknown")
    assert f"The alert of login {NAME} was not queued for sending" in said[0][1]
    assert said[1][1].startswith("login user=deploy")


def test_a_capture_from_memory_becomes_an_alert_as_one_from_the_spool(spool, said):
    finish(spool, {NAME: CAPTURE}, NAME, "unknown")
    assert spool.names("outgoing") == [NAME]


def sees(monkeypatch, tmp_path, **more):
    """Have the role's file describe a host with systemd."""
    host = tmp_path / "host.json"
    host.write_text(json.dumps(dict({"scheduler": "systemd", "sandbox_without": []}, **more)))
    monkeypatch.setattr(paths, "HOST", str(host))


def served(service=b"sshd", parent=4242, start=777):
    fields = b" ".join([b"S"] + [b"0"] * 18 + [b"%d" % start])
    header = b"capture=1\0parent=%d\0parent_stat=%d (sshd) %s\0\0" % (parent, parent, fields)
    return header + b"PAM_USER=deploy\0PAM_SERVICE=" + service + b"\0"


def kept(spool):
    return [json.loads(spool.read("open", name).decode()) for name in spool.names("open")]


@pytest.mark.parametrize("more", [{}, {"logouts": False}, {"logouts": "yes"}])
def test_where_nobody_wants_to_know_of_ends_only_what_may_become_more_is_watched(spool, monkeypatch, tmp_path, more):
    sees(monkeypatch, tmp_path, **more)
    finish(spool, {NAME: served()}, NAME, "SSH (interactive)")
    assert kept(spool) == []
    finish(spool, {LATER: served()}, LATER, "rsync", "0:")
    assert [record["tells_end"] for record in kept(spool)] == [False]


@pytest.mark.parametrize(
    ("kind", "remembered"), [("SSH (interactive)", ""), ("SSH (command: id)", ""), ("rsync", "0:")]
)
def test_where_somebody_does_every_connection_is_watched(spool, monkeypatch, tmp_path, kind, remembered):
    sees(monkeypatch, tmp_path, logouts=True)
    finish(spool, {NAME: served()}, NAME, kind, remembered)
    (record,) = kept(spool)
    assert (record["tells_end"], record["monitor"], record["start"]) == (True, 4242, 777)
    assert (record["remembered"], record["alert"]["id"]) == (remembered, NAME)
    assert spool.names("outgoing") == [NAME]


@pytest.mark.parametrize("capture", [served(b"login"), served(b"ssh-login-notify-test"), served(start=0), CAPTURE])
def test_what_has_no_connection_has_no_end(spool, monkeypatch, tmp_path, capture):
    sees(monkeypatch, tmp_path, logouts=True)
    finish(spool, {NAME: capture}, NAME, "PAM session")
    assert (kept(spool), spool.names("outgoing")) == ([], [NAME])


def test_the_observer_does_not_wait_for_it(spool, capture, monkeypatch):
    monkeypatch.setattr(finisher, "finish", lambda *_: signal.pause())
    child = Finisher(spool, {})
    child.submit(NAME, "rsync")
    child.submit(LATER, "rsync")
    assert not child.is_done()
    assert not child.is_done()
    while not child.is_done():  # it passes the rest to another child, once
        for process in child._children:
            os.kill(process, signal.SIGKILL)


def test_where_the_spool_takes_no_sign_to_wake_the_one_elsewhere_does(spool, monkeypatch, said):
    """For example, its state/ is read-only: the alert is in outgoing/, and nothing would start the sender."""
    monkeypatch.setattr(type(spool), "wake", lambda _spool: False)
    monkeypatch.setattr(outbox, "start_sender", lambda _spool: None)
    outbox.put(spool, "1763884862.123456-4242", b"alert")
    assert spool.names("outgoing") == ["1763884862.123456-4242"]
    assert os.listdir(paths.OVERFLOW) == [overflow.WAKE]
