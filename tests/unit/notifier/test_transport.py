# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""transport: one POST over real sockets and real TLS, within limits, whatever the other side does."""

import base64
import contextlib
import json
import re
import signal
import socket
import ssl
import sys
import threading
import time

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import OK, answer, configuration, drip, raw, reset
from ssh_login_notify import VERSION, channels, transport, trust
from ssh_login_notify.channels import slack
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.transport import LARGEST_ANSWER_BYTES, Transport, TransportError

# Python itself can affect each case.
pytestmark = pytest.mark.each

BODY = b'{"text": "hello"}'


def to(url, **values):
    """Return a transport to the webhook at this address."""
    return Transport(configuration(url, **values), url)


@pytest.fixture
def trusted(secure_webhook, certificates):
    """A transport to the webhook over TLS, which trusts the tests' authority."""
    return to(secure_webhook.url, ca_file=certificates.authority)


@pytest.fixture
def plain(webhook):
    return to(webhook.url)


def failure(connection):
    """Return the sentence of an error, after checking that it does not contain the secret address."""
    with pytest.raises(TransportError) as failed:
        connection.post(BODY)
    sentence = str(failed.value)
    assert "not-a-real-secret" not in sentence
    assert "/services" not in sentence
    assert sentence.isprintable()
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    return sentence


def test_a_request_is_what_slack_asks_for(webhook, plain):
    assert plain.post(BODY).text == "ok"
    (request,) = webhook.requests
    assert request.line == f"POST {parts.PATH} HTTP/1.1"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["user-agent"] == "ssh-login-notify/" + VERSION
    assert request.headers["host"] == f"127.0.0.1:{webhook.port}"
    assert "transfer-encoding" not in request.headers


def test_a_request_over_tls_arrives(secure_webhook, trusted):
    found = trusted.post(BODY)
    assert (found.status, found.text, found.retry_after) == (200, "ok", None)
    assert secure_webhook.requests[0].body == BODY


def test_a_query_is_part_of_the_address(webhook):
    to(webhook.url + "?a=b&c=d").post(BODY)
    assert webhook.requests[0].line.split()[1] == parts.PATH + "?a=b&c=d"


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("wrong-name", "match"), ("expired", "expired|verify failed"), ("unknown", "local issuer|verify failed")],
)
def test_a_certificate_that_is_not_right_is_refused_before_anything_is_sent(
    secure_webhook, trusted, certificate, reason
):
    secure_webhook.certificate = certificate
    sentence = failure(trusted)
    assert sentence.startswith(f"the certificate or TLS of 127.0.0.1 port {secure_webhook.port} is not accepted: ")
    assert re.search(reason, sentence.lower())
    assert secure_webhook.requests == []


def test_an_authority_of_older_tools_is_trusted_by_every_python(secure_webhook, certificates):
    """It has no critical basicConstraints, keyUsage or key identifiers, which Python requires since 3.13."""
    secure_webhook.certificate = "former"
    file = str(certificates.directory / "former-authority.pem")
    connection = to(secure_webhook.url, ca_file=file)
    assert connection.post(BODY).text == "ok"
    assert connection.to(secure_webhook.url).get().text == "ok"


def test_who_is_no_authority_is_trusted_by_none(secure_webhook, certificates):
    secure_webhook.certificate = "of-no-authority"
    file = str(certificates.directory / "former-authority.pem")
    sentence = failure(to(secure_webhook.url, ca_file=file))
    assert "is not accepted" in sentence
    assert secure_webhook.requests == []


def test_the_systems_authorities_are_held_to_what_this_python_asks():
    strict = ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT
    assert trust.tls_context().verify_flags & ssl.VERIFY_X509_STRICT == strict
    assert strict or sys.version_info < (3, 13)


def test_an_authority_of_the_system_that_is_too_old_is_told_with_its_mend(secure_webhook, certificates, monkeypatch):
    """As of a company that has added it to the system's with its own tools."""
    secure_webhook.certificate = "former"
    create = ssl.create_default_context
    file = str(certificates.directory / "former-authority.pem")

    def strict(cafile=None):
        context = create(cafile=cafile or file)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    sentence = failure(to(secure_webhook.url))
    # Python 3.6 does not say what is wrong, and does not check strictly.
    assert ("set ssh_login_notify_ca_file" in sentence) == (sys.version_info >= (3, 7))
    assert to(secure_webhook.url, ca_file=file).post(BODY).text == "ok"


