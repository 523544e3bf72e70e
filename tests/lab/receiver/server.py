# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listeners: the plain port with the page and the tests' interface, and the TLS ports with the webhook."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections import deque
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterable, Mapping

from .admin import Admin
from .behaviour import Behaviour
from .certificates import make_contexts
from .mail import Mail
from .misbehaviour import Connection
from .port import Port
from .store import Store
from .webhook import Webhook

HANDSHAKE_SECONDS = 10.0


class Receiver:
    """The whole receiver: its store, its behaviour, its listeners."""

    def __init__(
        self,
        state: Path,
        *,
        http: tuple[str, int] = ("127.0.0.1", 0),
        https: tuple[str, int] = ("127.0.0.1", 0),
        bad_https: Mapping[str, tuple[str, int]] | None = None,
        smtp: tuple[str, int] | None = None,
        names: Iterable[str] = (),
    ) -> None:
        """Bind every port (0: any free port).

        state: directory for messages and keys
        bad_https: further TLS ports, by the kind of their certificate
        smtp: the port for mail
        names: names and addresses for the certificates
        Raises OSError if a port is taken, RuntimeError if openssl fails.
        """
        state.mkdir(parents=True, exist_ok=True)
        self.store = Store(state / "messages.jsonl")
        self.behaviour = Behaviour()
        self.stopping = threading.Event()
        self._doors = threading.Lock()
        self.handshake_failures: deque[dict[str, Any]] = deque(maxlen=1000)
        self.pings: deque[dict[str, Any]] = deque(maxlen=1000)
        self.ca, self.contexts = make_contexts(state, names)
        wanted = {"http": http, "https": https, **(bad_https or {}), **({"smtp": smtp} if smtp else {})}
        self.listeners = {name: self._listener(name, address) for name, address in wanted.items()}

    def _listener(self, name: str, address: tuple[str, int]) -> Listener | Mail:
        return Mail(self, name, address) if name == "smtp" else Listener(self, name, address)

    def address(self, name: str) -> tuple[str, int]:
        """Return the host and port of a listener: `http`, `https`, `smtp` or a kind of bad certificate."""
        return self.listeners[name].server_address[:2]  # type: ignore[return-value]

    def start(self) -> None:
        for listener in self.listeners.values():
            listener.start()

    def stop(self) -> None:
        self.stopping.set()
        for listener in self.listeners.values():
            listener.stop()

    def listen(self, wanted: bool) -> None:
        """Open the TLS ports, or close them so that connections are refused.

        The plain port stays open, because the request to reopen them arrives there.
        """
        with self._doors:
            for name, listener in self.listeners.items():
                if name != "http" and listener.closed is wanted:
                    if wanted:
                        self.listeners[name] = self._listener(name, self.address(name))
                        self.listeners[name].start()
                    else:
                        listener.stop()


class Listener(Port, ThreadingHTTPServer):
    """One port. Each connection has a thread, which also does its TLS handshake, so a slow one delays nobody."""

    request_queue_size = 1024

    def __init__(self, receiver: Receiver, name: str, address: tuple[str, int]) -> None:
        super().__init__(receiver, name, address, Admin if name == "http" else Webhook)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.name == "http":
            super().finish_request(request, client_address)
            return
        rule = self.receiver.behaviour.at_accept()
        if rule.mode in ("hang", "reset", "close"):
            connection = Connection(request, self.receiver.stopping)
            {"hang": connection.hang, "reset": connection.reset, "close": connection.close}[rule.mode]()
            return
        kind = rule.options["kind"] if rule.mode == "certificate" else "good" if self.name == "https" else self.name
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secure = self.receiver.contexts[kind].wrap_socket(request, server_side=True)
        except OSError as error:
            self._note_failure(kind, client_address, error)
            return
        secure.loginwatch_certificate = kind  # type: ignore[attr-defined]
        try:
            super().finish_request(secure, client_address)
        finally:
            self.shutdown_request(secure)

    def _note_failure(self, kind: str, client_address: Any, error: OSError) -> None:
        failure = {"time": time.time(), "listener": self.name, "certificate": kind, "client": client_address[0]}
        failure["reason"] = getattr(error, "reason", None) or str(error)
        self.receiver.handshake_failures.append(failure)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnects during a request. Any other error is a bug in the receiver."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, socket.timeout)):
            super().handle_error(request, client_address)
