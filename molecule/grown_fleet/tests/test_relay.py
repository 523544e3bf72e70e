# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The relay example (docs/examples/relay): hosts post to it, Debian's Redis stores, one process sends to Slack."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import testinfra

from tests.lab.command import docker
from tests.lab.containers import address, running
from tests.lab.deploy import PROJECT, url
from tests.lab.logins import Person
from tests.lab.operating import AT_ONCE, KEY, NAMES, SCENARIO, Operator, make_bare, wait_for
from tests.lab.receiver.certificates import Authority

EXAMPLE = PROJECT / "docs" / "examples" / "relay"
CONTAINER = f"relay-{SCENARIO}"
PATH = "/services/T00000000/B00000005/not-a-real-secret"
PORT = 8443
CA = "/etc/ssl/certs/relay.pem"
LIMIT_SECONDS = 120
BURST = 300
REDIS = "redis-cli -s /run/redis/redis-server.sock"
START_REDIS = "runuser -u redis -- redis-server /etc/redis/redis.conf --daemonize yes"
START_RELAY = "runuser -u redis -- setsid python3 -IB /srv/relay.py /srv/relay.json > /var/log/relay 2>&1 < /dev/null &"
INSTALL = """
apt-get -qq update
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -y install --no-install-recommends redis-server python3-redis > /dev/null 2>&1
cat /srv/redis.conf >> /etc/redis/redis.conf
install -d -o redis -g redis /run/redis
chown redis /srv/*
chmod 600 /srv/relay.json /srv/relay.key
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    """The relay's own certificate authority, as of a company."""
    authority = Authority(tmp_path_factory.mktemp("authority"), "The relay's test authority")
    authority.issue("relay", ["relay"], timedelta(days=-1), timedelta(days=30))
    return authority


def begin(server) -> None:
    """Start Redis and, once it has loaded its data, the relay. Return when the relay listens."""
    server.check_output(START_REDIS)
    wait_for(lambda: server.run(f"{REDIS} ping").stdout.strip() == "PONG", LIMIT_SECONDS)
    server.check_output(START_RELAY)
    wait_for(lambda: server.run(f"bash -c '< /dev/tcp/127.0.0.1/{PORT}'").succeeded, LIMIT_SECONDS)


@pytest.fixture(scope="module")
def relay(authority, tmp_path_factory) -> Iterator[testinfra.host.Host]:
    """A server with the relay running, as its page describes it."""
    configuration = {
        "listen": ["", PORT], "certificate": "/srv/relay.crt", "key": "/srv/relay.key", "path": PATH,
        "slack": url("not-a-real-secret"), "ca_file": "/srv/receiver.pem", "redis": "unix:///run/redis/redis-server.sock",
    }  # fmt: skip
    text = tmp_path_factory.mktemp("relay") / "relay.json"
    text.write_text(json.dumps(configuration))
    files = {
        EXAMPLE / "relay.py": "relay.py", EXAMPLE / "redis.conf": "redis.conf", text: "relay.json",
        authority.directory / "relay.pem": "relay.crt", authority.directory / "relay.key": "relay.key",
    }  # fmt: skip
    network, label = f"loginwatch-{SCENARIO}", f"loginwatch={SCENARIO}"
    idle = ("sleep", "infinity")
    with running("loginwatch/debian12", CONTAINER, network, label, "--network-alias=relay", command=idle):
        for source, target in files.items():
            docker("cp", "-q", source, f"{CONTAINER}:/srv/{target}")
        server = testinfra.get_host(f"docker://{CONTAINER}")
        fetch = "import sys, urllib.request as u; print(u.urlopen('http://receiver:8080/ca.pem').read().decode())"
        server.check_output(f'python3 -c "{fetch}" > /srv/receiver.pem')
        server.check_output(f"set -e; {INSTALL}")
        begin(server)
        yield server


@pytest.fixture(scope="module")
def fleet(relay, authority, servers, tmp_path_factory) -> Iterator[None]:
    """Three hosts whose webhook is the relay."""
    play = Operator(tmp_path_factory.mktemp("operator"))
    for name in NAMES:
        docker("cp", "-q", authority.certificate, f"{name}-{SCENARIO}:{CA}")
    webhook = f"https://relay:{PORT}{PATH}"
    extra = ("-e", f"ssh_login_notify_webhook_url={webhook}", "-e", f"ssh_login_notify_ca_file={CA}")
    deployed = play("deploy", (*extra, *AT_ONCE))
    assert deployed.status == 0, deployed.output
    yield
    for server in servers.values():
        server.check_output(f"rm {CA}")
    make_bare(servers.values())


def log_in(directory: Path) -> list[str]:
    """Log in to each host, and return the sources."""
    return [
        Person("deploy", address(f"{name}-{SCENARIO}"), directory / name, KEY).command("true").source for name in NAMES
    ]


@pytest.fixture
def post(relay, authority) -> Callable[[str, bytes], int]:
    """Post to the relay as a host does: post(path, body) returns the status."""
    tls = ssl.create_default_context(cafile=authority.certificate)

    def posted(path: str, body: bytes) -> int:
        # Connect by its address, because only the containers know its name. The certificate must still be for that
        # name.
        connection = http.client.HTTPSConnection("relay", PORT)
        wire = socket.create_connection((address(CONTAINER), PORT), timeout=30)
        connection.sock = tls.wrap_socket(wire, server_hostname="relay")
        with closing(connection):
            connection.request("POST", path, body)
            return connection.getresponse().status

    return posted