def test_the_systems_authorities_do_not_know_the_tests(secure_webhook):
    assert "not accepted" in failure(to(secure_webhook.url))
    assert secure_webhook.requests == []


def test_a_host_that_speaks_no_tls_is_refused():
    greeter = parts.Greeter()
    url = f"https://127.0.0.1:{greeter.port}{parts.PATH}"
    assert "certificate or TLS" in failure(to(url))
    greeter.close()


@pytest.mark.parametrize("content", [None, "", "not PEM"])
def test_an_authoritys_file_that_can_not_be_used_is_told_with_its_mend(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    expected = "can't be used .*: correct ssh_login_notify_ca_file"
    with pytest.raises(ConfigurationError, match=expected):
        to(parts.WEBHOOK, ca_file=str(path))


def test_one_connection_is_used_for_several_requests(secure_webhook, trusted):
    for _ in range(3):
        trusted.post(BODY)
    assert [request.connection for request in secure_webhook.requests] == [1, 1, 1]
    trusted.close()
    trusted.post(BODY)
    assert secure_webhook.requests[-1].connection == 2
    trusted.close()
    trusted.close()


@pytest.mark.parametrize("kind", ["plain", "trusted"])
def test_a_kept_connection_that_the_host_has_closed_is_opened_again(request, kind):
    connection = request.getfixturevalue(kind)
    server = request.getfixturevalue("webhook" if kind == "plain" else "secure_webhook")
    server.instructions.append(raw(b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok", keep=False))
    connection.post(BODY)
    time.sleep(0.05)  # the end of the connection arrives
    assert connection.post(BODY).text == "ok"
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_kept_connection_that_was_reset_is_opened_again(webhook, plain):
    plain.post(BODY)
    webhook.instructions.append(reset)
    assert plain.post(BODY).text == "ok"
    assert webhook.connections == 2


def test_a_kept_connection_that_tls_finds_closed_is_opened_again(secure_webhook, trusted, monkeypatch):
    trusted.post(BODY)

    def find_it_closed(*_):
        raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")

    monkeypatch.setattr(trusted._connection, "request", find_it_closed)
    assert trusted.post(BODY).text == "ok"
    assert secure_webhook.connections == 2


def test_a_connection_that_the_host_says_it_closes_is_not_kept(webhook, plain):
    webhook.instructions.append(answer(200, "ok", "Connection: close"))
    plain.post(BODY)
    plain.post(BODY)
    assert webhook.connections == 2


@pytest.mark.parametrize(
    ("status", "text", "headers", "retry_after"),
    [
        (404, "no_service", [], None),
        (429, "rate_limited", ["Retry-After: 30"], "30"),
        (500, "", [], None),
        (302, "", ["Location: http://127.0.0.1:9/elsewhere"], None),
        (200, "not ok", [], None),
    ],
)
def test_every_answer_is_handed_on_as_it_is(webhook, plain, status, text, headers, retry_after):
    webhook.instructions.append(answer(status, text, *headers))
    found = plain.post(BODY)
    assert (found.status, found.text, found.retry_after) == (status, text, retry_after)
    assert len(webhook.requests) == 1  # no redirect is followed


def test_an_answer_in_chunks_is_read(webhook, plain):
    webhook.instructions.append(
        raw(b"HTTP/1.1 200 F\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n")
    )
    assert plain.post(BODY).text == "ok"


def test_an_answer_that_is_no_text_is_made_one(webhook, plain):
    webhook.instructions.append(raw(b"HTTP/1.1 200 F\r\nContent-Length: 3\r\n\r\n\xff\x1bk"))
    assert plain.post(BODY).text == "\\xff\x1bk"


@pytest.mark.parametrize(
    "head", ["Content-Length: 100000000", "Transfer-Encoding: chunked"], ids=["announced", "in chunks"]
)
def test_an_answer_without_end_is_read_for_a_few_bytes(webhook, plain, head):
    piece = b"x" * 4096 if "Length" in head else b"1000\r\n" + b"x" * 4096 + b"\r\n"
    webhook.instructions.append(raw(f"HTTP/1.1 200 F\r\n{head}\r\n\r\n".encode() + piece * 64))
    assert len(plain.post(BODY).text) <= LARGEST_ANSWER_BYTES
    assert plain.post(BODY).text == "ok"
    assert webhook.connections == 2  # the rest of the long answer is not read as another answer


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)),
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
        b"",
    ],
    ids=["another protocol", "no status", "many headers", "a long header", "nothing"],
)
def test_an_answer_that_is_none_is_told_as_such(webhook, plain, data):
    webhook.instructions.append(raw(data, keep=False))
    assert f"127.0.0.1 port {webhook.port}" in failure(plain)
    assert plain.post(BODY).text == "ok"


