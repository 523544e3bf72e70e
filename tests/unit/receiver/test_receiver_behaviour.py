# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every misbehaviour, experienced by a real client. Each does what it says, and ends when the client gives up."""

import contextlib
import socket
import ssl
import time
from email.utils import parsedate_to_datetime

import pytest
import requests
from conftest import PATH

from tests.lab.receiver.client import http_date
from tests.lab.receiver.sample import alert

TEXT = {"text": "x"}
REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n".encode()
    + b'{"text": "x"}'
)
# Over TLS, Python distinguishes a RST from a missing close only since 3.12.3 (CPython gh-115627).
TLS_BREAKS = (ConnectionResetError, ssl.SSLEOFError)


@pytest.fixture
def raw(running, ca_file):
    """Return a TLS connection on which REQUEST was sent, and nothing was read."""
    context = ssl.create_default_context(cafile=str(ca_file))
    opened = []

    def send(timeout=10.0):
        sock = socket.create_connection(running.address("https"), timeout=timeout)
        secure = context.wrap_socket(sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        opened.append(secure)
        secure.sendall(REQUEST)
        return secure

    yield send
    for secure in opened:
        secure.close()


def read(sock, size):
    """Read at least `size` bytes, or up to the end."""
    data = b""
    # Pythons differ in whether a TLS connection that ends without a close alert is an error.
    with contextlib.suppress(ssl.SSLEOFError):
        while len(data) < size:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    return data


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ({"status": 403, "answer": "invalid_token"}, 403, "invalid_token"),
        ({"status": 403}, 403, "action_prohibited"),
        ({"status": 404}, 404, "no_service"),
        ({"status": 404, "answer": "channel_not_found"}, 404, "channel_not_found"),
        ({"status": 410}, 410, "channel_is_archived"),
        ({"status": 429, "retry_after": "3"}, 429, "rate_limited"),
        ({"status": 500}, 500, "rollup_error"),
        ({"status": 503}, 503, "status 503"),
    ],
)
def test_status(client, post, rule, status, words):
    client.behave({"mode": "status", **rule})
    answer = post(json=TEXT)
    assert (answer.status_code, answer.text) == (status, words)
    assert answer.headers.get("Retry-After") == rule.get("retry_after")
    assert client.messages() == []
    assert client.attempts()[0].status == status


def test_a_429_has_a_retry_after_even_if_none_was_asked_for(client, post):
    client.behave({"mode": "status", "status": 429})
    assert post(json=TEXT).headers["Retry-After"] == "1"


def test_retry_after_as_a_date(client, post):
    client.behave({"mode": "status", "status": 429, "retry_after": http_date(5)})
    date = parsedate_to_datetime(post(json=TEXT).headers["Retry-After"])
    assert 3 < date.timestamp() - time.time() <= 5


def test_rules_follow_each_other_and_then_slack_is_well_again(client, post):
    client.behave({"mode": "status", "status": 500, "times": 2}, {"mode": "status", "status": 404, "times": 1})
    assert [post(json=TEXT).status_code for _ in range(4)] == [500, 500, 404, 200]
    assert client.rules() == []
    assert [attempt.delivered for attempt in client.attempts()] == [False, False, False, True]


def test_a_rule_for_ever_ends_when_it_is_taken_back(client, post):
    with client.misbehaving({"mode": "status", "status": 503}):
        assert [post(json=TEXT).status_code for _ in range(3)] == [503] * 3
        assert client.rules()[0]["served"] == 3
    assert post(json=TEXT).status_code == 200


def test_a_rule_for_one_message_leaves_the_others_alone(client, post):
    client.behave({"mode": "status", "status": 400, "containing": "poison"})
    assert [post(json={"text": text}).status_code for text in ("x", "poison", "y")] == [200, 400, 200]


