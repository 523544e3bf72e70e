# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a client sees of the receiver over real sockets and verified TLS, and what the receiver stores of it."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import requests
from conftest import LOOPBACK, PATH, ROOT, start, stop

from tests.lab.receiver.client import Message
from tests.lab.receiver.client import Receiver as Client
from tests.lab.receiver.sample import FIELDS, ID, alert
from tests.lab.receiver.server import Receiver


def test_an_alert_is_answered_as_slack_does_and_kept(client, post):
    before = time.time()
    answer = post(json=alert(), headers={"User-Agent": "a test"})
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, "ok", "text/plain")
    (message,) = client.messages()
    assert message.fields == FIELDS
    assert message.ids == [ID]
    assert message.harmless
    assert before <= message.received_at <= time.time()
    assert message.raw["client"]["address"] == "127.0.0.1"
    assert message.raw["tls"]["version"] == "TLSv1.3"
    assert message.raw["headers"]["user-agent"] == "a test"
    assert message.raw["path"] == PATH
    assert json.loads(message.raw["body"]) == message.raw["payload"] == alert()


def test_a_refused_message_is_kept_with_the_reason_but_not_delivered(client, post):
    answer = post(json={"text": "a < b"})
    assert (answer.status_code, answer.text) == (400, "invalid_payload")
    assert client.messages() == []
    (attempt,) = client.attempts()
    assert (attempt.status, attempt.delivered) == (400, False)
    assert "unescaped <" in attempt.problems[0]


def test_a_ping_of_the_dead_mans_switch_is_noted_and_no_message(client, running, ca_file):
    url = "https://{}:{}/ping/not-a-real-id".format(*running.address("https"))
    assert requests.get(url, verify=str(ca_file), timeout=10).status_code == 200
    (ping,) = client.status()["pings"]
    assert ping["path"] == "/ping/not-a-real-id"
    assert ping["tls"]["version"] == "TLSv1.3"
    assert client.attempts() == []


def test_the_plain_port_is_a_webhook_too(client):
    assert requests.post(client.url + PATH, json={"text": "x"}, timeout=10).text == "ok"
    assert client.messages()[0].raw["listener"] == "http"
    assert client.messages()[0].raw["tls"] is None


def test_a_connection_is_kept(client, post):
    assert [post(json={"text": "x"}).status_code for _ in range(3)] == [200] * 3
    assert len({message.raw["client"]["port"] for message in client.messages()}) == 1


def test_away_it_refuses_connections_and_ends_those_that_are_kept(client, post, running):
    post(json={"text": "before"})
    with client.away():
        with pytest.raises(requests.ConnectionError):
            post(json={"text": "on the kept connection, then on a new one"})
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(running.address("https"), timeout=10)
    post(json={"text": "after"})
    assert [message.text for message in client.messages()] == ["before", "after"]


def test_away_is_asked_for_with_a_boolean(client):
    answer = requests.put(client.url + "/api/listening", json="no", timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "listening is true or false")


@pytest.mark.parametrize(
    ("headers", "status"), [({"Content-Length": "1048577"}, 413), ({"Transfer-Encoding": "chunked"}, 411)]
)
def test_a_body_that_would_fill_the_memory_is_refused_unread(running, client, headers, status):
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(running.address("http"), timeout=10) as sock:
        sock.sendall("\r\n".join(lines).encode())
        answer = sock.makefile("rb").read()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert client.attempts() == []


def test_a_request_that_breaks_off_is_no_message(running, client):
    with socket.create_connection(running.address("http"), timeout=10) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nContent-Length: 10\r\n\r\n123".encode())
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    assert client.attempts() == []


def test_50_connections_at_once_lose_nothing(client, running, ca_file):
    host, port = running.address("https")
    statuses = []

    def send(number):
        body = alert(f"{number}.0-1")
        answer = requests.post(f"https://{host}:{port}{PATH}", json=body, verify=str(ca_file), timeout=30)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50
    assert sorted(message.ids[0] for message in client.messages()) == sorted(f"{number}.0-1" for number in range(50))


# Certificates


@pytest.mark.parametrize("name", ["receiver", "192.0.2.7", "localhost", "127.0.0.1", "::1"])
def test_the_certificate_holds_for_every_name(running, ca_file, name):
    context = ssl.create_default_context(cafile=str(ca_file))
    # Python 3.13 and later check so by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(running.address("https"), timeout=10) as sock, context.wrap_socket(
        sock, server_hostname=name
    ) as secure:
        assert secure.version() == "TLSv1.3"


