# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of channels at the receiver, with false secrets. This also runs on Python 3.6."""

SECRET = "not-a-real-secret"  # noqa: S105
# The vendors' paths.
PATHS = {
    "slack": "/services/T00000000/B00000000/" + SECRET,
    "teams": "/workflows/0/triggers/manual/paths/invoke?api-version=1&sig=" + SECRET,
    "discord": "/api/webhooks/1/" + SECRET,
    "google_chat": "/v1/spaces/AAAA/messages?key=0&token=" + SECRET,
    "mattermost": "/hooks/" + SECRET,
    "ntfy": "/" + SECRET,
    "pagerduty": "/v2/enqueue",
    "json": "/signed/" + SECRET,
}
TOKEN = "123456:" + SECRET
BOT_TOKEN = "xoxb-" + SECRET
ROUTING_KEY = "notarealsecret0notarealsecret000"
# For the receiver's vendor `json`.
SIGNING_KEY = "whsec_bm90LWEtcmVhbC1zZWNyZXQsIDMyIGJ5dGVzIGxvbmc="
# The other settings of these kinds, besides the address.
MORE = {
    "ntfy": {"token": "tk_" + SECRET},
    "pagerduty": {"key": ROUTING_KEY, "only": [{"weight": ["root"]}]},
    "json": {"key": SIGNING_KEY, "headers": {"Authorization": "Bearer " + SECRET}},
}


def settings(kind, server, what="ops"):
    """Return an entry of `ssh_login_notify_channels` for a channel at the receiver.

    server: `https://receiver:8443`; for mail, `HOST:PORT` of its mail server
    what: name of the channel, among the receiver's channels of this kind
    """
    base = f"{server}/{kind}/{what}"
    if kind == "telegram":
        return {"name": what, "kind": kind, "token": TOKEN, "chat": -1001234567890, "api_url": base}
    if kind == "email":
        host, _colon, port = server.rpartition("//")[2].rpartition(":")
        more = {"host": host, "port": int(port), "tls": "starttls", "from": "web-3@example.com"}
        return dict(more, name=what, kind=kind, to=[what + "@example.com"])
    if kind == "slack_app":
        api_url = base + "/api/chat.postMessage"
        return {"name": what, "kind": kind, "token": BOT_TOKEN, "channel": "C0123456789", "api_url": api_url}
    return dict({"name": what, "kind": kind, "url": base + PATHS[kind]}, **MORE.get(kind, {}))
