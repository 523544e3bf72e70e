# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A receiver on loopback for these tests, and clients that are as real as the notifier's."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.lab import chats
from tests.lab.receiver.client import Receiver as Client
from tests.lab.receiver.server import Receiver

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "files"))
PATH = "/services/T00000000/B00000000/not-a-real-secret"
LOOPBACK = ("127.0.0.1", 0)


def start(state, *arguments):
    """Start the receiver as a program. Return the process and the addresses of its listeners."""
    listeners = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]
    command = [sys.executable, "-m", "tests.lab.receiver", *listeners, "--state", state, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    ready = process.stdout.readline().split()
    assert ready[0] == "ready"
    return process, dict(item.split("=") for item in ready[1:])


def stop(process):
    """End the receiver as a service manager does."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    process.stdout.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A receiver in this process, with a port for each kind of bad certificate."""
    kinds = ("expired", "wrong-name", "unknown-ca")
    state = tmp_path_factory.mktemp("receiver")
    receiver = Receiver(state, bad_https=dict.fromkeys(kinds, LOOPBACK), smtp=LOOPBACK, names=["receiver", "192.0.2.7"])
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def client(running):
    """The tests' client, with an empty receiver that behaves normally."""
    client = Client("http://{}:{}".format(*running.address("http")))
    client.behave()
    client.clear()
    yield client
    client.behave()


@pytest.fixture(scope="session")
def ca_file(running, tmp_path_factory):
    """The test authority's certificate, as a client stores it."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(running.ca)
    return path


@pytest.fixture
def post(running, ca_file):
    """Post to the webhook over verified TLS, on a persistent connection: `post(json=…)`."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca_file)

        def send(listener="https", **arguments):
            host, port = running.address(listener)
            arguments.setdefault("timeout", 10)
            return session.post(f"https://{host}:{port}{PATH}", **arguments)

        yield send


@pytest.fixture
def open_channel(running, ca_file, tmp_path):
    """Open a channel of the notifier at the receiver: open_channel("json", "ops"). more: further settings of it."""
    from ssh_login_notify import channels
    from ssh_login_notify.config import Configuration
    from ssh_login_notify.spool import Spool

    opened = []
    (tmp_path / "state").mkdir()

    def of(kind, what="ops", **more):
        server = "https://{}:{}".format(*running.address("https"))
        place = "{}:{}".format(*running.address("smtp")) if kind == "email" else server
        entry = dict(chats.settings(kind, place, what), **more)
        configuration = Configuration({"ca_file": str(ca_file), "webhook_url": server + chats.PATHS["slack"]})
        opened.append(channels.load(entry, configuration, Spool(str(tmp_path))))
        return opened[-1]

    yield of
    for channel in opened:
        channel.close()
