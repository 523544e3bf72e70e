# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run on a server under test, accept what channels send over HTTP and by mail, and keep it in files.

sink DIRECTORY

http://127.0.0.1:8025/KIND/… answers as the kind's service does, and appends the body as one line to DIRECTORY/KIND.
A reply in a Slack thread goes to DIRECTORY/KIND.replies, because it does not appear in the channel.
127.0.0.1:8026 is a mail server without TLS. Each mail becomes one line of DIRECTORY/email. Other tests check the
vendors' answers and limits against their documentation.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HTTP_PORT, MAIL_PORT = 8025, 8026
ANSWERS = {
    "slack_app": (200, {"ok": True, "channel": "C0123456789", "ts": "1763884862.000100"}),
    "pagerduty": (202, {"status": "success", "message": "Event processed", "dedup_key": "0"}),
    "json": (204, None),
}
LOCK = threading.Lock()


def keep(kind: str, text: str) -> None:
    """Append a message, as one line of JSON, to the file of its kind."""
    with LOCK, (Path(sys.argv[1]) / kind).open("a") as file:
        file.write(json.dumps(text) + "\n")


class Web(BaseHTTPRequestHandler):
    """The services over HTTP. Answers 404 to an address of no kind."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Keep the body, and answer as the service does."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        kind = self.path.split("/")[1]
        status, answer = ANSWERS.get(kind, (404, None))
        if status != 404:
            is_reply = kind == "slack_app" and "thread_ts" in json.loads(body)
            keep(kind + ".replies" if is_reply else kind, body)
        text = json.dumps(answer).encode() if answer else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_unused: object) -> None:
        """Log nothing, because addresses are secrets."""


class Mail(socketserver.StreamRequestHandler):
    """A mail server (RFC 5321) that accepts every mail and every password."""

    def handle(self) -> None:
        """Answer commands until the client quits."""
        self.say("220 sink ESMTP")
        for line in iter(self.rfile.readline, b""):
            words = line.decode("latin-1").upper().split()
            verb = words[0] if words else ""
            if verb == "EHLO":
                self.say("250-sink\r\n250 AUTH PLAIN LOGIN")
            elif verb == "AUTH":
                self.sign_in(words)
            elif verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                keep("email", b"".join(line[line.startswith(b"..") :] for line in lines).decode("utf-8", "replace"))
                self.say("250 2.0.0 queued")
            else:
                self.say("221 bye" if verb == "QUIT" else "250 2.0.0 ok")

    def sign_in(self, words: list[str]) -> None:
        """Prompt for the rest of the credentials, and accept them."""
        for prompt in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6")[len(words) - 2 :] if words[1] == "LOGIN" else ():
            self.say(prompt)
            self.rfile.readline()
        self.say("235 2.7.0 accepted")

    def say(self, text: str) -> None:
        """Send a reply."""
        self.wfile.write(text.encode() + b"\r\n")


def main() -> None:
    """Serve until the process is ended."""
    Path(sys.argv[1]).mkdir(exist_ok=True)
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    mail = socketserver.ThreadingTCPServer(("127.0.0.1", MAIL_PORT), Mail)
    threading.Thread(target=mail.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", HTTP_PORT), Web).serve_forever()


if __name__ == "__main__":
    main()