@pytest.mark.parametrize(
    "data", [b"Content-Length: 2\r\n\r\no", b"Transfer-Encoding: chunked\r\n\r\n2\r\no"], ids=["announced", "in chunks"]
)
def test_an_answer_that_breaks_off_is_none(webhook, plain, data):
    """Half of "ok" is not an answer of something else."""
    webhook.instructions.append(raw(b"HTTP/1.1 200 OK\r\n" + data, keep=False))
    assert failure(plain) == f"the answer of 127.0.0.1 port {webhook.port} broke off"
    assert plain.post(BODY).text == "ok"


STARTS = [b"", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 429 Slowly\r\n"]
PIECES = [
    b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Retry-After: ", b"\r\n",
    b"Location: http://127.0.0.1:9/\r\n", b"Connection: keep-alive\r\n", b"\n", b"2", b"999999", b"-1", b"0", b" ",
    b":", b"\xff",
]  # fmt: skip
ENDS = [b"", b"\r\n", b"\r\n\r\nok", b"\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
ANSWERS = st.tuples(
    st.sampled_from(STARTS),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=20).map(b"".join),
    st.sampled_from(ENDS),
).map(b"".join)


@given(ANSWERS)
def test_whatever_bytes_answer_the_sender_gets_an_answer_or_a_sentence(data):
    with contextlib.closing(parts.Webhook()) as webhook:
        # A second time, because the end of a persistent connection causes one retry.
        webhook.instructions.extend([raw(data, keep=False)] * 2)
        connection = to(webhook.url)
        try:
            found, sentence = connection.post(BODY), ""
        except TransportError as error:
            found, sentence = None, str(error)
        connection.close()
    assert sentence.isprintable()
    assert "not-a-real-secret" not in sentence
    if found:
        assert len(found.text.encode()) <= 4 * LARGEST_ANSWER_BYTES, "each byte that is no text is shown as four"
        assert slack.mend(found.status, found.text)
        assert (channels.retry_after(found.retry_after) or 0) >= 0


def test_a_reset_is_told_as_such(webhook, plain):
    webhook.instructions.append(reset)
    assert "Connection reset by peer" in failure(plain)


def test_nobody_at_the_other_end_is_told_as_such():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}{parts.PATH}"
        assert "Connection refused" in failure(to(url))


def test_a_name_that_does_not_resolve_is_told_as_such():
    connection = to("https://hooks.invalid" + parts.PATH)
    assert "the name of hooks.invalid port 443 can't be resolved" in failure(connection)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", b"o"),
    ],
    ids=["answers before the answer", "its body"],
)
def test_an_answer_that_drips_is_given_up_in_the_end(webhook, plain, monkeypatch, head, piece):
    monkeypatch.setattr(transport, "DEADLINE_SECONDS", 1)
    webhook.instructions.append(lambda connection: connection.sendall(head) or drip(piece, 0.1)(connection))
    began = time.monotonic()
    assert "no answer from 127.0.0.1" in failure(plain)
    assert time.monotonic() - began < 3


@contextlib.contextmanager
def dead_addresses(count):
    """Addresses that never answer: the queue of the listening socket is full, so the kernel drops connections."""
    with contextlib.ExitStack() as opened:
        found = []
        for _number in range(count):
            listener = opened.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _filler in range(3):
                filler = opened.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            found.append(listener.getsockname())
        yield found


def resolve_to(monkeypatch, addresses):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments: found)


def test_the_deadline_ends_a_trickle_behind_dead_addresses(webhook, plain, monkeypatch):
    """The first signal comes during a dead address, where http.client takes an OSError for that address's."""
    monkeypatch.setattr(transport, "DEADLINE_SECONDS", 1)
    monkeypatch.setattr(transport, "STEP_SECONDS", 0.4)
    webhook.instructions.append(drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.1))
    with dead_addresses(5) as dead:
        resolve_to(monkeypatch, [*dead, ("127.0.0.1", webhook.port)])
        began = time.monotonic()
        assert failure(plain) == f"no answer from 127.0.0.1 port {webhook.port} in time"
    assert time.monotonic() - began < 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_live_address_behind_dead_ones_is_reached_well_before_the_deadline(webhook, plain, monkeypatch, count):
    monkeypatch.setattr(transport, "STEP_SECONDS", 2)
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 2.1, raising=False)
    monkeypatch.setattr(transport, "DEADLINE_SECONDS", 4)
    with dead_addresses(count) as dead:
        resolve_to(monkeypatch, [*dead, ("127.0.0.1", webhook.port)])
        assert plain.post(BODY).text == "ok"


