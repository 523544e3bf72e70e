# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Relay between a large fleet and one Slack webhook: accept the hosts' messages, and post them to Slack in digests.

    hosts ──HTTPS──► Take ──► Redis (a stream, on the disk) ──► tell ──► Slack, one message a second

A host gets its answer once Redis has the message on disk (`appendfsync always`), and then deletes its own copy. A
message leaves Redis once Slack has accepted it. So a crash of either part loses nothing, and at worst one message is
posted twice. While Slack refuses the webhook itself, for example because somebody has removed it, hosts get 503. They
keep their alerts, and their own `status` and self-check report the problem.

It needs Debian's packages redis-server and python3-redis. Its configuration is a JSON file that only its user can read:

    {"listen": ["0.0.0.0", 8443], "certificate": "/etc/relay/cert.pem", "key": "/etc/relay/key.pem",
     "path": "/services/a-long-random-word-that-the-hosts-know", "slack": "https://hooks.slack.com/services/…",
     "ca_file": null, "redis": "unix:///run/redis/redis-server.sock"}
"""

import hmac
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import redis

STREAM, REFUSED, GROUP = "alerts", "refused", "slack"
# The largest message that a host may post.
LARGEST_BYTES = 1 << 20
# How many hosts' messages are merged into one.
MOST = 20
# Slack's own limit for a message.
MOST_BLOCKS = 50
# Slack accepts about one message a second.
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# Slack's status codes for a bad message. Any other refusal concerns the webhook, and therefore every message.
MESSAGE_REFUSED = (400, 413)
TIMEOUT_SECONDS = 15.0


class Take(http.server.BaseHTTPRequestHandler):
    """Answer like Slack's webhook: 200 and "ok" once the message is stored."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS
    configuration: dict
    store: redis.Redis
    # The HTTP status with which Slack refuses the webhook, 0 if it does not.
    webhook_refused = 0

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or ""
        if not hmac.compare_digest(self.path.encode(), self.configuration["path"].encode()):
            self.answer(404, "no_service")
            return
        if not length.isdigit() or int(length) > LARGEST_BYTES:
            self.answer(400, "invalid_payload")
            return
        body = self.rfile.read(int(length))
        try:
            blocks_of(json.loads(body))
        except (ValueError, KeyError, TypeError):
            self.answer(400, "invalid_payload")
            return
        if Take.webhook_refused:
            self.answer(503, f"Slack refuses the relay's webhook ({Take.webhook_refused})")
            return
        try:
            self.store.xadd(STREAM, {"body": body})
        except redis.RedisError as error:
            # The host keeps the message and retries.
            self.log_error("Redis did not store a message: %s", error)
            self.answer(503, "the relay's store does not answer")
            return
        self.answer(200, "ok")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status != 200:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, code="-", size="-") -> None:
        """Do nothing: the path is a secret and must not be logged."""

    def log_message(self, template: str, *arguments) -> None:
        complain(f"take: {template % arguments}")


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def blocks_of(message: dict) -> list:
    """Return the blocks of a message, or its text as one block. Raise ValueError, KeyError or TypeError if invalid."""
    text = message["text"]
    if not isinstance(text, str) or not text:
        raise ValueError("a message needs a text")
    blocks = message.get("blocks") or [{"type": "section", "text": {"type": "plain_text", "text": text[:3000]}}]
    if not isinstance(blocks, list):
        raise TypeError("blocks are a list")
    return blocks


def digest(bodies: list) -> tuple:
    """Merge as many messages as fit into one, and return (body, count). A single message is returned unchanged."""
    blocks, count = [], 0
    for body in bodies:
        more = blocks_of(json.loads(body))
        if count and len(blocks) + len(more) > MOST_BLOCKS:
            break
        blocks, count = blocks + more, count + 1
    if count == 1:
        return bodies[0], 1
    message = {"text": f"{count} messages from the fleet", "mrkdwn": False, "blocks": blocks}
    message.update(unfurl_links=False, unfurl_media=False)
    return json.dumps(message).encode(), count


def post(configuration: dict, body: bytes) -> tuple:
    """Post to Slack, and return (HTTP status, seconds to wait). The status is 0 if Slack did not answer."""
    request = urllib.request.Request(configuration["slack"], body, {"Content-Type": "application/json"})  # noqa: S310
    tls = ssl.create_default_context(cafile=configuration.get("ca_file"))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=tls) as answer:  # noqa: S310
            return answer.status, 0.0
    except urllib.error.HTTPError as error:
        wait = error.headers.get("Retry-After") or "0"
        return error.code, float(wait) if wait.isdigit() else 0.0
    except OSError:
        return 0, 0.0


def tell(configuration: dict, store: redis.Redis) -> None:
    """Post waiting messages to Slack, forever."""
    pause, most = PAUSE_SECONDS, MOST
    while True:
        try:
            # First the messages that an earlier run left pending ("0"), then new ones (">").
            for start in ("0", ">"):
                found = store.xreadgroup(GROUP, "teller", {STREAM: start}, count=most, block=1000)
                if found and found[0][1]:
                    break
            else:
                continue
        except redis.RedisError as error:
            complain(f"tell: {error}")
            time.sleep(PAUSE_SECONDS)
            continue
        body, count = digest([entry[1][b"body"] for entry in found[0][1]])
        entries = found[0][1][:count]
        status, wait = post(configuration, body)
        if status not in (200, *MESSAGE_REFUSED):
            if status and status != 429 and status < 500:
                Take.webhook_refused = status
                complain(f"tell: Slack refuses the webhook ({status}); hosts get 503 until it accepts one")
            pause = PAUSE_SECONDS if status == 429 else min(LONGEST_PAUSE_SECONDS, pause * 2)
            time.sleep(max(wait, pause))
            continue
        Take.webhook_refused, pause = 0, PAUSE_SECONDS
        if status != 200 and count > 1:
            # Halve the digest until only the message that Slack refuses is left; the others are posted.
            most = count // 2
        else:
            if status != 200:
                complain(f"tell: Slack has refused a message ({status}); it is in the stream {REFUSED}")
            finish(store, entries, refused=status != 200)
            most = min(MOST, most * 2)
        time.sleep(pause)


def finish(store: redis.Redis, entries: list, refused: bool) -> None:
    """Remove messages from the stream in one transaction. Copy those that Slack refused to another stream."""
    ids = [entry[0] for entry in entries]
    with store.pipeline(transaction=True) as steps:
        for entry in entries if refused else []:
            steps.xadd(REFUSED, entry[1])
        steps.xack(STREAM, GROUP, *ids)
        steps.xdel(STREAM, *ids)
        steps.execute()


def main() -> None:
    configuration = json.loads(Path(sys.argv[1]).read_text())
    store = redis.Redis.from_url(configuration["redis"])
    try:
        store.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    Take.configuration, Take.store = configuration, store
    server = http.server.ThreadingHTTPServer(tuple(configuration["listen"]), Take)
    server.daemon_threads = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(configuration["certificate"], configuration["key"])
    # Each connection's own thread does the handshake, so a silent client delays nobody else.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(configuration, store)


if __name__ == "__main__":
    main()
