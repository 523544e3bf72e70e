# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""exits: the kernel's records of ended processes are parsed, and no message of any form causes an error."""

import os
import subprocess
import sys
import time

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify import exits
from ssh_login_notify.exits import Exits, records

# Python itself can affect each case.
pytestmark = pytest.mark.each


def attribute(kind, value):
    length = (4 + len(value)).to_bytes(2, sys.byteorder)
    return length + kind.to_bytes(2, sys.byteorder) + value + b"\0" * (-len(value) % 4)


def record(parent, process, name):
    """Return a message of the kernel (linux/taskstats.h), with real values only in the fields that are read."""
    stats = name.ljust(32, b"\0").rjust(112, b"\0") + b"\0" * 20 + parent.to_bytes(4, sys.byteorder) + b"\0" * 200
    body = attribute(exits.PID, process.to_bytes(4, sys.byteorder)) + attribute(exits.STATS, stats)
    return b"\0" * exits.HEADERS_BYTES + attribute(exits.RECORD, body)


class Channel:
    """A socket with messages, and with errors between them."""

    def __init__(self, *messages):
        self.messages = list(messages)

    def recv(self, _size):
        if not self.messages:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        message = self.messages.pop(0)
        if isinstance(message, OSError):
            raise message
        return message


@pytest.fixture
def told():
    """The reports so far, and the channel to which messages are added."""
    known = Exits.__new__(Exits)
    known._ended = []
    known._socket = Channel()
    return known


def test_the_children_of_a_process_that_have_ended_are_told(told):
    told._socket.messages += [record(10, 11, b"true"), record(9, 12, b"ls"), record(10, 13, b"a name of 15 b")]
    assert told.of(10) == [(11, b"true"), (13, b"a name of 15 b")]
    assert told.of(9) == [(12, b"ls")]
    assert told.of(8) == []


def test_where_records_were_lost_the_others_are_true(told):
    told._socket.messages += [record(10, 11, b"true"), OSError(105, "No buffer space available"), record(10, 12, b"ls")]
    assert told.of(10) == [(11, b"true")]
    assert told.of(10) == [(11, b"true"), (12, b"ls")]


def test_what_ended_long_ago_is_forgotten_for_its_pid_may_be_anothers(told):
    told._socket.messages.append(record(10, 11, b"true"))
    told.take(100.0)
    told.take(100.0 + exits.KEPT_SECONDS - 0.1)
    assert len(told._ended) == 1
    told.take(100.0 + exits.KEPT_SECONDS)
    assert told._ended == []


def test_only_so_many_are_kept_the_latest(told, monkeypatch):
    monkeypatch.setattr(exits, "MOST_KEPT", 3)
    told._socket.messages += [record(10, number, b"true") for number in range(9)]
    assert [process for process, _name in told.of(10)] == [6, 7, 8]


@given(st.binary(max_size=300), st.integers(0, 400), st.binary(max_size=4))
def test_no_message_is_a_trouble(noise, cut, other):
    whole = record(10, 11, b"true")
    for message in (noise, whole[:cut], whole[:cut] + other + whole[cut + len(other) :], b"\0" * 20 + noise):
        for parent, process, name in records(message):
            assert parent >= 0
            assert process >= 0
            assert len(name) <= 32


def registered():
    try:
        return Exits()
    except OSError:
        return None


@pytest.mark.skipif(registered() is None, reason="takes root in the first namespaces, and a kernel with taskstats")
def test_a_real_kernel_tells_of_a_real_process():
    known = Exits()
    process = subprocess.Popen([sys.executable, "-ISc", "import os; os.execv('/bin/true', ['another name'])"])
    process.wait()
    parts.wait_for(lambda: known.of(os.getpid()))
    assert (process.pid, b"true") in known.of(os.getpid())
    known.take(time.monotonic() + exits.KEPT_SECONDS)
    assert known.of(os.getpid()) == []
