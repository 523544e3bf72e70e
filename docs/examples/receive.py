# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive alerts from a channel of the kind `json`, and verify that they come from your hosts.

    WEBHOOK_KEY=whsec_... python3 receive.py 8080

It needs only Python's standard library. Put a TLS server in front of it. A real receiver also remembers recent
`webhook-id`s and ignores duplicates.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


def is_genuine(headers, body, key):
    """Return whether a request was signed with the key within the last five minutes (Standard Webhooks)."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    secret = base64.b64decode(key.removeprefix("whsec_"))
    expected = b"v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
    signatures = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(found, expected) for found in signatures)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = is_genuine(self.headers, body, os.environ["WEBHOOK_KEY"])
        if genuine:
            for alert in json.loads(body)["alerts"]:
                print(alert["host"]["name"], alert["user"], alert["source"]["address"], alert["weights"], flush=True)
        self.send_response(204 if genuine else 401)
        self.end_headers()


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
