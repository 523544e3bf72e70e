# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to the webhook: read, judge, store, answer."""

from __future__ import annotations

import ssl
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .behaviour import Rule
from .misbehaviour import Connection, answer_bytes, play, said, words
from .vendors import Channel, channel
from .verdict import Answer, Verdict

if TYPE_CHECKING:
    from .server import Listener

# A dead man's switch like that of healthchecks.io: a GET with any id after this path is recorded as a ping.
SWITCH = "/ping/"
LARGEST_BODY = 1024 * 1024
IDLE_SECONDS = 120.0


class Webhook(BaseHTTPRequestHandler):
    """A connection to the webhook."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Listener

    def do_POST(self) -> None:
        self.serve()

    do_GET = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def serve(self) -> None:
        """Judge the request, store it, and answer by the rule in force."""
        body = self.read_body()
        if body is None:
            return
        if self.server.closed:
            self.close_connection = True
            return
        if self.command == "GET" and self.path.startswith(SWITCH):
            self.server.receiver.pings.append({"time": time.time(), "path": self.path, "tls": self._tls()})
            Connection(self.connection, self.server.receiver.stopping).send(answer_bytes(200, b"OK"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        target = channel(self.path)
        verdict = target.vendor.judge(self.command, target.path, headers, body)
        rule = self._rule(target, body)
        usual = Answer(verdict.status, verdict.answer, verdict.headers)
        answer = usual if rule.mode == "ok" else words(rule, target.vendor)
        status, spoken = (answer.status, answer.body) if answer else (None, rule.mode)
        kept = {"status": status, "body": spoken, "mode": rule.mode}
        self._keep(headers, body, verdict, rule, {"channel": target.name, "answer": kept})
        connection = Connection(self.connection, self.server.receiver.stopping)
        keep = connection.send(said(answer)) if answer else play(rule, connection, said(usual))
        self.close_connection = self.close_connection or not keep

    def _rule(self, target: Channel, body: bytes) -> Rule:
        if getattr(self.connection, "loginwatch_certificate", "good") != "good":
            return Rule()  # a client that accepted the bad certificate has already met its rule
        return self.server.receiver.behaviour.at_request(target.name, body)

    def _keep(self, headers: dict[str, str], body: bytes, verdict: Verdict, rule: Rule, also: dict[str, Any]) -> None:
        findings = verdict.findings
        self.server.receiver.store.add(
            {
                "received_at": time.time(),
                "listener": self.server.name,
                "client": {"address": self.client_address[0], "port": self.client_address[1]},
                "tls": self._tls(),
                "method": self.command,
                "path": self.path,
                "headers": headers,
                "body": body.decode("utf-8", "backslashreplace"),
                "payload": verdict.payload,
                "problems": findings.problems,
                "warnings": verdict.warnings,
                "mentions": findings.mentions,
                "links": findings.links,
                "controls": findings.controls,
                **also,
                "delivered": verdict.accepted and rule.delivered,
                **verdict.shown,
            }
        )

    def _tls(self) -> dict[str, Any] | None:
        connection = self.connection
        if not isinstance(connection, ssl.SSLSocket):
            return None
        cipher = connection.cipher()
        return {
            "version": connection.version(),
            "cipher": cipher[0] if cipher else None,
            "server_name": getattr(connection, "loginwatch_server_name", None),
        }

    def read_body(self) -> bytes | None:
        """Return the request's body, or None if the request was refused and the connection ends."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdigit():
            self._refuse(411, "length_required")
            return None
        if int(length) > LARGEST_BODY:
            self._refuse(413, "payload_too_large")
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _refuse(self, status: int, words: str) -> None:
        self.close_connection = True
        self.wfile.write(answer_bytes(status, words.encode(), ("Connection", "close")))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing, because the store has every request."""