@pytest.mark.parametrize("caught", [Exception, OSError, BaseException])
def test_the_deadline_comes_again_until_it_is_heard(plain, monkeypatch, caught):
    """Whatever a library catches in between."""
    monkeypatch.setattr(transport, "DEADLINE_SECONDS", 1)
    tries = []

    def go_on(*_arguments):
        while len(tries) < 9:
            tries.append(time.monotonic())
            try:
                time.sleep(3)
            except caught:
                if len(tries) == 2:
                    raise

    monkeypatch.setattr(plain, "_request", go_on)
    began = time.monotonic()
    assert "in time" in failure(plain)
    assert time.monotonic() - began < 2.9
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("instruction", "sent"), [(reset, True), (raw(b"garbage\r\n\r\n", keep=False), True), (None, False)]
)
def test_an_error_says_whether_the_host_may_have_the_message(webhook, plain, monkeypatch, instruction, sent):
    webhook.instructions.append(instruction)
    if not sent:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            resolve_to(monkeypatch, [unused.getsockname()])
    with pytest.raises(TransportError) as failed:
        plain.post(BODY)
    assert failed.value.sent is sent


@pytest.mark.parametrize("kind", ["plain", "trusted"])
def test_a_host_that_takes_the_request_and_says_nothing_is_given_up(request, monkeypatch, kind):
    monkeypatch.setattr(transport, "STEP_SECONDS", 0.2)
    server = request.getfixturevalue("webhook" if kind == "plain" else "secure_webhook")
    server.instructions.append(drip(b"", 0.1))
    sentence = failure(request.getfixturevalue(kind))
    assert sentence == f"no answer from 127.0.0.1 port {server.port} in time"


def test_the_deadline_leaves_no_alarm_behind(plain):
    before = signal.getsignal(signal.SIGALRM)
    plain.post(BODY)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == before


@pytest.fixture
def proxy():
    server = parts.Proxy()
    yield server
    server.close()


def beyond(monkeypatch, proxy, url, user="", **values):
    """Return a transport through the proxy, which is normally not used for loopback."""
    monkeypatch.setattr(transport, "is_loopback", lambda _: False)
    return to(url, proxy=f"http://{user}127.0.0.1:{proxy.port}", **values)


def test_through_a_proxy_the_secret_goes_in_a_tunnel(secure_webhook, certificates, proxy, monkeypatch):
    connection = beyond(monkeypatch, proxy, secure_webhook.url, ca_file=certificates.authority)
    assert connection.post(BODY).text == "ok"
    assert connection.post(BODY).text == "ok"
    assert [line.split()[:2] for line in proxy.asked] == [["CONNECT", f"127.0.0.1:{secure_webhook.port}"]]
    assert "not-a-real-secret" not in str(proxy.asked)
    assert len(secure_webhook.requests) == 2


def test_a_certificate_is_checked_beyond_a_proxy_too(secure_webhook, certificates, proxy, monkeypatch):
    secure_webhook.certificate = "wrong-name"
    sentence = failure(beyond(monkeypatch, proxy, secure_webhook.url, ca_file=certificates.authority))
    assert f"through the proxy 127.0.0.1 port {proxy.port}" in sentence


