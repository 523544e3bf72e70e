# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receiver's mail server (RFC 5321): it accepts mail for any recipient, over STARTTLS (RFC 3207), and keeps it.

A message to `ops@…` has the channel `email/ops`. These rules work here: `refused`, `closed` (at the recipient),
`limited`, `broken`, `hang`, `reset` and `close`. The others do nothing.
"""

from __future__ import annotations

import ssl
import time
from socketserver import StreamRequestHandler
from typing import TYPE_CHECKING

from .behaviour import Rule
from .misbehaviour import Connection
from .port import Port
from .vendors import CLOSED, HOW, email

if TYPE_CHECKING:
    from .server import Receiver

LONGEST_LINE = 4096
LARGEST_MESSAGE = 1024 * 1024
IDLE_SECONDS = 120.0
REPLIES = {"MAIL": "250 2.1.0 Ok", "RSET": "250 2.0.0 Ok", "NOOP": "250 2.0.0 Ok", "AUTH": "235 2.7.0 Welcome"}


class Mail(Port):
    """The port of the mail server, with the interface of server.Listener."""

    def __init__(self, receiver: Receiver, name: str, address: tuple[str, int]) -> None:
        super().__init__(receiver, name, address, Session)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors, because a client that disconnects is normal."""


class Session(StreamRequestHandler):
    """One SMTP connection."""

    server: Mail
    timeout = IDLE_SECONDS

    def handle(self) -> None:
        self.is_safe = False
        self._forget()
        self._say("220 receiver ESMTP")
        while True:
            line = self.rfile.readline(LONGEST_LINE)
            if not line or self.server.closed:
                return
            word = line[:4].upper().decode("ascii", "replace")
            if word == "QUIT":
                self._say("221 2.0.0 Bye")
                return
            if word == "STAR":
                self._start_tls()
            elif not self._obey(word, line):
                return

    def _obey(self, word: str, line: bytes) -> bool:
        """Execute one command. Return whether the connection stays open."""
        if word == "EHLO":
            more = [] if self.is_safe else ["STARTTLS"]
            offers = ["receiver", "PIPELINING", f"SIZE {LARGEST_MESSAGE}", *more, "AUTH PLAIN"]
            for offer in offers[:-1]:
                self._say(f"250-{offer}")
            self._say(f"250 {offers[-1]}")
        elif word == "RCPT":
            return self._recipient(line.partition(b"<")[2].partition(b">")[0].decode("ascii", "replace"))
        elif word == "DATA":
            return self._data()
        else:
            if word in ("MAIL", "RSET"):
                self._forget()
            self._say(REPLIES.get(word, "502 5.5.2 Command not recognized"))
        return True

    def _forget(self) -> None:
        self.recipients: list[str] = []
        self.rule = Rule()

    def _start_tls(self) -> None:
        self._say("220 2.0.0 Ready to start TLS")
        context = self.server.receiver.contexts["good"]
        self.request = self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.is_safe = True

    @property
    def channel(self) -> str:
        return "email/" + self.recipients[0].partition("@")[0]

    def _recipient(self, address: str) -> bool:
        self.recipients.append(address)
        if len(self.recipients) == 1:
            self.rule = self.server.receiver.behaviour.at_request(self.channel, b"")
        if self.rule.mode == CLOSED:
            self.recipients.pop()
            reply = email.answer(CLOSED, 0)
            self._say(f"{reply.status} {reply.body}")
            return True
        self._say("250 2.1.5 Ok")
        return True

    def _data(self) -> bool:
        if not self.recipients:
            self._say("503 5.5.1 Error: need RCPT command")
            return True
        self._say("354 End data with <CR><LF>.<CR><LF>")
        lines: list[bytes] = []
        for line in iter(lambda: self.rfile.readline(LARGEST_MESSAGE), b""):
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        body = b"".join(lines)
        if self.rule.mode == "ok":
            self.rule = self.server.receiver.behaviour.at_request(self.channel, body)
        return self._keep(body)

    def _keep(self, body: bytes) -> bool:
        verdict = email.judge(email.DATA, "/" + ",".join(self.recipients), {}, body)
        rule = self.rule
        said = email.answer(rule.mode, 0) if rule.mode in HOW else None
        status, words = (said.status, said.body) if said else (verdict.status, verdict.answer)
        self.server.receiver.store.add(
            {
                "received_at": time.time(),
                "listener": self.server.name,
                "client": {"address": self.client_address[0], "port": self.client_address[1]},
                "tls": {"version": self.connection.version()} if isinstance(self.connection, ssl.SSLSocket) else None,
                "method": email.DATA,
                "path": "/" + ",".join(self.recipients),
                "headers": {},
                "body": body.decode("utf-8", "backslashreplace"),
                "payload": verdict.payload,
                "problems": verdict.findings.problems,
                "warnings": verdict.warnings,
                "mentions": verdict.findings.mentions,
                "links": verdict.findings.links,
                "controls": verdict.findings.controls,
                "channel": self.channel,
                "answer": {"status": status, "body": words, "mode": rule.mode},
                "delivered": verdict.accepted and rule.mode == "ok",
                **verdict.shown,
            }
        )
        self._forget()
        connection = Connection(self.connection, self.server.receiver.stopping)
        if rule.mode in ("hang", "reset", "close"):
            {"hang": connection.hang, "reset": connection.reset, "close": connection.close}[rule.mode]()
            return False
        self._say(f"{status} {words}")
        return True

    def _say(self, reply: str) -> None:
        self.connection.sendall(reply.encode("ascii") + b"\r\n")
