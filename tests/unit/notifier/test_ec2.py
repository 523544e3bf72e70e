# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ec2: the metadata service is queried by its version 2, once per boot, for at most half a second."""

import contextlib
import json
import os
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, configuration, make_spool
from ssh_login_notify import boot, ec2, lookups
from ssh_login_notify.context import Instance

BOOT = "0123456789abcdef0123456789abcdef"
ID, REGION, ACCOUNT = "i-0123456789abcdef0", "eu-central-1", "123456789012"
DOCUMENT = {"instanceId": ID, "region": REGION, "accountId": ACCOUNT, "architecture": "x86_64", "version": "2017-09-30"}
WHOLE = Instance(ID, "web", REGION, ACCOUNT)
# Half a second, and the delay of a busy machine.
LONGEST_SECONDS = 1.5


class Service(threading.Thread):
    """An instance metadata service as AWS documents it, on the loopback interface, or something else in its place."""

    def __init__(self, way="v2", name="web", document=None):
        super().__init__(daemon=True)
        self.way, self.name_tag, self.document = way, name, DOCUMENT if document is None else document
        self.requests = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.answer(connection)

    def answer(self, connection):
        raw = b""
        while b"\r\n\r\n" not in raw:
            more = connection.recv(4096)
            if not more:
                return
            raw += more
        first, *lines = raw.decode("ascii").split("\r\n\r\n")[0].split("\r\n")
        headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
        method, path, _version = first.split(" ")
        self.requests.append((method, path))
        if self.way == "silent":
            time.sleep(3)
        elif self.way == "garbage":
            connection.sendall(os.urandom(2000))
        elif self.way == "endless":
            while True:
                connection.sendall(b"x" * 4096)
        elif self.way == "drips":
            for _number in range(40):
                connection.sendall(b"H")
                time.sleep(0.1)
        else:
            status, body = self.answer_to(method, path, headers)
            head = f"HTTP/1.1 {status} x\r\nServer: EC2ws\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode("ascii") + (body[:-1] if self.way == "cut" else body))

    def answer_to(self, method, path, headers):
        if self.way == "off":
            return 403, b""
        if path == ec2.TOKEN:
            if self.way == "v1":
                return 404, b"not found"
            lifetime = headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
            if method != "PUT" or "x-forwarded-for" in headers or not lifetime.isdigit():
                return 400, b""
            return (200, b"token==") if 1 <= int(lifetime) <= 21600 else (400, b"")
        if method != "GET" or (self.way != "v1" and headers.get("x-aws-ec2-metadata-token") != "token=="):
            return 401, b""
        if path == ec2.DOCUMENT:
            return 200, self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()
        return (200, self.name_tag.encode("utf-8")) if path == ec2.NAME_TAG and self.name_tag else (404, b"")


@pytest.fixture
def service(monkeypatch):
    started = []

    def start(*arguments, **values):
        found = Service(*arguments, **values)
        started.append(found)
        monkeypatch.setattr(ec2, "ADDRESSES", (found.address,))
        return found

    yield start
    for found in started:
        found.listener.close()


def test_the_instance_is_told_by_its_document_and_its_tag(service):
    found = service()
    assert ec2.ask() == WHOLE
    assert found.requests == [("PUT", ec2.TOKEN), ("GET", ec2.DOCUMENT), ("GET", ec2.NAME_TAG)]


def test_without_leave_to_read_tags_it_has_no_name(service):
    service(name="")
    assert ec2.ask() == WHOLE._replace(name="")


@pytest.mark.parametrize("way", ["silent", "garbage", "endless", "drips", "cut", "off", "v1"])
def test_what_is_no_such_service_is_left_in_half_a_second(service, way):
    found = service(way)
    began = time.monotonic()
    assert ec2.ask() is None
    assert time.monotonic() - began < LONGEST_SECONDS
    assert {path for _method, path in found.requests} == {ec2.TOKEN}, "without a token nothing else is asked"


def test_where_nothing_listens_nothing_is_known(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = unused.getsockname()
    monkeypatch.setattr(ec2, "ADDRESSES", (address, address))
    assert ec2.ask() is None


@pytest.mark.parametrize("way", ["silent", "off", "garbage"])
def test_the_second_address_is_asked_where_the_first_does_not_answer(service, monkeypatch, way):
    first = service(way)
    second = service()
    monkeypatch.setattr(ec2, "ADDRESSES", (first.address, second.address))
    began = time.monotonic()
    assert ec2.ask() == WHOLE
    assert time.monotonic() - began < LONGEST_SECONDS


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"null", b"{", b"[" * 9999, b'{"instanceId": 7}', dict(DOCUMENT, region="eu-central-1#x"),
     dict(DOCUMENT, accountId=""), dict(DOCUMENT, instanceId="i-0123456789abcdef0|<!here>"), {}],
)  # fmt: skip
def test_another_document_is_none(service, document):
    service(document=document)
    assert ec2.ask() is None


