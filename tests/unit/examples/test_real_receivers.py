# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channels `email` and `command` with other people's programs: a mail server, Apprise, logger.

The notifier's own tests use a mail server with scripted answers. This one behaves as a mail server does.
"""

from __future__ import annotations

import email
import email.policy
import json
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import parts
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from parts import alert, configuration
from ssh_login_notify import channels, trust
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED
from ssh_login_notify.transport import TransportError

PROGRAMS = Path(sys.executable).parent
PASSWORD = "not-a-real-secret"  # noqa: S105
WRONG = "another"
NOW = 1763884862.0
HOSTILE = '<!channel> <b>x</b> "; rm -rf / $(id) `id` %s {{x}} \\n @everyone'
LOGIN = alert(1, weights=[], user=HOSTILE)
LATER = alert(2, weights=["root"], follows=LOGIN["id"], was="Tunnel (no session)")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return parts.make_certificates(tmp_path_factory.mktemp("certificates"))


class Mailbox:
    """The messages that a mail server accepts."""

    def __init__(self):
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return "250 2.0.0 queued"


class Server(Controller):
    """A mail server that requires a user over TLS, and does not look up the machine's own names."""

    def __init__(self, certificates, mailbox):
        def sign_in(_server, _session, _envelope, _mechanism, data):
            good = (data.login, data.password) == (b"loginwatch", PASSWORD.encode())
            return AuthResult(success=good, handled=False)

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = certificates.context("good")
        assert isinstance(context, ssl.SSLContext)
        super().__init__(
            mailbox, "127.0.0.1", port, tls_context=context, require_starttls=True, auth_required=True,
            authenticator=sign_in,
        )  # fmt: skip


@pytest.fixture
def mailbox(certificates):
    """A mail server with STARTTLS and a user. Yields its accepted messages and its port."""
    found = Mailbox()
    server = Server(certificates, found)
    server.start()
    found.port = server.port
    yield found
    server.stop()


def mail(certificates, mailbox, **more):
    settings = {
        "name": "mail", "kind": "email", "host": "127.0.0.1", "port": mailbox.port, "tls": "starttls",
        "user": "loginwatch", "password": PASSWORD, "from": "loginwatch@example.com", "to": ["ops@example.com"],
    }  # fmt: skip
    return channels.load(dict(settings, **more), configuration(ca_file=certificates.authority), None)


def send(channel, *alerts):
    return channel.read(channel.send(channel.message(list(alerts), NOW), list(alerts))).kind


def test_a_mail_server_takes_mail_and_hands_it_over_as_it_was(certificates, mailbox):
    channel = mail(certificates, mailbox, to=["ops@example.com", "gone@example.com"])
    assert [send(channel, LOGIN), send(channel, LATER)] == [DELIVERED, DELIVERED]
    channel.close()
    first, second = mailbox.envelopes
    assert (first[0], first[1], first[3]) == ("loginwatch@example.com", ["ops@example.com"], True)
    messages = [email.message_from_bytes(found[2], policy=email.policy.default) for found in (first, second)]
    assert HOSTILE.replace("\\", "\\\\").replace('"', '\\"') in messages[0]["Subject"]
    plain = messages[0].get_body(("plain",)).get_content()
    assert "From: 203.0.113.50 port 45006" in plain
    assert "<b>x</b>" not in messages[0].get_body(("html",)).get_content()
    assert messages[1]["In-Reply-To"] == messages[0]["Message-ID"]
    assert not any(message.defects for message in messages)


def test_a_mail_server_refuses_a_wrong_password_and_another_authority_is_not_trusted(certificates, mailbox):
    assert send(mail(certificates, mailbox, password=WRONG), LOGIN) == CLOSED
    stranger = configuration(ca_file=str(certificates.directory / "stranger.pem"))
    channel = channels.load(mail(certificates, mailbox).settings, stranger, None)
    with pytest.raises(TransportError, match="is not accepted"):
        send(channel, LOGIN)
    assert mailbox.envelopes == []


@pytest.fixture
def posted():
    """An address that accepts posts, and the posts that it got."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_words):
            pass

    found, answers = [], []
    server = HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, found, answers
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(monkeypatch):
    """Trust the programs of this checkout, which others than root can be able to change."""
    monkeypatch.setattr(trust, "changeable", lambda _path: None)


def test_apprise_passes_alerts_on(posted, trusted, tmp_path):
    port, found, answers = posted
    addresses = tmp_path / "apprise.yml"
    addresses.write_text(f"urls:\n  - json://127.0.0.1:{port}/\n")
    command = [str(PROGRAMS / "apprise"), "--config", str(addresses), "--storage-mode", "memory"]
    settings = {"name": "apprise", "kind": "command", "command": command, "format": "text"}
    channel = channels.load(settings, configuration(), None)
    answers.extend([500, 200])
    assert [send(channel, LOGIN), send(channel, LOGIN)] == [FAILED, DELIVERED]
    assert found[1]["message"].strip() == channel.message([LOGIN], NOW).decode().strip()


def test_logger_writes_a_line_for_each_alert(tmp_path):
    path = tmp_path / "log"
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(path))
    command = ["/usr/bin/logger", "--socket", str(path), "--socket-errors=on", "-t", "logins"]
    settings = {"name": "log", "kind": "command", "command": command, "format": "text"}
    channel = channels.load(settings, configuration(), None)
    assert send(channel, LOGIN, LATER) == DELIVERED
    lines = [log.recv(1 << 16).decode() for _line in range(2)]
    log.close()
    expected = channel.message([LOGIN, LATER], NOW).decode().splitlines()
    assert [line.partition("logins: ")[2] for line in lines] == expected
