# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reverse_dns: a name is shown for what it is, and no resolver delays an alert."""

import socket
import subprocess
import sys
import time

import pytest
from _pytest.monkeypatch import MonkeyPatch
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, configuration, library, needs_root
from ssh_login_notify import lookups, wording
from ssh_login_notify.reverse_dns import ReverseDns

pytestmark = pytest.mark.each

ADA = "203.0.113.50"


class Resolver:
    """Replaces the system's resolver: names by address, and addresses by name."""

    def __init__(self, monkeypatch):
        self.names, self.addresses = {}, {}
        self.asked = []
        self.seconds = 0.0
        monkeypatch.setattr(socket, "gethostbyaddr", self.gethostbyaddr)
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def gethostbyaddr(self, address):
        self.asked.append(address)
        time.sleep(self.seconds)
        if address not in self.names:
            raise socket.herror(1, "Unknown host")
        return self.names[address], [], [address]

    def getaddrinfo(self, name, *_more):
        found = self.addresses.get(name.decode("ascii"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return [(0, 0, 0, "", (address, 0)) for address in found]


@pytest.fixture
def resolver(monkeypatch):
    return Resolver(monkeypatch)


@pytest.mark.parametrize("address", [ADA, "2001:db8::17"])
def test_a_name_that_points_back_is_confirmed(resolver, address):
    resolver.names[address] = "client.example.net"
    resolver.addresses["client.example.net"] = ["192.0.2.1", address]
    assert ReverseDns().of(address) == {"name": "client.example.net", "confirmed": True}


def test_addresses_are_compared_and_not_their_texts(resolver):
    resolver.names["2001:db8::17"] = "client.example.net"
    resolver.addresses["client.example.net"] = ["2001:0db8:0:0:0:0:0:0017"]
    assert ReverseDns().of("2001:db8::17")["confirmed"] is True


@pytest.mark.parametrize("answers", [None, [], ["192.0.2.1"], ["203.0.113.5", "203.0.113.150"]])
def test_any_other_is_not(resolver, answers):
    resolver.names[ADA] = "bank.example"
    if answers is not None:
        resolver.addresses["bank.example"] = answers
    assert ReverseDns().of(ADA) == {"name": "bank.example", "confirmed": False}


@pytest.mark.parametrize("address", ["", "local", "client.example", "fe80::1%eth0", "127.0.0.1", "::1", "0.0.0.0"])
def test_what_no_resolver_knows_is_not_asked(resolver, address):
    assert ReverseDns().of(address) is None
    assert resolver.asked == []


def test_a_slow_resolver_costs_half_a_second_in_a_whole_run(resolver):
    resolver.seconds = 3
    found = ReverseDns()
    began = time.monotonic()
    assert [found.of(f"203.0.113.{number}") for number in range(1, 60)] == [None] * 59
    assert time.monotonic() - began < 1.5
    assert len(resolver.asked) == 1


def test_each_address_is_asked_once_in_a_run(resolver):
    found = ReverseDns()
    assert [found.of(ADA) for _time in range(5)] == [None] * 5
    assert resolver.asked == [ADA]


@given(st.text(max_size=300))
def test_any_name_is_shown_as_text_of_a_stranger(name):
    patch = MonkeyPatch()
    try:
        Resolver(patch).names[ADA] = name
        part = ReverseDns().of(ADA)
    finally:
        patch.undo()
    assert part["confirmed"] is False
    told = alert(context={"reverse_dns": part})
    hint = wording.hint(told)
    assert hint.isprintable()
    assert " · " not in hint
    assert wording.line(told, configuration(), told["time"]).count(" · ") == (4 if name else 3)


def test_it_is_a_hint_in_the_field_of_that_name(resolver, spool):
    resolver.names[ADA] = "client.example.net"
    found = lookups.Lookups(configuration(reverse_dns=True), spool, None).add(alert())
    assert wording.hint(found) == "client.example.net by DNS, which does not point back to the address"


def test_the_real_resolver_names_an_address_of_this_host(tmp_path):
    """Whatever it answers about a documentation address, it answers in time."""
    began = time.monotonic()
    assert ReverseDns().of("203.0.113.7") is None
    assert time.monotonic() - began < 2


@needs_root
def test_no_real_resolver_that_is_silent_holds_the_process(tmp_path):
    """In its own mount namespace, whose only name server receives questions and never answers."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.53", 53))
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:10 attempts:1\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    program = (
        f"import os, sys, time; sys.path.insert(0, {library()!r})\n"
        "from ssh_login_notify.reverse_dns import ReverseDns\n"
        "began = time.monotonic()\n"
        "assert ReverseDns().of('203.0.113.7') is None\n"
        "print(time.monotonic() - began, flush=True)\n"
        "os._exit(0)\n"
    )
    (tmp_path / "program.py").write_text(program)
    mounts = "".join(f"mount --bind {tmp_path}/{name} /etc/{name} && " for name in ("resolv.conf", "nsswitch.conf"))
    words = ["unshare", "--mount", "sh", "-c", mounts + f"exec {sys.executable} -ISB {tmp_path}/program.py"]
    with silent:
        took = float(subprocess.check_output(words, timeout=30))
        question = silent.recv(512)
    assert b"\x017\x03113\x010\x03203\x07in-addr\x04arpa" in question
    assert 0.4 < took < 5
