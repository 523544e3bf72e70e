# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Slack app with a bot token: the messages of slack.py by `chat.postMessage`, with threads.

A connection's follow-ups, its end and the repeats of a login are replies to the message of their login. A heavy one
also appears in the channel (`reply_broadcast`). A file records which message reported which login, because the sender
ends when nothing is left to send.

Slack answers 200 to nearly everything. The result is in `ok` and `error` (docs.slack.dev, "Using the Slack Web API",
"chat.postMessage": Errors, "Rate limits").
"""

import json
import re
from itertools import takewhile

from ..journal import trouble
from ..spool import ALERT_MODE, CHANNEL_STATE, is_name
from ..transport import Answer
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, UNSURE, Verdict, is_page, parsed, slack, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence

    from ..alert import Alert
    from ..config import Configuration
    from ..spool import Spool

URL = "https://slack.com/api/chat.postMessage"
# Another method at the same place: it checks the token, and posts nothing.
KNOCK = "auth.test"
# The answer repeats the message, which has up to DIGEST_CHARACTERS of blocks, and each character may be an escape.
LARGEST_ANSWER_BYTES = 256 << 10
# For how many logins and replies the message is remembered. Follow-ups of older logins are posted to the channel.
MOST_THREADS = 2000
# An entry consists of two short texts.
LARGEST_FILE_BYTES = MOST_THREADS * 100
# The id of a message within its channel, which is a time (docs.slack.dev, "Retrieving messages").
TIMESTAMP = re.compile(r"[0-9]{10}\.[0-9]{6}\Z")
NEW_TOKEN = "create a new bot token in Slack (Apps, OAuth & Permissions) and run the role again with it"  # noqa: S105
JOIN = "invite the app to the channel (/invite), or give it the scope chat:write.public"
SCOPE = "the app needs the scope chat:write; add it, install the app again and run the role with its token"
OTHER_CHANNEL = "choose another channel and run the role again with it"
# Errors that mean that Slack accepts nothing with this token for this channel, and what to do.
CLOSING = {
    "not_authed": "the request has no token; " + NEW_TOKEN,
    "invalid_auth": "the token is wrong; " + NEW_TOKEN,
    "token_revoked": "the token was revoked; " + NEW_TOKEN,
    "token_expired": "the token has expired; switch token rotation off for the app, then " + NEW_TOKEN,
    "account_inactive": "the app was removed or its workspace is gone; " + NEW_TOKEN,
    "not_allowed_token_type": "this is not a bot token; run the role again with the one that begins with xoxb-",
    "missing_scope": SCOPE,
    "no_permission": SCOPE,
    "access_denied": "the workspace does not let this app post; ask its administrators",
    "accesslimited": "the workspace does not let this app post; ask its administrators",
    "ekm_access_denied": "the workspace's administrators have suspended posting; ask them",
    "enterprise_is_restricted": "the organization does not let this app post; ask its administrators",
    "org_login_required": "the organization is being migrated; ask its administrators",
    "team_access_not_granted": "the app was not granted this workspace; ask its administrators",
    "team_added_to_org": "the workspace is joining an organization; ask its administrators",
    "two_factor_setup_required": "the token's account needs two-factor authentication; " + NEW_TOKEN,
    "deprecated_endpoint": "Slack has replaced this method; look for a newer version of this program",
    "method_deprecated": "Slack has replaced this method; look for a newer version of this program",
    "channel_not_found": "the channel does not exist, or the app can't see it; " + JOIN + ", or " + OTHER_CHANNEL,
    "not_in_channel": "the app is not a member of the channel; " + JOIN,
    "is_archived": "the channel is archived; unarchive it in Slack, or " + OTHER_CHANNEL,
    "restricted_action": "the workspace lets only some people post there; ask its administrators, or " + OTHER_CHANNEL,
    "restricted_action_read_only_channel": "the channel is read-only; " + OTHER_CHANNEL,
    "restricted_action_thread_only_channel": "only replies may be posted there; " + OTHER_CHANNEL,
    "messages_tab_disabled": "the app's messages tab is switched off; switch it on, or " + OTHER_CHANNEL,
}
# Errors that mean that Slack refuses the message itself.
REFUSING = (
    "invalid_blocks", "invalid_blocks_format", "block_mismatch", "msg_blocks_too_long", "msg_too_long", "no_text",
    "markdown_text_conflict", "invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset",
    "invalid_form_data", "invalid_json", "json_not_object", "invalid_post_type", "missing_post_type",
    "too_many_attachments", "attachment_payload_limit_exceeded",
)  # fmt: skip
LIMITING = ("ratelimited", "rate_limited", "message_limit_exceeded")
# The thread no longer exists, or it accepts no replies.
THREADLESS = (
    "thread_not_found", "message_not_found", "cannot_reply_to_message", "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
)  # fmt: skip
NOT_SLACK = "this answer is not Slack's; look for a proxy, a filter or a portal on the way, and check api_url"
# The members of an answer that are kept and shown, because the answer repeats the whole message.
ESSENTIAL = ("ok", "error", "ts", "needed")


class Channel(slack.Channel):
    """A Slack app.

    settings: `token` (a secret), `channel` (its id or #name), and optionally `threads`, `logouts`, `api_url`
    """

    LARGEST_ANSWER_BYTES = LARGEST_ANSWER_BYTES
    WAY = "check the connection to Slack: DNS, firewall, proxy, CA file"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self._threads = Threads(spool if settings.get("threads", True) else None, settings["channel"])

    @property
    def url(self) -> str:
        """Return the URL of chat.postMessage."""
        return str(self.settings.get("api_url") or URL)

    def headers(self, message: bytes) -> "Dict[str, str]":
        """Return the header with the token (RFC 6750, 2.1)."""
        return {"Authorization": "Bearer " + self.settings["token"]}

    def wants(self, alert: "Alert", before: "Sequence[Alert]" = ()) -> bool:
        """See BaseChannel. The end of a connection is reported once, where its login was reported."""
        if super().wants(alert, before):
            return True
        is_told = bool(self._threads.of(alert)) or any(other["id"] == alert["follows"] for other in before)
        return bool(self.settings.get("logouts")) and is_told and not self._threads.has(alert)

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts, as many as fit and belong to the same thread."""
        found = super().fitting(alerts, now)
        thread = self._threads.of(found[0])
        return list(takewhile(lambda alert: self._threads.of(alert) == thread, found))

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message in Slack's format, for the channel or for the thread of these alerts."""
        message = json.loads(super().message(alerts, now, dropped).decode("ascii"))
        message["channel"] = self.settings["channel"]
        thread = self._threads.of(alerts[0])
        if thread:
            message["thread_ts"] = thread
            message["reply_broadcast"] = any(alert.get("weights") for alert in alerts)
        return json.dumps(message).encode("ascii")

    def send(self, message: bytes, alerts: "List[Alert]") -> Answer:
        """Send a message. Return the essential part of the answer.

        If its thread is gone, send it again, to the channel.
        """
        answer = _essential(super().send(message, alerts))
        if parsed(answer).get("error") in THREADLESS and self._threads.of(alerts[0]):
            self._threads.forget(self._threads.of(alerts[0]))
            unthreaded = json.loads(message.decode("ascii"))
            for name in ("thread_ts", "reply_broadcast"):
                unthreaded.pop(name, None)
            answer = _essential(super().send(json.dumps(unthreaded).encode("ascii"), alerts))
        return answer

    def delivered(self, alerts: "List[Alert]", answer: Answer) -> None:
        """Remember which message reported these alerts, for their follow-ups."""
        self._threads.remember(alerts, parsed(answer).get("ts"))

    def read(self, answer: Answer) -> Verdict:
        """Return what Slack's answer means."""
        document = parsed(answer)
        error = document.get("error")
        if 200 <= answer.status < 300 and document.get("ok") is True:
            return verdict(DELIVERED, "", answer)
        if answer.status == 429 or error in LIMITING:
            return verdict(LIMITED, slack.RATE_LIMITED, answer)
        if error in REFUSING:
            return verdict(REFUSED, slack.DEFECT, answer)
        if isinstance(error, str) and error in CLOSING:
            return verdict(CLOSED, CLOSING[error], answer)
        if document.get("ok") is False:
            return verdict(FAILED, "Slack reports a problem of its own (status.slack.com); it is tried again", answer)
        may_be_there = 200 <= answer.status < 300 and not is_page(answer.text)
        return verdict(UNSURE if may_be_there else FAILED, NOT_SLACK, answer)

    def knock(self) -> Answer:
        """Check the token, without posting anything."""
        door = self.transport.beside(KNOCK)
        try:
            return _essential(door.post(b"{}", self.headers(b"{}")))
        finally:
            door.close()


class Threads:
    """Which message reported which of the last logins: its timestamp by the alert's id, in state/channel.json.

    The file belongs to the service user, so values that do not have the form of a timestamp are ignored.
    """

    def __init__(self, spool: "Optional[Spool]", channel: str) -> None:
        """spool: None for a channel without threads. channel: the threads of any other channel are forgotten."""
        self._spool = spool
        self._channel = channel
        self._kept: Optional[Dict[str, str]] = None

    def of(self, alert: "Alert") -> str:
        """Return the timestamp of the thread that an alert belongs to, "" for none."""
        return self._threads().get(alert["follows"], "") if alert["follows"] else ""

    def has(self, alert: "Alert") -> bool:
        """Return whether a message reported this alert itself."""
        return alert["id"] in self._threads()

    def remember(self, alerts: "List[Alert]", timestamp: object) -> None:
        """Record a delivered message. timestamp: from Slack's answer; a reply gets that of its thread"""
        found = self.of(alerts[0]) or timestamp
        if self._spool is None or not isinstance(found, str) or not TIMESTAMP.match(found):
            return
        threads = self._threads()
        for alert in alerts:
            threads[alert["id"]] = found
        for name in sorted(threads)[:-MOST_THREADS]:
            del threads[name]
        self._keep()

    def forget(self, timestamp: str) -> None:
        """Forget a thread that is gone."""
        self._kept = {name: kept for name, kept in self._threads().items() if kept != timestamp}
        self._keep()

    def _threads(self) -> "Dict[str, str]":
        """Return the threads. They are read when first needed, after root is given up."""
        if self._kept is None:
            self._kept = self._load()
        return self._kept

    def _load(self) -> "Dict[str, str]":
        if self._spool is None:
            return {}
        try:
            kept = json.loads(self._spool.read("state", CHANNEL_STATE, LARGEST_FILE_BYTES).decode("ascii"))
            threads = kept["threads"] if kept["channel"] == self._channel else {}
            return {name: found for name, found in threads.items() if is_name(name) and TIMESTAMP.match(found)}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            trouble(f"The note of Slack's threads can't be read ({error!r}): follow-ups are posted to the channel.")
            return {}

    def _keep(self) -> None:
        contents = json.dumps({"channel": self._channel, "threads": self._threads()}).encode("ascii")
        try:
            if self._spool is not None:
                self._spool.write("state", CHANNEL_STATE, contents, ALERT_MODE)
        except OSError as error:
            trouble(f"Slack's threads could not be noted: {error}.")


def _essential(answer: Answer) -> Answer:
    """Return Slack's answer without the message that it repeats. Return any other answer unchanged."""
    document = parsed(answer)
    if not isinstance(document.get("ok"), bool):
        return answer
    kept = {name: document[name] for name in ESSENTIAL if isinstance(document.get(name), (bool, str))}
    return Answer(answer.status, json.dumps(kept), answer.retry_after)