def test_a_proxy_that_strips_tls_gets_nothing_in_clear(certificates, monkeypatch):
    """It claims that the tunnel is open, and speaks plain HTTP itself."""
    heard = []

    def strip(listener):
        client, _address = listener.accept()
        with client, client.makefile("rb", buffering=0) as request:
            while request.readline().strip():
                pass  # to the empty line: older Pythons send the request in several parts
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            heard.append(client.recv(4096))
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        thread = threading.Thread(target=strip, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        monkeypatch.setattr(transport, "is_loopback", lambda _: False)
        url = "https://127.0.0.1:9/services/T00000000/B00000000/not-a-real-secret"
        values = {"proxy": f"http://127.0.0.1:{port}", "ca_file": certificates.authority}
        sentence = failure(to(url, **values))
        thread.join()
    assert "TLS" in sentence
    assert heard[0][:1] == b"\x16", "a TLS handshake (RFC 8446, 5.1), and nothing else"
    assert b"not-a-real-secret" not in b"".join(heard)


def test_plain_http_goes_in_a_tunnel_too(webhook, proxy, monkeypatch):
    assert beyond(monkeypatch, proxy, webhook.url).post(BODY).text == "ok"
    assert len(proxy.asked) == 1


def test_a_proxy_that_refuses_is_told_as_such(secure_webhook, certificates, proxy, monkeypatch):
    proxy.refusal = b"HTTP/1.1 407 Proxy \x1b[31mAuthentication Required\r\n\r\n"
    sentence = failure(beyond(monkeypatch, proxy, secure_webhook.url, ca_file=certificates.authority))
    assert "407 Proxy" in sentence
    assert "through the proxy" in sentence


@pytest.mark.parametrize(
    ("user", "credentials"),
    [
        ("ada:not-a-real-secret@", b"ada:not-a-real-secret"),
        ("CORP%5Cada:a%40b%3A%2F%2f%25@", b"CORP\\ada:a@b://%"),
        ("ada:a:b@", b"ada:a:b"),
        ("j%C3%B6rg:%20@", "jörg: ".encode()),
        ("ada:@", b"ada:"),
    ],
)
def test_a_proxy_is_told_user_and_password(secure_webhook, certificates, proxy, monkeypatch, user, credentials):
    connection = beyond(monkeypatch, proxy, secure_webhook.url, user, ca_file=certificates.authority)
    assert connection.post(BODY).text == "ok"
    (authorization,) = proxy.authorizations
    assert base64.b64decode(authorization[len("Basic ") :]) == credentials
    assert "proxy-authorization" not in secure_webhook.requests[0].headers


@pytest.mark.parametrize(
    ("user", "status", "said"),
    [
        ("ada:hunter2%40@", b"407 x", "(407 Proxy Authentication Required): the proxy refuses the user or the"),
        ("ada:hunter2%40@", b"401 x", "(401 Unauthorized): the proxy refuses the user or the password: correct"),
        ("ada:hunter2%40@", b"403 ada:hunter2@", '("Tunnel connection failed: 403")'),
        ("", b"407 x", "(407 Proxy Authentication Required): the proxy asks for a user and a password: set"),
    ],
)
def test_a_proxy_that_refuses_a_password_is_named_and_the_password_is_not(proxy, monkeypatch, user, status, said):
    proxy.refusal = b"HTTP/1.1 " + status + b"\r\n\r\n"
    sentence = failure(beyond(monkeypatch, proxy, "https://127.0.0.1:9/x", user))
    assert said in sentence
    assert f"through the proxy 127.0.0.1 port {proxy.port} (" in sentence
    assert "hunter2" not in sentence
    assert "ada" not in sentence


def test_a_proxy_may_have_an_address_of_ipv6(secure_webhook, certificates, proxy, monkeypatch):
    asked = []
    monkeypatch.setattr(transport, "is_loopback", lambda _: False)
    connect = transport.connect

    def to_proxy(address, *more):
        asked.append(address)
        return connect(("127.0.0.1", proxy.port), *more)

    monkeypatch.setattr(transport, "connect", to_proxy)
    values = {"proxy": "http://ada:not-a-real-secret@[2001:db8::1]:3128", "ca_file": certificates.authority}
    assert to(secure_webhook.url, **values).post(BODY).text == "ok"
    assert asked == [("2001:db8::1", 3128)]
    assert proxy.authorizations[0].startswith("Basic ")


def test_this_host_is_reached_without_the_proxy(webhook, proxy):
    connection = to(webhook.url, proxy=f"http://127.0.0.1:{proxy.port}")
    assert connection.post(BODY).text == "ok"
    assert proxy.asked == []


def test_proxies_and_authorities_of_the_environment_are_not_asked(webhook, proxy, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    connection = to(webhook.url)
    assert connection.post(BODY).text == "ok"
    assert proxy.asked == []


def test_an_answer_in_any_language_arrives_whole(webhook, plain):
    webhook.instructions.append(answer(503, "Dienst nicht verfügbar"))
    assert plain.post(BODY).text == "Dienst nicht verfügbar"
    assert plain.post(BODY).text == "ok"
    assert webhook.connections == 1


def test_a_body_of_any_length_arrives_whole(webhook, plain):
    body = json.dumps({"text": "x" * 200000}).encode()
    webhook.instructions.append(OK)
    plain.post(body)
    assert webhook.requests[0].body == body