def test_without_the_authority_the_certificate_is_refused(running):
    with pytest.raises(requests.exceptions.SSLError, match="unable to get local issuer certificate"):
        requests.post("https://{}:{}{}".format(*running.address("https"), PATH), json={"text": "x"}, timeout=10)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("expired", "certificate has expired"),
        ("wrong-name", "IP address mismatch"),
        ("unknown-ca", "unable to get local issuer certificate"),
    ],
)
def test_each_bad_certificate_is_refused_for_its_own_reason(client, post, kind, reason):
    with pytest.raises(requests.exceptions.SSLError, match=reason):
        post(listener=kind, json={"text": "x"})
    with pytest.raises(requests.exceptions.SSLError, match=reason), client.misbehaving(
        {"mode": "certificate", "kind": kind}
    ):
        post(json={"text": "x"})
    assert post(json={"text": "x"}).text == "ok"
    assert len(client.attempts()) == 1
    # The client can have moved on before the receiver has read why it left.
    deadline = time.monotonic() + 10
    while not {"https", kind} <= {
        failure["listener"] for failure in client.status()["handshake_failures"] if failure["certificate"] == kind
    }:
        assert time.monotonic() < deadline, client.status()["handshake_failures"]
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_client_that_does_not_look_at_certificates_is_caught(client, post):
    assert post(listener="expired", json={"text": "x"}, verify=False).text == "ok"
    assert client.messages()[0].raw["listener"] == "expired"


# The interface of the tests


def test_ca_pem_is_the_authority(client, running):
    assert client.ca().encode() == running.ca
    assert "PRIVATE" not in client.ca()


def test_after_and_clear(client, post):
    for text in "abc":
        post(json={"text": text})
    first, second, third = client.messages()
    assert (first.text, third.number) == ("a", first.number + 2)
    assert client.messages(after=second.number) == [third]
    assert client.last() == third.number
    client.clear()
    assert client.messages() == []
    post(json={"text": "d"})
    assert client.messages()[0].number == third.number + 1


def test_waiting_ends_with_the_message_not_with_the_time(client, post):
    timer = threading.Timer(0.5, post, kwargs={"json": {"text": "x"}})
    timer.start()
    started = time.monotonic()
    (message,) = client.wait_for(lambda message: message.text == "x", timeout=20)
    assert 0.4 < time.monotonic() - started < 5
    timer.join()
    assert isinstance(message, Message)


def test_a_wait_that_times_out_reports_what_arrived(client, post):
    post(json=alert())
    post(json={"text": "a < b"})
    with pytest.raises(TimeoutError, match=r"(?s)1 of 2 .*Ada Lovelace as deploy on web-3.*unescaped <"):
        client.wait_for(count=2, timeout=0.5)
    assert len(client.wait_for(count=2, timeout=1, attempts=True)) == 2


def test_settle_waits_for_the_last_message(client, running, ca_file):
    url = "https://{}:{}{}".format(*running.address("https"), PATH)

    def send():
        for _ in range(3):
            time.sleep(0.3)
            requests.post(url, json={"text": "x"}, verify=str(ca_file), timeout=10)

    thread = threading.Thread(target=send)
    thread.start()
    client.settle(quiet=1)
    assert len(client.messages()) == 3
    thread.join()


def test_settle_gives_up_when_it_does_not_become_quiet(client, post):
    done = threading.Event()

    def send():
        while not done.wait(0.1):
            post(json={"text": "x"})

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(TimeoutError, match="still arriving"):
            client.settle(quiet=1, timeout=2)
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("path", ["/api/messages?after=x", "/api/messages?wait=long"])
def test_a_wrong_question_is_answered_with_the_reason(client, path):
    answer = requests.get(client.url + path, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_unknown_call_is_no_webhook(client):
    assert requests.get(client.url + "/api/nothing", timeout=10).status_code == 404
    assert client.attempts() == []


# The program


def test_a_restarted_receiver_has_its_messages_numbers_and_authority_still(tmp_path):
    process, ports = start(tmp_path, "--name", "receiver", "--bad-https", "expired=127.0.0.1:0")
    assert set(ports) == {"http", "https", "expired"}
    client = Client(f"http://{ports['http']}")
    authority = client.ca()
    requests.post(client.url + PATH, json={"text": "thrown away"}, timeout=10)
    client.clear()
    requests.post(client.url + PATH, json={"text": "kept"}, timeout=10)
    stop(process)

    process, ports = start(tmp_path)
    client = Client(f"http://{ports['http']}")
    assert [message.text for message in client.messages()] == ["kept"]
    assert client.last() == 2
    assert client.ca() == authority
    client.clear()
    stop(process)

    process, ports = start(tmp_path)
    client = Client(f"http://{ports['http']}")
    requests.post(client.url + PATH, json={"text": "x"}, timeout=10)
    assert [message.number for message in client.messages()] == [3]
    stop(process)


def test_a_port_that_is_taken_is_one_clear_sentence(tmp_path):
    with socket.create_server(LOOPBACK) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "tests.lab.receiver", "--http", f"127.0.0.1:{port}", "--state", tmp_path]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Address already in use" in done.stderr


def test_a_missing_openssl_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="apt-get install openssl"):
        Receiver(tmp_path / "state")


# The client runs on the controller, with requests.
MODULES = {path.stem for path in (ROOT / "tests" / "lab" / "receiver").glob("*.py")} - {"client"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_runs_in_the_container_needs_the_standard_library_only(module):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tests.lab.receiver.{module}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=30)
