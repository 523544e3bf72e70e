# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""queue: alerts in the spool and in /run are one queue, and sent ones in /run are removed there with root's rights."""

import os

import pytest
from ssh_login_notify import overflow, paths
from ssh_login_notify.queue import Queue

NAME = "1763884862.123456-4242"
LATER = "1763884862.123457-9"


@pytest.fixture
def queue(spool):
    found = Queue(spool)
    yield found
    found.close()


def test_both_places_are_one_queue_in_the_order_of_time(spool, queue):
    overflow.keep(NAME, b"in memory")
    spool.write("outgoing", LATER, b"on the disk", 0o640)
    queue.load_overflow()
    assert [queue.read(name) for name in queue.names()] == [b"in memory", b"on the disk"]


def test_what_is_sent_from_memory_is_removed_by_a_child_that_removes_nothing_else(spool, queue):
    for name in (LATER, NAME):
        overflow.keep(name, name.encode())
    other = os.path.join(paths.OVERFLOW, "other")
    with open(other, "w"):
        pass
    queue.load_overflow()
    queue.remove(NAME)
    for foreign in ("other", "../" + NAME):
        queue._remover.remove(foreign)
    queue.close()
    queue.close()
    assert overflow.names() == [LATER]
    assert os.path.exists(other)
    assert queue.names() == [], "what was not sent is left to the next run"


def test_where_nothing_waits_in_memory_there_is_no_child(queue, monkeypatch):
    monkeypatch.setattr(os, "fork", None)
    queue.load_overflow()
    assert queue.names() == []


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_what_is_set_aside_keeps_its_reason_where_there_is_room(spool, queue, place, said):
    if place == "memory":
        overflow.keep(NAME, b"x")
    else:
        spool.write("outgoing", NAME, b"x", 0o640)
    queue.load_overflow()
    queue.set_aside(NAME, b"damaged")
    queue.close()
    assert (spool.read("failed", NAME), queue.names(), overflow.names()) == (b"x", [], [])
    assert said[-1][1] == f"The alert {NAME} is set aside in failed/: damaged"
    assert os.path.exists(spool.path("failed", NAME + ".answer")) == (place == "disk")


def test_what_can_not_be_set_aside_from_memory_is_told(spool, queue, said):
    overflow.keep(NAME, b"x")
    os.rmdir(spool.path("failed"))
    queue.load_overflow()
    queue.set_aside(NAME, b"damaged")
    queue.close()
    assert overflow.names() == []
    assert "can't be set aside, and is gone" in said[0][1]
