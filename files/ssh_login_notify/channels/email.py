# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail by SMTP (RFC 5321): over STARTTLS (RFC 3207) or TLS (RFC 8314), with a verified certificate.

A message has the same content as plain text and as HTML. Its Message-ID consists of the alert's id and the host, so
that a mail server can drop a duplicate. A follow-up and repeats are replies to the message of their login (RFC 5322,
3.6.4). `Auto-Submitted` asks other programs not to send automatic replies (RFC 3834).

No header contains a stranger's text unencoded: only the subject has such text, and it consists of encoded words (RFC
2047). The configured HTTP proxy is not used, because it forwards no mail.

SMTP answers a message step by step. So the text of an answer begins with the name of the step. If some recipients are
refused, the others get the message, and the system's log names the refused ones.
"""

import email.charset
import email.policy
import html
import os
import re
import smtplib
import socket
import ssl
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import formatdate

from .. import document, wording
from ..config import ConfigurationError
from ..journal import trouble
from ..settings import is_loopback
from ..text import CUT, SEPARATOR, printable
from ..transport import (
    DEADLINE_SECONDS,
    LONGEST_WORDS,
    STEP_SECONDS,
    Answer,
    TimeIsUp,
    TransportError,
    connect,
    deadline,
    failure,
    tls_of,
)
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, BaseChannel, Verdict, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from ..alert import Alert
    from ..config import Configuration
    from ..spool import Spool

    Reply = Tuple[int, bytes]

STARTTLS, TLS, NONE = "starttls", "tls", "none"
# Submission (RFC 6409), submissions (RFC 8314), and a relay on this host.
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}
# In characters. Most clients show less of a subject.
SUBJECT_LIMIT = 200
# No display name, no comment, no quotes, and no character that ends a line or an address.
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}\Z")
NO_HOST_NAME = re.compile(r"[^A-Za-z0-9.-]+")
# The names of the steps of an exchange, as in an answer.
GREETING, SIGN_IN, SENDER, RECIPIENTS, MESSAGE = "greeting", "sign-in", "sender", "recipients", "message"
# Replies that ask the client to try later (RFC 5321, 4.2.2): the server or its disk is busy, or it uses greylisting.
LATER = (421, 450, 451, 452)
# A daily or hourly quota is used up (RFC 3463: 5.4.5 is mail system congestion; Google and Microsoft use it so).
QUOTA = "5.4.5"
MENDS = {
    GREETING: "the mail server accepts no mail from this host; ask its administrator, or set another host",
    SIGN_IN: "the mail server refuses the user or the password; correct them and run the role again",
    SENDER: "the mail server refuses the sender's address; set another `from`, or a user and a password",
    RECIPIENTS: "the mail server refuses every recipient; correct `to` and run the role again",
    MESSAGE: "the mail server refuses this message; check its log",
}
TRY_LATER = "the mail server asks to try again later; it is tried again"
ODD = "the mail server answered something unexpected; check its log; it is tried again"
NO_STARTTLS = "offers no STARTTLS: set `tls: tls` if it speaks TLS from the beginning, as on port 465"
NO_WAY_TO_SIGN_IN = "offers no way to sign in with a password"
NEEDS_TLS = "mail to another host needs TLS: set `tls` to starttls or tls, and run the role again"
ODD_ADDRESS = "a mail address is not in the form user@example.com: correct it and run the role again"
PAGE = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">
</head><body>
<p><b>{headline}</b></p>
{body}
</body></html>
"""
ROW = '<tr><td valign="top">{}</td><td>{}</td></tr>'
# Do not fold headers: only the subject and the recipients need several lines, and they have them already. Programs look
# for an id in the first line.
UNFOLDED = email.policy.compat32.clone(max_line_length=998)
QUOTED_PRINTABLE = email.charset.Charset("utf-8")
QUOTED_PRINTABLE.body_encoding = email.charset.QP