@pytest.mark.parametrize("name", ["本番 web", '"><!here>', "a\r\nb", "x" * 5000])
def test_a_name_is_shown_as_text_of_a_stranger(service, name):
    service(name=name)
    assert ec2.ask().name.isprintable()
    assert len(ec2.ask().name) <= 256


@given(st.binary(max_size=300))
def test_any_answer_is_read_without_an_error(raw):
    here, there = socket.socketpair()
    there.sendall(raw)
    there.shutdown(socket.SHUT_WR)

    class Connected:
        """A socket that is already connected."""

        def __enter__(self):
            return self

        def __exit__(self, *_words):
            here.close()

        def connect(self, _address):
            """Do nothing."""

        def __getattr__(self, name):
            return getattr(here, name)

    original = socket.socket
    try:
        socket.socket = lambda *_words: Connected()
        ec2._request(("192.0.2.1", 80), "GET", "/", "x: y", time.monotonic() + 1)
    except (OSError, ValueError):
        pass
    finally:
        socket.socket = original
        there.close()


# -- once per boot -----------------------------------------------------------------------------------------------------


@pytest.fixture
def spool(tmp_path, monkeypatch):
    monkeypatch.setattr(boot, "BOOT_ID", str(tmp_path / "hidden"))
    monkeypatch.setenv(boot.VARIABLE, BOOT)
    return make_spool(tmp_path / "spool")


def test_it_is_asked_once_for_a_boot(service, spool, monkeypatch):
    found = service()
    for _time in range(3):
        assert ec2.of_this_host(spool) == dict(WHOLE._asdict())
    assert len(found.requests) == 3
    monkeypatch.setenv(boot.VARIABLE, BOOT[::-1])
    ec2.of_this_host(spool)
    assert len(found.requests) == 6


def test_a_service_that_did_not_answer_is_asked_again_after_an_hour(service, spool, monkeypatch):
    found = service("off")
    assert [ec2.of_this_host(spool) for _time in range(3)] == [None] * 3
    assert len(found.requests) == 1
    now = time.time()
    monkeypatch.setattr(ec2.time, "time", lambda: now + 3601)
    ec2.of_this_host(spool)
    assert len(found.requests) == 2


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b"[" * 9999, b'{"boot": 7}', b"\xff",
                                  b'{"boot": "' + BOOT.encode() + b'", "instance": "x", "at": "y"}'])  # fmt: skip
def test_a_damaged_file_is_no_answer(service, spool, kept):
    service()
    spool.write("state", ec2.STATE, kept, 0o640)
    assert ec2.of_this_host(spool)["id"] == ID


def test_its_file_is_one_that_the_spool_expects(service, spool):
    service()
    ec2.of_this_host(spool)
    assert spool.unexpected() == []


def test_where_the_boot_is_unknown_each_run_asks(service, spool, monkeypatch):
    monkeypatch.delenv(boot.VARIABLE)
    found = service()
    ec2.of_this_host(spool)
    ec2.of_this_host(spool)
    assert len(found.requests) == 6


@pytest.mark.parametrize(
    ("text", "variable", "expected"),
    [
        ("01234567-89ab-cdef-0123-456789abcdef\n", "x", BOOT),
        (None, BOOT, BOOT),
        (None, "nonsense", ""),
        ("", BOOT, ""),
        (None, "", ""),
    ],
)
def test_a_boot_is_told_by_the_kernel_or_by_systemd(tmp_path, monkeypatch, text, variable, expected):
    path = tmp_path / "boot_id"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(boot, "BOOT_ID", str(path))
    monkeypatch.setenv(boot.VARIABLE, variable)
    assert boot.identity() == expected


# -- whether it is queried ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (["Amazon EC2\n", None, None, None], True),
        (["Xen\n", None, "4.11.amazon\n", None], True),
        (["Xen", None, None, "ec2e1916-9099-7caf-fd21-012345abcdef\n"], True),
        (["Xen", None, None, "EC2E1916-9099-7CAF-FD21-012345ABCDEF"], True),
        (["QEMU", "i-0123456789abcdef0", None, None], True),
        (["QEMU", "", "1.16.2-debian", "ffffffff-9099-7caf-fd21-012345abcdef"], False),
        (["Amazon EC2 look-alike", "i-x", "4.11.amazonian", "ec2"], False),
        ([None] * 4, False),
    ],
)
def test_it_is_asked_only_where_the_hypervisor_says_so(tmp_path, monkeypatch, spool, signs, expected):
    places = []
    for number, ((_path, form), text) in enumerate(zip(lookups.EC2_SIGNS, signs)):
        place = tmp_path / str(number)
        if text is not None:
            place.write_text(text)
        places.append((str(place), form))
    monkeypatch.setattr(lookups, "EC2_SIGNS", tuple(places))
    asked = []
    monkeypatch.setattr(ec2, "of_this_host", lambda _spool: asked.append(1))
    made = lookups.Lookups(configuration(), spool, None)
    assert asked == [], "not while it is made, which is before root is given up"
    assert made.add(alert(1))["context"] == made.add(alert(2))["context"] == {}
    assert len(asked) == int(expected)