def told(receiver, mark: int) -> list[str]:
    """Return each message in the channel, as JSON."""
    return [json.dumps(message.raw["payload"]) for message in receiver.messages(after=mark)]


def times(text: str, messages: list[str]) -> int:
    """Return how many messages contain this text."""
    return sum(text in message for message in messages)


def waiting(server) -> int:
    """Return how many alerts wait on a host."""
    return json.loads(server.run("ssh-login-notify status --json").stdout)["waiting"]


@pytest.mark.usefixtures("fleet")
def test_a_host_is_done_when_the_relay_has_it_and_slack_hears_of_it_after_an_outage(relay, servers, receiver):
    mark = receiver.last()
    with tempfile.TemporaryDirectory(prefix="people-") as directory:
        with receiver.away():
            ends = log_in(Path(directory))
            wait_for(lambda: not any(waiting(server) for server in servers.values()), LIMIT_SECONDS)
            # Kill both at once, as a power failure does.
            relay.check_output("pkill -9 -f '[r]elay.py'; pkill -9 redis-server")
        assert not any(times(end, told(receiver, mark)) for end in ends), "Slack was unreachable"
        begin(relay)
        wait_for(lambda: all(times(end, told(receiver, mark)) for end in ends), LIMIT_SECONDS)
    receiver.settle()
    assert [times(end, told(receiver, mark)) for end in ends] == [1] * len(ends)


def test_many_at_once_become_few_messages_and_none_is_lost(post, receiver, rows):
    mark, began = receiver.last(), time.monotonic()
    texts = [f"login number {number}." for number in range(BURST)]
    # Slack is unreachable meanwhile. On a busy machine the relay would otherwise send faster than the posts arrive.
    with receiver.away(), ThreadPoolExecutor(20) as crowd:
        statuses = set(crowd.map(lambda text: post(PATH, json.dumps({"text": text}).encode()), texts))
        assert statuses == {200}
        taken = time.monotonic() - began
    wait_for(lambda: all(times(text, told(receiver, mark)) for text in texts), LIMIT_SECONDS)
    seconds = time.monotonic() - began
    messages = receiver.messages(after=mark)
    assert [times(text, told(receiver, mark)) for text in texts] == [1] * BURST
    assert len(messages) <= BURST / 20 + 5, "twenty per message, except the first few"
    assert [message.problems for message in messages if message.problems] == []
    rows.append({
        "relay": "alerts at once", "alerts": str(BURST), "taken, s": f"{taken:.1f}", "told, s": f"{seconds:.1f}",
        "messages": str(len(messages)),
    })  # fmt: skip


def test_a_message_that_slack_refuses_takes_no_other_with_it(relay, post, receiver):
    mark = receiver.last()
    texts = [f"beside the bad one, number {number}." for number in range(6)]
    refused = {"mode": "status", "status": 400, "containing": "the bad one itself", "delivered": False}
    with receiver.misbehaving(refused):
        with receiver.away():
            for text in [*texts[:3], "the bad one itself", *texts[3:]]:
                assert post(PATH, json.dumps({"text": text}).encode()) == 200
        wait_for(lambda: all(times(text, told(receiver, mark)) for text in texts), LIMIT_SECONDS)
        wait_for(lambda: "the bad one itself" in relay.check_output(f"{REDIS} xrange refused - +"), LIMIT_SECONDS)
    receiver.settle()
    assert [times(text, told(receiver, mark)) for text in texts] == [1] * len(texts)
    assert relay.check_output(f"{REDIS} xlen refused") == "1"
    assert relay.check_output(f"{REDIS} xlen alerts") == "0"


def test_while_slack_refuses_the_webhook_the_hosts_keep_what_they_have(relay, post, receiver):
    mark = receiver.last()
    refused = relay.check_output(f"{REDIS} xlen refused")
    with receiver.misbehaving({"mode": "status", "status": 404, "delivered": False}):
        assert post(PATH, b'{"text": "the first one after it was removed."}') == 200, "the relay can't know yet"
        wait_for(lambda: post(PATH, b'{"text": "not taken."}') == 503, LIMIT_SECONDS)
    wait_for(lambda: post(PATH, b'{"text": "the webhook is back."}') == 200, LIMIT_SECONDS)
    for text in ("the first one after it was removed.", "the webhook is back."):
        wait_for(lambda text=text: times(text, told(receiver, mark)) == 1, LIMIT_SECONDS)
    assert relay.check_output(f"{REDIS} xlen refused") == refused


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/services/T/B/guessed", b'{"text": "x"}', 404),
        (PATH, b"[]", 400),
        (PATH, b'{"text": 1}', 400),
        (PATH, b'{"text": "x", "blocks": 1}', 400),
        (PATH, b"", 400),
    ],
)
def test_what_is_no_message_of_a_host_is_not_taken(post, receiver, path, body, status):
    mark = receiver.last()
    assert post(path, body) == status
    receiver.settle()
    assert receiver.attempts(after=mark) == []