def test_rate_limit_lets_one_message_a_second_through(client, post):
    client.behave({"mode": "rate_limit", "per_second": 2})
    first, second = post(json=TEXT), post(json=TEXT)
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.headers["Retry-After"] == "1"
    time.sleep(1.01)
    assert post(json=TEXT).status_code == 200
    assert len(client.messages()) == 2


def test_rate_limit_allows_a_burst(client, post):
    client.behave({"mode": "rate_limit", "per_second": 0.1, "burst": 3})
    answers = [post(json=TEXT) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "10"


def test_hang_before_the_answer(client, post):
    client.behave({"mode": "hang", "times": 1})
    with pytest.raises(requests.exceptions.ReadTimeout):
        post(json=TEXT, timeout=0.5)
    assert client.attempts()[0].delivered is False
    assert post(json=TEXT).text == "ok"


def test_hang_before_the_handshake(client, post):
    client.behave({"mode": "hang", "at": "accept"})
    with pytest.raises(requests.exceptions.Timeout):
        post(json=TEXT, timeout=0.5)
    assert client.attempts() == []


def test_a_message_whose_answer_is_lost_can_count_as_delivered(client, post):
    client.behave({"mode": "hang", "delivered": True})
    with pytest.raises(requests.exceptions.ReadTimeout):
        post(json=TEXT, timeout=0.5)
    assert len(client.messages()) == 1


def test_reset_before_the_handshake(client, running):
    client.behave({"mode": "reset", "at": "accept"})
    # The reset can come before `connect` has returned.
    with pytest.raises(ConnectionResetError), socket.create_connection(running.address("https"), timeout=10) as sock:
        sock.recv(1)
    assert client.attempts() == []


def test_reset_before_the_answer(client, running, raw):
    client.behave("reset")
    with socket.create_connection(running.address("http"), timeout=10) as sock:
        sock.sendall(REQUEST)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with pytest.raises(TLS_BREAKS):
        raw().recv(1)
    assert (len(client.attempts()), client.messages()) == (2, [])


def test_reset_in_mid_answer(client, running, raw):
    client.behave({"mode": "reset", "at": "answer"})
    with socket.create_connection(running.address("http"), timeout=10) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(1000).endswith(b"\r\n\r\no")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    secure = raw()
    assert secure.recv(1000).endswith(b"\r\n\r\no")
    with pytest.raises(TLS_BREAKS):
        secure.recv(1)
    assert len(client.messages()) == 2


def test_close_before_the_answer(client, raw):
    client.behave("close")
    sock = raw()
    assert read(sock, 1) == b""
    assert client.messages() == []


def test_close_in_mid_answer(client, post):
    client.behave({"mode": "close", "at": "answer"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="1 bytes read, 1 more expected"):
        post(json=TEXT)
    assert len(client.messages()) == 1


def test_garbage(client, post):
    client.behave("garbage")
    with pytest.raises(requests.exceptions.ConnectionError, match="BadStatusLine"):
        post(json=TEXT)
    assert client.messages() == []


def test_slow_comes_byte_by_byte_and_is_whole_in_the_end(client, raw):
    client.behave({"mode": "slow", "interval": 0.02})
    sock = raw()
    started = time.monotonic()
    assert sock.recv(100) == b"H"
    assert read(sock, 71).endswith(b"\r\n\r\nok")
    assert time.monotonic() - started > 71 * 0.02


def test_endless_headers_end_at_the_client(client, post):
    client.behave("endless")
    with pytest.raises(requests.exceptions.ConnectionError, match="got more than 100 headers"):
        post(json=TEXT)
    assert client.messages() == []


def test_an_endless_line_ends_at_the_client(client, post):
    client.behave({"mode": "endless", "part": "line"})
    with pytest.raises(requests.exceptions.ConnectionError, match="got more than 65536 bytes"):
        post(json=TEXT)


def test_endless_continue_has_no_end(client, raw):
    client.behave({"mode": "endless", "part": "continue"})
    data = read(raw(), 200_000)
    assert data.startswith(b"HTTP/1.1 100 Continue\r\n\r\n" * 7000)


def test_an_endless_body_has_no_end(client, raw):
    client.behave({"mode": "endless", "part": "body"})
    assert read(raw(), 1_000_000).startswith(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\naaaa")


def test_huge_announces_its_size_and_keeps_its_word(client, post):
    client.behave({"mode": "huge", "bytes": 3_000_000})
    answer = post(json=TEXT)
    assert (answer.status_code, len(answer.content)) == (200, 3_000_000)


def test_huge_by_default_is_10_gigabytes_and_stops_with_the_client(client, post):
    client.behave("huge")
    answer = post(json=TEXT, stream=True)
    assert answer.headers["Content-Length"] == str(10**10)
    assert len(answer.raw.read(1_000_000)) == 1_000_000
    answer.close()
    assert post(json=TEXT, stream=True).status_code == 200


def test_huge_can_be_a_gzip_bomb(client, raw, post):
    client.behave({"mode": "huge", "bytes": 50_000_000, "gzip": True})
    assert len(read(raw(), 10**9)) < 100_000
    assert len(post(json=TEXT).content) == 50_000_000


def test_redirect(client, post):
    client.behave({"mode": "redirect", "location": "http://192.0.2.1/elsewhere", "status": 307})
    answer = post(json=TEXT, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://192.0.2.1/elsewhere")
    assert client.messages() == []


def test_a_redirect_that_is_followed_leaves_a_trace(client, post):
    client.behave({"mode": "redirect", "location": f"{client.url}/somewhere", "times": 1})
    post(json=TEXT)
    assert [(attempt.raw["method"], attempt.raw["path"]) for attempt in client.attempts()] == [
        ("POST", PATH), ("GET", "/somewhere"),
    ]  # fmt: skip


def test_a_kept_connection_ends_when_the_certificate_changes(client, post):
    assert post(json=TEXT).status_code == 200
    client.behave({"mode": "certificate", "kind": "expired"})
    with pytest.raises(requests.exceptions.ConnectionError):
        post(json=TEXT)
    assert len(client.messages()) == 1
    with pytest.raises(requests.exceptions.SSLError, match="certificate has expired"):
        post(json=TEXT)


def test_a_message_that_slack_would_refuse_is_never_delivered(client, post):
    for rule in ({"mode": "status", "status": 200}, {"mode": "reset", "at": "answer"}):
        client.behave(rule)
        with contextlib.suppress(requests.exceptions.RequestException):
            post(json={"text": "a < b"})
    assert len(client.attempts()) == 2
    assert client.messages() == []


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("nonsense", "a rule is an object with a mode"),
        ({"mode": "status"}, "status is missing"),
        ({"mode": "status", "status": "429"}, "status is wrong"),
        ({"mode": "status", "status": 100}, "status is wrong"),
        ({"mode": "status", "status": 429, "retry_after": 3}, "retry_after is wrong"),
        ({"mode": "status", "status": 429, "retry_after": "3\r\nX: y"}, "retry_after is wrong"),
        ({"mode": "hang", "at": "answer"}, "at is wrong"),
        ({"mode": "hang", "seconds": 5}, "unknown option 'seconds'"),
        ({"mode": "ok", "times": 0}, "times is wrong"),
        ({"mode": "ok", "times": True}, "times is wrong"),
        ({"mode": "rate_limit", "per_second": 0}, "per_second is wrong"),
        ({"mode": "redirect"}, "location is missing"),
        ({"mode": "certificate", "kind": "good"}, "kind is wrong"),
        ({"mode": "reset", "at": "accept", "containing": "x"}, "before the request"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_the_reason(client, rule, reason):
    client.behave({"mode": "status", "status": 503})
    with pytest.raises(ValueError, match=reason):
        client.behave(rule)
    assert client.rules()[0]["status"] == 503


def test_rules_hold_for_the_plain_port_too(client):
    client.behave({"mode": "status", "status": 503})
    assert requests.post(client.url + PATH, json=alert(), timeout=10).status_code == 503