class Channel(BaseChannel):
    """A mail server. settings: `host`, `from`, `to`, and optionally `port`, `tls`, `user`, `password` (a secret)."""

    WAY = "check the connection to the mail server: DNS, firewall, CA file; the HTTP proxy is not used for mail"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self._host = str(settings["host"])
        self._mode = settings.get("tls") or STARTTLS
        self._port = int(settings.get("port") or PORTS[self._mode])
        if self._mode == NONE and not (is_loopback(self._host) or configuration.allow_http):
            raise ConfigurationError(NEEDS_TLS)
        if not all(map(ADDRESS.match, [settings["from"], *settings["to"]])):
            raise ConfigurationError(ODD_ADDRESS)
        self._tls = None if self._mode == NONE else tls_of(configuration)
        self._client: Optional[smtplib.SMTP] = None
        self._sent = False
        self._told: List[str] = []

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts."""
        return alerts[: self.DIGEST_LIMIT]

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the message with its headers."""
        message = MIMEMultipart("alternative", policy=UNFOLDED)
        headline, rows = self._content(alerts, now)
        links = wording.links(alerts[0], self.configuration) if len(alerts) == 1 else []
        first = [wording.dropped(dropped, self.configuration.say)] if dropped else []
        self._add_headers(message, alerts, headline, now)
        plain = [*first, *(f"{label}: {text}" if label else text for label, text in rows)]
        plain += [f"{title}: {url}" for title, url in links]
        message.attach(_part("plain", "\n".join([headline, "", *plain, ""])))
        message.attach(_part("html", PAGE.format(headline=html.escape(headline), body=_body(first, rows, links))))
        return message.as_bytes().replace(b"\n", b"\r\n")

    def _content(self, alerts: "List[Alert]", now: float) -> "Tuple[str, List[Tuple[str, str]]]":
        """Return the headline, and the rows below it as labels and texts. The rows of a digest have no labels."""
        if len(alerts) > 1:
            lines = [wording.login(alert, self.configuration, now) + f"{SEPARATOR}id {alert['id']}" for alert in alerts]
            return wording.digest_headline(alerts, self.configuration), [("", line) for line in lines]
        headline, fields = wording.single(alerts[0], self.configuration, now, lambda text: len(text) <= SUBJECT_LIMIT)
        return headline, [*((field.label, field.value) for field in fields), ("id", alerts[0]["id"])]

    def _add_headers(self, message: MIMEMultipart, alerts: "List[Alert]", headline: str, now: float) -> None:
        subject = headline if len(headline) <= SUBJECT_LIMIT else headline[: SUBJECT_LIMIT - 1] + CUT
        message["From"] = self.settings["from"]
        message["To"] = ",\n ".join(self.settings["to"])
        message["Subject"] = Header(subject, "utf-8", header_name="Subject").encode(linesep="\n")
        message["Date"] = formatdate(now)
        name = alerts[0]["id"] if len(alerts) == 1 else document.id_of(alerts)
        message["Message-ID"] = self._message_id(name, alerts[0])
        if len(alerts) == 1 and alerts[0]["follows"]:
            message["In-Reply-To"] = message["References"] = self._message_id(alerts[0]["follows"], alerts[0])
        message["Auto-Submitted"] = "auto-generated"
        if any(alert.get("weights") for alert in alerts):
            message["Importance"] = "high"

    def _message_id(self, name: str, alert: "Alert") -> str:
        left = NO_HOST_NAME.sub("-", f"{name}.{alert['host']}").strip(".-")
        return "<{}@{}>".format(re.sub(r"\.{2,}", ".", left), self.settings["from"].rpartition("@")[2])

    def send(self, message: bytes, alerts: "List[Alert]") -> Answer:
        """Send a message, and return the reply that settled it. Raise TransportError if none came."""
        return self._exchange(message)

    def knock(self) -> Answer:
        """Connect and sign in, but send only a NOOP (RFC 5321, 4.1.1.9)."""
        return self._exchange(None)

    def close(self) -> None:
        """Close the connection, if there is one."""
        super().close()
        if self._client:
            self._client.close()
        self._client = None

    def read(self, answer: Answer) -> Verdict:
        """Return what a reply means at its step."""
        step, _colon, text = answer.text.partition(": ")
        if 200 <= answer.status < 300:
            return verdict(DELIVERED, "", answer)
        if answer.status in LATER or QUOTA in text:
            return verdict(LIMITED, TRY_LATER, answer)
        if not 500 <= answer.status < 600 or step not in MENDS or _is_syntax(answer.status, step):
            return verdict(FAILED, ODD, answer)
        # 552 to MAIL FROM is about the announced size of the message (RFC 1870, 6.1).
        is_refused = step == MESSAGE or (step == SENDER and answer.status == 552)
        return verdict(REFUSED, MENDS[MESSAGE], answer) if is_refused else verdict(CLOSED, MENDS[step], answer)

    def _exchange(self, message: "Optional[bytes]") -> Answer:
        self._sent = False
        why: Exception
        try:
            with deadline(DEADLINE_SECONDS):
                answer = self._talk(message)
            if answer.status == 421:
                self.close()  # the server closes the connection as well (RFC 5321, 3.8)
            return answer
        except (OSError, ssl.CertificateError, UnicodeError) as error:  # smtplib's exceptions are OSErrors
            why = error
        except TimeIsUp:
            why = socket.timeout()
        self.close()
        raise TransportError(self._why(why), self._sent) from None

    def _talk(self, message: "Optional[bytes]") -> Answer:
        try:
            client = self._kept() or self._connected()
            return _answer(GREETING, client.noop()) if message is None else self._submit(client, message)
        except smtplib.SMTPResponseException as error:
            self.close()
            text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode("utf-8")
            is_sign_in = isinstance(error, smtplib.SMTPAuthenticationError)
            return _answer(MESSAGE if self._sent else SIGN_IN if is_sign_in else GREETING, (error.smtp_code, text))

    def _kept(self) -> "Optional[smtplib.SMTP]":
        """Return the connection of the last message if the server still serves it, else None."""
        try:
            if self._client and self._client.rset()[0] == 250:
                return self._client
        except OSError:
            pass  # the server has closed it, as it may between two messages
        self.close()
        return None

    def _connected(self) -> smtplib.SMTP:
        """Return a new connection, secured as the settings require, and signed in."""
        client = self._client = _Client(self._host, self._port, self._tls if self._mode == TLS else None)
        client.ehlo_or_helo_if_needed()
        if self._tls and self._mode == STARTTLS:
            if client.starttls(context=self._tls)[0] != 220:
                raise smtplib.SMTPNotSupportedError
            client.ehlo_or_helo_if_needed()
        if self.settings.get("user"):
            self._sign_in(client)
        return client

    def _sign_in(self, client: smtplib.SMTP) -> None:
        """Sign in with the simplest mechanism, which is safe over TLS. Raise SMTPAuthenticationError."""
        # smtplib's mechanisms read them from these attributes.
        client.user, client.password = self.settings["user"], self.settings.get("password") or ""
        offered = client.esmtp_features.get("auth", "").upper().split()
        for name, way in (("PLAIN", client.auth_plain), ("LOGIN", client.auth_login)):
            if name in offered:
                client.auth(name, way)
                return
        raise smtplib.SMTPNotSupportedError(NO_WAY_TO_SIGN_IN)

    def _submit(self, client: smtplib.SMTP, message: bytes) -> Answer:
        """Submit a message on a ready connection. Return the reply that settled it."""
        size = [f"size={len(message)}"] if client.has_extn("size") else []
        reply = client.mail(self.settings["from"], size)
        if reply[0] != 250:
            return _answer(SENDER, reply)
        refused = {}
        for address in self.settings["to"]:
            reply = client.rcpt(address)
            if reply[0] not in (250, 251):
                refused[address] = reply
        if len(refused) == len(self.settings["to"]):
            # If one of the replies is temporary, the message is retried for all.
            return _answer(RECIPIENTS, min(refused.values()))
        self._sent = True
        answer = _answer(MESSAGE, client.data(message))
        if answer.status == 250:
            self._tell_refused(refused)
        return answer

    def _tell_refused(self, refused: "Dict[str, Reply]") -> None:
        """Log which recipients got no message, each once in a run."""
        for address, reply in refused.items():
            if address not in self._told:
                self._told.append(address)
                said = _answer(RECIPIENTS, reply)
                trouble(f"The mail server refuses the recipient {address}, who gets no alerts: {said}.")

    def _why(self, error: Exception) -> str:
        """Return what failed, without the password: smtplib's messages could quote what was sent."""
        way = f"{self._host} port {self._port}"
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return f"{way} {NO_WAY_TO_SIGN_IN if NO_WAY_TO_SIGN_IN in str(error) else NO_STARTTLS}"
        # smtplib reports any end of an exchange as a closed connection, even its own timeout.
        ended = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else None
        found = failure(ended if isinstance(ended, OSError) else error, way, self.configuration)
        if found:
            return found
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return f"{way} closed the connection"
        return f"{way} did not answer in SMTP ({type(error).__name__})"


