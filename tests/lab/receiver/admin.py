# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to the plain port: the page, the tests' interface, and a webhook for tests of plain HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import pages
from .webhook import Webhook

LONGEST_WAIT = 60.0


class Admin(Webhook):
    """Every path that is not the page or the interface is a webhook."""

    def serve(self) -> None:
        url = urlsplit(self.path)
        if url.path in pages.FILES and self.command in ("GET", "HEAD"):
            self._send(200, *pages.FILES[url.path])
        elif url.path == "/ca.pem" and self.command in ("GET", "HEAD"):
            self._send(200, "application/x-pem-file", self.server.receiver.ca)
        elif url.path.startswith("/api/"):
            self._api(f"{self.command} {url.path}", {key: values[-1] for key, values in parse_qs(url.query).items()})
        else:
            super().serve()

    def _api(self, what: str, query: dict[str, str]) -> None:
        body = self.read_body()
        if body is None:
            return
        try:
            answer = self._call(what, query, body)
        except ValueError as error:
            self._send(400, "application/json", json.dumps({"error": str(error)}).encode())
            return
        status = 404 if answer is None else 200
        self._send(status, "application/json", json.dumps(answer or {"error": f"no such call: {what}"}).encode())

    def _call(self, what: str, query: dict[str, str], body: bytes) -> dict[str, Any] | None:
        receiver = self.server.receiver
        if what == "GET /api/messages":
            wait = min(float(query.get("wait", "0")), LONGEST_WAIT)
            messages = receiver.store.after(int(query.get("after", "0")), wait)
            last = messages[-1]["number"] if messages else receiver.store.last
            return {"messages": messages, "last": last, "cleared": receiver.store.cleared}
        if what == "DELETE /api/messages":
            return {"deleted": receiver.store.clear(), "last": receiver.store.last}
        if what == "GET /api/behaviour":
            return {"rules": receiver.behaviour.as_json()}
        if what == "PUT /api/behaviour":
            return {"rules": receiver.behaviour.set(json.loads(body))}
        if what == "PUT /api/listening":
            wanted = json.loads(body)
            if not isinstance(wanted, bool):
                raise ValueError("listening is true or false")
            receiver.listen(wanted)
            return {"listening": wanted}
        if what == "GET /api/status":
            return {
                "ports": {name: receiver.address(name)[1] for name in receiver.listeners},
                "last": receiver.store.last,
                "handshake_failures": list(receiver.handshake_failures),
                "pings": list(receiver.pings),
            }
        return None

    def _send(self, status: int, kind: str, body: bytes) -> None:
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *pages.HEADERS]
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