class _Client(smtplib.SMTP):
    """A connection that is made as in transport.py, with TLS from the beginning if there is a context."""

    def __init__(self, host: str, port: int, tls: "Optional[ssl.SSLContext]") -> None:
        self._tls = tls
        # Set a name, because smtplib would otherwise ask the DNS for one.
        name = NO_HOST_NAME.sub("-", os.uname().nodename).strip(".-") or "localhost"
        super().__init__(host, port, local_hostname=name, timeout=STEP_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = connect((host, port), timeout)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection


def _answer(step: str, reply: "Reply") -> Answer:
    """Return a reply as an answer, whose text begins with the step."""
    text = printable(reply[1].replace(b"\n", b" "), LONGEST_WORDS)
    return Answer(reply[0], f"{step}: {text}")


def _is_syntax(status: int, step: str) -> bool:
    """Return whether a reply means that a command is unknown. The other side may not be a mail server.

    After the message itself, such a reply is about the message.
    """
    return 500 <= status <= 504 and step != MESSAGE


def _part(kind: str, text: str) -> MIMENonMultipart:
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part.set_payload(text, QUOTED_PRINTABLE)
    return part


def _body(first: "List[str]", rows: "List[Tuple[str, str]]", links: "List[Tuple[str, str]]") -> str:
    """Return the body of the page. Everything in it is escaped."""
    lines = [f"<p>{html.escape(text)}</p>" for text in first]
    lines += [f"<p>{html.escape(text)}</p>" for label, text in rows if not label]
    cells = [ROW.format(html.escape(label), html.escape(text)) for label, text in rows if label]
    if cells:
        lines += ["<table>", *cells, "</table>"]
    lines += [f'<p><a href="{html.escape(url)}">{html.escape(title)}</a></p>' for title, url in links]
    return "\n".join(lines)
